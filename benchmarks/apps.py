"""The two applications under measurement. Both give the same answers, byte for byte.

GET  /small                 a JSON object of a few bytes
GET  /ascii /utf8 /binary   1 MB that was ready before: no work of the application's own
POST /take                  reads the body, and tells its length and its two ends
"""

import random

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

__all__ = ["BODIES", "SMALL", "bare", "site", "taken"]

SIZE = 1_000_000
SMALL = b'{"hello":"world"}'


def _repeated(text: str) -> bytes:
    """Return `text` repeated in whole characters up to 1 MB of UTF-8, with spaces at the end."""
    encoded = (text * (SIZE // len(text.encode()) + 1)).encode()[:SIZE]
    return encoded.decode(errors="ignore").encode().ljust(SIZE)


# Text with letters beyond ASCII is by far the slower to decode; what JSON encoders write by default has none.
BODIES: dict[str, tuple[str, bytes]] = {
    "ascii": ("text/plain; charset=utf-8", _repeated('{"id": 4711, "name": "garden chair", "price": "39.90"}, ')),
    "utf8": ("text/plain; charset=utf-8", _repeated("Grüße aus Köln, 東京 and São Paulo: chairs, tables and lamps. ")),
    "binary": ("image/png", random.Random(1).randbytes(SIZE)),
}


def taken(body: bytes) -> bytes:
    """Return the response of both applications to an upload."""
    return b'{"length":%d,"ends":"%s"}' % (len(body), (body[:8] + body[-8:]).hex().encode())


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with bare ASGI messages: the least that an application can cost."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    page = scope["path"].rpartition("/")[2]
    content_type, body = BODIES.get(page) or ("application/json", SMALL)
    if page == "take":
        body = taken(await _read(receive))
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _small(_: Request) -> Response:
    return JSONResponse({"hello": "world"})


async def _big(request: Request) -> Response:
    content_type, body = BODIES[request.path_params["page"]]
    return Response(body, media_type=content_type)


async def _take(request: Request) -> Response:
    return Response(taken(await request.body()), media_type="application/json")


site = Starlette(
    routes=[Route("/small", _small), Route("/take", _take, methods=["POST"]), Route("/{page}", _big)],
)
