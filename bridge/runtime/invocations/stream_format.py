"""The format of a streamed response: its headers, the prelude before the body, and the trailers of one that failed.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from bridge.errors import ResultTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.runtime.api.http import Pairs

__all__ = ["MAX_PRELUDE", "MAX_TRAILER", "STREAM_HEADERS", "encode_prelude", "error_trailers"]

_ERROR_TYPE = b"Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = b"Lambda-Runtime-Function-Error-Body"

# The trailers are announced, or the API does not read them.
STREAM_HEADERS: Pairs = [
    (b"Transfer-Encoding", b"chunked"),
    (b"Lambda-Runtime-Function-Response-Mode", b"streaming"),
    (b"Content-Type", b"application/vnd.awslambda.http-integration-response"),
    (b"Trailer", _ERROR_TYPE),
    (b"Trailer", _ERROR_BODY),
]

_DELIMITER = bytes(8)

# In bytes, with the delimiter: API Gateway looks for the delimiter no further than that.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
MAX_PRELUDE = 16 * 1024

# The longest document of an error, in bytes. In base64 it has to fit into a trailer, and the API's HTTP library
# accepts no more than 4 KiB of trailers together ("suspiciously long trailer after chunked body", Go's net/http).
MAX_TRAILER = 2800

# The longest message and type in such a document, in characters: each can be six bytes of JSON.
MAX_MESSAGE = 300
MAX_TYPE = 60


def encode_prelude(prelude: Mapping[str, Any]) -> bytes:
    encoded = json.dumps(prelude).encode("ascii") + _DELIMITER
    if len(encoded) > MAX_PRELUDE:
        raise ResultTooLarge(
            f"The status and the headers of a streamed response have {len(encoded)} bytes as JSON, and AWS takes "
            f"{MAX_PRELUDE} at most."
        )
    return encoded


def error_trailers(document: dict[str, Any]) -> Pairs:
    from bridge.runtime.api import errors as reports

    error_type = reports.error_type_header(document["errorType"]).encode("ascii")
    body = reports.encode_document(_shortened(document, reports.encode_document))
    return [(_ERROR_TYPE, error_type), (_ERROR_BODY, b64encode(body))]


def _shortened(document: dict[str, Any], encode: Callable[[dict[str, Any]], bytes]) -> dict[str, Any]:
    """Return as much of an error's document as fits into a trailer: of a long one the innermost calls."""
    if len(encode(document)) <= MAX_TRAILER:
        return document
    short = document | {
        "errorMessage": document["errorMessage"][:MAX_MESSAGE],
        "errorType": document["errorType"][:MAX_TYPE],
        "stackTrace": [],
    }
    for line in reversed(document["stackTrace"]):
        longer = short | {"stackTrace": [line, *short["stackTrace"]]}
        if len(encode(longer)) > MAX_TRAILER:
            break
        short = longer
    return short
