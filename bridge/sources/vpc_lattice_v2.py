"""VPC Lattice, event structure version 2, and the functions that it shares with version 1.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html#receive-event-from-service
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import CompleteResponse, EventRequest
from bridge.settings import Settings
from bridge.sources._address import client_address, last_forwarded
from bridge.sources._event_fields import decode_body, is_object, join_query, path_field, text_field
from bridge.sources._path import place, requoted_query, unquoted
from bridge.sources._request import decode_headers, make_request
from bridge.sources._response import EncodedResponse, encode_response, joined

if TYPE_CHECKING:
    from bridge._types import Event, Result

__all__ = ["decode", "decode_version", "encode", "matches", "name", "result"]

name = "vpc-lattice-v2"


def matches(event: Event) -> bool:
    """Return whether the event has version 2.0, like an HTTP API's, and names a Lattice service or network."""
    context = event.get("requestContext")
    if event.get("version") != "2.0" or not is_object(context):
        return False
    return context.get("serviceArn") is not None or context.get("serviceNetworkArn") is not None


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as Lattice received it."""
    return decode_version(event, settings, path="path", flag="isBase64Encoded")


def decode_version(event: Event, settings: Settings, *, path: str, flag: str) -> EventRequest:
    """Decode an event of either version. `path` and `flag`: its keys for the path and for a base64 body.

    The path may carry the query, which is then nearer to what the client sent than the event's query parameters.
    """
    raw_path, _, query = path_field(event, path).partition("?")
    raw_path, root_path = place(raw_path, settings)
    headers = decode_headers(event.get("headers"))
    return make_request(
        method=text_field(event, "method"),
        path=unquoted(raw_path),
        raw_path=raw_path,
        query_string=query or _query(event),
        headers=headers,
        body=decode_body(event, flag=flag),
        client=client_address(last_forwarded(headers)),
        root_path=unquoted(root_path),
        is_forwarded=False,
    )


def _query(event: Event) -> str:
    """Join the query parameters, strings or lists. Version 1 and some events of version 2 spell the key in snake case.

    AWS does not document whether names and values arrive encoded: only what would break the query string is quoted.
    """
    return join_query(event.get("queryStringParameters"), event.get("query_string_parameters"), _quote)


def _quote(text: str) -> str:
    return requoted_query(text).decode("ascii").replace("&", "%26").replace("#", "%23")


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """Return statusCode, headers, body, isBase64Encoded; several cookies are a list in `headers`.

    AWS's page says that a response may repeat a header, and shows lists in the events of this version.
    """
    encoded = encode_response(response, method=event.get("method"), settings=settings, event=event)
    headers, cookies = joined(encoded.headers, encoded.values)
    return result(encoded, headers, cookies if len(cookies) > 1 else cookies[0] if cookies else None)


def result(encoded: EncodedResponse, headers: dict[str, str], cookies: str | list[str] | None) -> Result:
    """Return the result of a response. `cookies`: the value of set-cookie, for which Lattice has no other field."""
    return {
        "statusCode": encoded.status_code,
        "headers": headers if cookies is None else {**headers, "set-cookie": cookies},
        "body": encoded.body,
        "isBase64Encoded": encoded.is_base64,
    }
