"""An ASGI application for one source: what a web server got becomes a request, and what the service says a response."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import aclosing
from email.utils import formatdate

from starlette.types import Message, Receive, Scope, Send

from bridge.local.header_names import SENT_HEADERS
from bridge.local.services import Front, Sent
from bridge.testing.messages import ClientRequest, ClientResponse, values_of

__all__ = ["FrontApp", "Kept", "client_request"]

# What hears of a response that the service gave without the function: the source, the request and the response.
Kept = Callable[[str, ClientRequest, ClientResponse], None]

# In bytes. No service accepts more than 10 MB: what comes after that is not read, and the service refuses the request.
_MAX_BODY = (10 << 20) + 1

# RFC 9110, 7.6.1: about the connection to the client, which is the web server's own.
_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


class FrontApp:
    """What a client of the service talks to. `kept`: called for a request that the function does not get."""

    def __init__(self, front: Front, kept: Kept) -> None:
        self._front, self._kept = front, kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the services have none: it is a request like others
            receive, send = _as_request(receive, send)
        body = await _body(receive)
        if body is None:
            return
        request = client_request(scope, body)
        sent = await self._front.send(request)
        if sent.invocation is None:
            self._kept(self._front.source.name, request, sent.response)
        await _send(sent, send)


def _as_request(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return what receives a handshake as a request, and sends the response to it.

    https://asgi.readthedocs.io/en/latest/extensions.html#websocket-denial-response
    """

    async def receive_request() -> Message:
        message = await receive()
        return {"type": "http.request"} if message["type"] == "websocket.connect" else {"type": "http.disconnect"}

    async def send_response(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return receive_request, send_response


def client_request(scope: Scope, body: bytes) -> ClientRequest:
    """Return a request, or a WebSocket's handshake."""
    target, query = (_ascii(scope[name]) for name in ("raw_path", "query_string"))
    return ClientRequest(
        method=scope.get("method", "GET"),
        target=f"{target}?{query}" if query else target,
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in _headers(scope)),
        body=body,
        scheme=scope["scheme"].replace("ws", "http"),
        http_version=scope["http_version"],
        client=tuple(scope["client"] or ("127.0.0.1", 0)),
        server_port=scope["server"][1],
    )


def _headers(scope: Scope) -> Iterable[tuple[bytes, bytes]]:
    """Return the headers with the names that the client sent; in lower case where the server does not tell them."""
    protocols = ", ".join(scope.get("subprotocols", ())).encode("latin-1")  # wsproto has them apart
    known = [*scope["headers"], *([(b"sec-websocket-protocol", protocols)] if protocols else [])]
    sent: Iterable[tuple[bytes, bytes]] = scope.get("state", {}).get(SENT_HEADERS, known)
    return sent


def _ascii(text: bytes) -> str:
    """Return a part of a request-target, with other bytes encoded, which it cannot have."""
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in text)


async def _body(receive: Receive) -> bytes | None:
    """Return the body; None if the client left before it was whole, because no service sends on a part of it."""
    content = bytearray()
    while len(content) < _MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        content += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(content[:_MAX_BODY])


async def _send(sent: Sent, send: Send) -> None:
    response = sent.response
    headers = [
        # Spaces around a value are not part of it (RFC 9110, 5.5), and h11 refuses them, also the two old ones.
        # Django's cookies begin with a space.
        (name.encode("latin-1"), value.strip(" \t\v\f").encode("latin-1"))
        for name, value in response.headers
        if name.lower() not in _OF_THE_CONNECTION
    ]
    if not values_of(response.headers, "date"):
        headers.append((b"date", formatdate(usegmt=True).encode("ascii")))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if sent.parts is not None:
        async with aclosing(sent.parts) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": response.body, "more_body": False})
