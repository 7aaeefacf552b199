"""A WebSocket API of API Gateway: the events of a connection, and what its client gets for the results.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html and the pages below it.
It is not among the services of LambdaTransport, because its events are not HTTP requests. What AWS does not document is
from payloads and from what users of API Gateway report, or it is named as assumed.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from time import gmtime, strftime
from typing import Any
from urllib.parse import parse_qsl

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, values_of
from bridge.testing.services._request import Event, api_domain, client_ip, decoded_value, forwarded, listed, received
from bridge.testing.services._response import InvalidResult, body_of, check, multi, single, status_of
from bridge.testing.setup import Setup
from bridge.testing.strict_json import strict_json

__all__ = [
    "FORBIDDEN",
    "MAX_FRAME",
    "MAX_MESSAGE",
    "TIMED_OUT",
    "TOO_MANY",
    "WAIT_LIMIT",
    "ClientConnection",
    "connect_event",
    "disconnect_event",
    "failure",
    "message_event",
    "response",
    "route_key",
]

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
# In bytes: of one message, and of one of its frames. In seconds: how long the API waits for the function.
MAX_MESSAGE = 128 << 10
MAX_FRAME = 32 << 10
WAIT_LIMIT = 29.0

# The messages of the API's own errors. The one for a throttled function is assumed to be that of a REST API.
_INTERNAL = "Internal server error"
TIMED_OUT = "Endpoint request timed out"
TOO_MANY = "Too Many Requests"
FORBIDDEN = "Forbidden"

# The header of the answer to `$connect` that AWS documents. No other one reaches the client here.
_PROTOCOL = "sec-websocket-protocol"

# Of the handshake's headers: about the client's connection itself. No payload has them.
_NOT_PASSED = frozenset({"connection", "upgrade"})

# The spelling of names in payloads. Clients send them so; a web server may have changed them to lower case.
_SPELLED = {
    name.lower(): name
    for name in (
        *("Host", "Origin", "User-Agent", "Cookie", "Authorization", "Accept-Encoding", "Accept-Language"),
        *("Cache-Control", "Pragma", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Amzn-Trace-Id"),
        *("Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version"),
    )
}


@dataclass(frozen=True, kw_only=True)
class ClientConnection:
    """A client's connection. `request`: its handshake. `connected_at`: in seconds since the epoch."""

    id: str
    request: ClientRequest
    stage: str
    connected_at: float


def connect_event(connection: ClientConnection, setup: Setup) -> Event:
    """Return the event for the handshake, which has the client's headers and query string."""
    request = connection.request
    kept = [pair for pair in received(request, forwarded(request, setup)) if pair[0].lower() not in _NOT_PASSED]
    headers = listed((_SPELLED.get(name.lower(), name), value) for name, value in kept)
    query = listed(parse_qsl(request.query, keep_blank_values=True, errors="replace"))
    query_fields = {
        "queryStringParameters": {name: values[-1] for name, values in query.items()},
        "multiValueQueryStringParameters": query,
    }
    return {
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        **(query_fields if query else {}),
        "requestContext": _context(connection, setup, route_key="$connect", event_type="CONNECT"),
        "isBase64Encoded": False,
    }


def message_event(connection: ClientConnection, setup: Setup, text: str, *, key: str = "$default") -> Event:
    """Return the event for a message. `key`: of its route."""
    context = _context(connection, setup, route_key=key, event_type="MESSAGE", messageId=f"{setup.extended_id[:-2]}M=")
    return {"requestContext": context, "body": text, "isBase64Encoded": False}


def disconnect_event(connection: ClientConnection, setup: Setup, *, code: int, reason: str) -> Event:
    """Return the event for the end of a connection. `code`: of RFC 6455, 7.4."""
    host = connection.request.host or api_domain(setup)
    headers = {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    context = _context(
        connection,
        setup,
        route_key="$disconnect",
        event_type="DISCONNECT",
        disconnectStatusCode=code,
        disconnectReason=reason,
    )
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def _context(connection: ClientConnection, setup: Setup, *, route_key: str, event_type: str, **more: Any) -> Event:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html"""
    agent = values_of(connection.request.headers, "user-agent")
    return {
        "routeKey": route_key,
        **({} if setup.authorizer is None else {"authorizer": dict(setup.authorizer)}),
        "eventType": event_type,
        "extendedRequestId": setup.extended_id,
        "requestTime": strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime(setup.time)),
        "messageDirection": "IN",
        **more,
        "stage": connection.stage,
        "connectedAt": int(connection.connected_at * 1000),
        "requestTimeEpoch": int(setup.time * 1000),
        "identity": {
            **({"userAgent": decoded_value(agent[-1])} if agent else {}),
            "sourceIp": client_ip(connection.request),
        },
        "requestId": setup.extended_id,
        "domainName": api_domain(setup),
        "connectionId": connection.id,
        "apiId": "a1b2c3d4e5",
    }


def route_key(text: str, keys: Collection[str]) -> str:
    """Return the key of a message's route, by the expression `$request.body.action`. All else goes to `$default`.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
    """
    if not keys:
        return "$default"
    try:
        document = strict_json(text)
    except ValueError:
        return "$default"
    found = document.get("action") if isinstance(document, dict) else None
    key = found if isinstance(found, str) else json.dumps(found)
    return key if key in keys else "$default"


def response(event: Event, result: object, *, has_route_response: bool) -> ClientResponse:
    """Return what the client gets for the function's result: a handshake's status, or the text of a message.

    A status outside of 2xx refuses a handshake. Not documented: its response is assumed to have no body. The body of
    the result for a message is sent to the client if its route has a route response, whatever the status.
    """
    try:
        if not isinstance(result, dict):
            raise InvalidResult(f"A WebSocket API requires an object, but got {type(result).__name__}.")
        status = status_of(result)
        check(status >= 200, f"Expected a status from 200 to 599, but got {status}.")
        if event["requestContext"]["eventType"] == "CONNECT":
            return ClientResponse(status, _protocol(result))
        is_message = event["requestContext"]["eventType"] == "MESSAGE"
        body = body_of(result, is_base64=False) if is_message else b""
        check(len(body) <= MAX_MESSAGE, f"A message has {MAX_MESSAGE} bytes at most, but the body has {len(body)}.")
    except InvalidResult as exc:
        return failure(event, str(exc))
    if body and not has_route_response:
        return ClientResponse(status, (), b"", ("The body is not sent: the route has no route response.",))
    return ClientResponse(status, (), body)


def _protocol(result: dict[str, Any]) -> Headers:
    pairs = [*single(result.get("headers")), *multi(result.get("multiValueHeaders"))]
    for value in values_of(pairs, _PROTOCOL)[:1]:
        check(value.isascii() and value.isprintable(), f"Expected a protocol's name, but got {value!r}.")
        return ((_PROTOCOL, value.strip()),)
    return ()


def failure(event: Event, reason: str, *, status: int | None = None, message: str = _INTERNAL) -> ClientResponse:
    """Return the API's own error: the answer to a handshake, or a message. Measured: only one comma has no blank.

    Reported: a handshake is answered with 502 if the function fails.
    """
    context = event["requestContext"]
    text = (
        f'{{"message": {json.dumps(message)}, "connectionId":{json.dumps(context["connectionId"])}, '
        f'"requestId":{json.dumps(context["requestId"])}}}'
    )
    body = text.encode()
    headers = (("content-type", "application/json"), ("content-length", str(len(body))))
    is_handshake = context["eventType"] == "CONNECT"
    default = 502 if is_handshake else 500
    return ClientResponse(status or default, headers if is_handshake else (), body, (reason,))
