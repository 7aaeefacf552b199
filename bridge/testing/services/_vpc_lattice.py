"""What VPC Lattice does in both versions of its events.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html

Headers about the connection do not reach the client. Assumed: path and query parameters stay encoded; errors are a
short text, and those for a result are a 502.
"""

from __future__ import annotations

from typing import Any

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused
from bridge.testing.services._request import Event, body_fields, client_ip
from bridge.testing.services._response import (
    HOP_BY_HOP,
    MAX_RESULT,
    InvalidResult,
    Pairs,
    body_of,
    check,
    json_size,
    lowered,
    respond,
    status_of,
    text_error,
    without,
)
from bridge.testing.setup import Setup

__all__ = ["added", "body", "check_request", "checked", "failure", "lattice_response", "too_large"]

_REQUIRED = frozenset({"isBase64Encoded", "statusCode", "headers"})


def check_request(request: ClientRequest) -> None:
    """Raise Refused for what cannot be an event: nothing is documented of it."""
    if request.method == "CONNECT":
        raise Refused(_error(400, "Bad Request").because("VPC Lattice accepts no CONNECT."))


def body(request: ClientRequest) -> Event:
    """Return the body. A text type decides alone that it is text, also a compressed one; text has no flag."""
    fields = body_fields(request, none="", compressed_text=True)
    return fields if fields["isBase64Encoded"] else {"body": fields["body"]}


def added(request: ClientRequest, setup: Setup) -> Headers:
    """X-Forwarded-For is the only header that it adds."""
    return (("x-forwarded-for", client_ip(request)),)


def checked(result: object) -> dict[str, Any]:
    """Return the result, which must have all the fields of the page. Raises InvalidResult."""
    if not isinstance(result, dict):
        raise InvalidResult(f"VPC Lattice requires an object, but got {type(result).__name__}.")
    check(json_size(result) <= MAX_RESULT, f"The result has more than {MAX_RESULT} bytes of JSON.")
    missing = sorted(_REQUIRED - set(result))
    check(not missing, f"VPC Lattice requires the fields {', '.join(sorted(_REQUIRED))}; missing: {missing}.")
    return result


def lattice_response(result: dict[str, Any], headers: Pairs, request: ClientRequest) -> ClientResponse:
    """Return the response. Status, headers, body and its encoding are all that the page has: nothing else is read."""
    ignored = sorted(key for key in result if key not in _REQUIRED | {"body", "statusDescription"} and result[key])
    reasons = [f"VPC Lattice does not read {key}." for key in ignored]
    kept = without(lowered(headers), HOP_BY_HOP, reasons)
    return respond(status_of(result), kept, body_of(result), request, reasons)


def failure(reason: str, setup: Setup) -> ClientResponse:
    return _error(502, "Bad Gateway").because(reason)


def too_large(reason: str, setup: Setup) -> ClientResponse:
    return _error(413, "Payload Too Large").because(reason)


def _error(status: int, phrase: str) -> ClientResponse:
    return text_error(status, "text/plain", phrase)
