"""API Gateway WebSocket APIs: each event of a connection is a POST to the application.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html

`$connect` has the headers and the query string of the client's handshake, in the shape of payload 1.0. A message and
`$disconnect` have none. This module is imported with the first of these events.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bridge._http import CONNECTION_ID_HEADER
from bridge._messages import CONNECTION_ID, CompleteResponse, EventRequest, replace_headers
from bridge.errors import MalformedEvent, ResultTooLarge
from bridge.settings import Settings
from bridge.sources import _payload_v1
from bridge.sources._event_fields import is_object, lenient_object, object_field
from bridge.sources._path import unquoted
from bridge.sources._response import encode_response, listed

if TYPE_CHECKING:
    from bridge._types import Event, Result

__all__ = ["DEFAULT_PATH", "decode", "encode", "matches", "name"]

name = "websocket"

DEFAULT_PATH = "/websocket"

# In bytes: the longest message of an API.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_MESSAGE = 128 * 1024

# What the path ends with, by the type of the event. The key of the API's route is in the event: it may be any text.
_ENDINGS = {"CONNECT": "/connect", "MESSAGE": "/message", "DISCONNECT": "/disconnect"}


def matches(event: Event) -> bool:
    """Return whether the event is about a connection. That of an authorizer has the ARN of a method."""
    context = event.get("requestContext")
    if not is_object(context) or context.get("connectionId") is None:
        return False
    event_type = context.get("eventType")
    is_authorizer = any(event.get(key) is not None for key in ("methodArn", "routeArn", "authorizationToken"))
    return isinstance(event_type, str) and event_type in _ENDINGS and not is_authorizer


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request. Its path is ours: it has no stage, and neither the base path nor the root path changes it."""
    context = object_field(event, "requestContext")
    path = (settings.websocket_path or DEFAULT_PATH) + _ENDINGS[context["eventType"]]
    connection_id = _checked_id(context["connectionId"])
    with_method = {**event, "httpMethod": "POST"}
    request = _payload_v1.request(with_method, path=unquoted(path), raw_path=path, root_path="")
    request.extensions[CONNECTION_ID] = connection_id
    replace_headers(request, [*_headers(request, context), (CONNECTION_ID_HEADER, connection_id)])
    return request


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """Return statusCode, headers, body, isBase64Encoded; several cookies are in multiValueHeaders.

    AWS documents the headers of the answer to `$connect`, and a body that is text. Only a string in `headers` is
    documented, so all values of a name are one string there, unless they are cookies, which must not be joined.

    Raise ResultTooLarge for an answer to a message that is too long for a message to the client.
    """
    encoded = encode_response(response, method="POST", settings=settings, event=event)
    if lenient_object(event, "requestContext").get("eventType") == "MESSAGE":
        _check_message(encoded.body)
    lists = listed(encoded.headers, encoded.values)
    cookies = lists.get("set-cookie", [])
    several = {"set-cookie": lists.pop("set-cookie")} if len(cookies) > 1 else {}
    result: dict[str, Any] = {
        "statusCode": encoded.status_code,
        "headers": {name: ", ".join(values) for name, values in lists.items()},
        "body": encoded.body,
        "isBase64Encoded": encoded.is_base64,
    }
    return result | {"multiValueHeaders": several} if several else result


def _check_message(body: str) -> None:
    size = len(body.encode())
    if size > MAX_MESSAGE:
        raise ResultTooLarge(f"The message has {size} bytes, and API Gateway takes {MAX_MESSAGE} at most. Send less.")


def _checked_id(value: object) -> bytes:
    """Return the id as the value of a header. Raise MalformedEvent."""
    if isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value != "":
        return value.encode("ascii")
    raise MalformedEvent(f"Expected a connectionId of visible characters, but got {ascii(value)[:100]}.")


def _headers(request: EventRequest, context: Any) -> list[tuple[bytes, bytes]]:
    """Return the headers of the event without accept-encoding, and with those that a POST needs where it has none.

    The answer to a handshake has no body that its client decodes, so nothing on the way may compress it.
    """
    dropped = {b"accept-encoding"}
    added: list[tuple[bytes, bytes]] = []
    if context["eventType"] == "MESSAGE":
        dropped.add(b"content-type")
        added.append((b"content-type", _content_type(request.body)))
    pairs = [pair for pair in request.raw_headers if pair[0] not in dropped]
    names = {name for name, _ in pairs}
    if b"host" not in names and (server := request.extensions["asgi"]["server"]):
        pairs.insert(0, (b"host", server[0].encode("ascii")))
    if b"content-length" not in names:
        added.append((b"content-length", b"0"))
    return pairs + added


def _content_type(body: bytes) -> bytes:
    """Return the type of a message, which has none of its own. Routes of an API select by JSON, so most are JSON."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return b"application/octet-stream"
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return b"text/plain; charset=utf-8"
    return b"application/json"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
