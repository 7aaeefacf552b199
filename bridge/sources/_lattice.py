"""What both versions of VPC Lattice's events share.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import CompleteResponse, EventRequest
from bridge.settings import Settings
from bridge.sources import _payload_v2
from bridge.sources._address import client_address, last_forwarded
from bridge.sources._fields import text_field
from bridge.sources._path import requoted_query, unquoted
from bridge.sources._request import decode_headers, join_query, make_request
from bridge.sources._response import encode_response

if TYPE_CHECKING:
    from bridge._types import Event, Result

__all__ = ["encode", "request"]


def request(event: Event, *, path: str, query: str = "", body: bytes, root_path: str) -> EventRequest:
    """`path` and `query`: percent-encoded; without a `query`, the event's query parameters make one."""
    headers = decode_headers(event.get("headers"))
    return make_request(
        method=text_field(event, "method"),
        path=unquoted(path),
        raw_path=path,
        query_string=query or _query(event),
        headers=headers,
        body=body,
        client=client_address(last_forwarded(headers)),
        root_path=unquoted(root_path),
    )


def _query(event: Event) -> str:
    """Values are strings or lists; v1 spells the key in snake case, and some v2 events do.

    Whether names and values arrive encoded is not documented: only what would break the query string is quoted.
    """
    return join_query(event.get("queryStringParameters"), event.get("query_string_parameters"), _quote)


def _quote(text: str) -> str:
    return requoted_query(text).decode("ascii").replace("&", "%26").replace("#", "%23")


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """statusCode, headers, cookies, body, isBase64Encoded.

    Like payload 2.0, as Powertools answers Lattice; AWS documents no field for repeated headers.
    """
    return _payload_v2.result(encode_response(response, method=event.get("method"), settings=settings))
