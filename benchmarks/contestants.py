"""Everybody who answers a request, each made for one application, one event source and one request."""

import asyncio
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mangum import Mangum
from mangum.types import ASGI

from bridge import Bridge
from bridge._httpx import httpx

from .browser import QUERY, BrowserRequest
from .direct import DirectCall
from .events import fresh_events
from .rounds import Awaited, Called, Contestant

__all__ = ["BRIDGE", "CODEC", "MANGUM", "check_answers", "codec", "handlers", "http_clients"]

BRIDGE = "Bridge, lifespan off"
BRIDGE_AUTO = "Bridge, lifespan auto"
BRIDGE_AWAITED = "Bridge, awaited"
MANGUM = "Mangum, lifespan off"
MANGUM_AUTO = "Mangum, lifespan auto"
STOCK = "ASGITransport, AsyncClient"
SOCKET = "uvicorn socket, AsyncClient"
CODEC = "base64 or UTF-8 work alone"


@contextmanager
def handlers(
    app: ASGI, source: str, request: BrowserRequest, loop: asyncio.AbstractEventLoop
) -> Iterator[list[Contestant]]:
    """The Lambda handlers, called as the runtime calls them; and Bridge once more, awaited."""
    make = fresh_events(source, request)
    with ExitStack() as stack:
        bridge, auto, awaited = (Bridge(app, lifespan=mode) for mode in ("off", "auto", "off"))
        for handler in (bridge, auto, awaited):
            stack.callback(handler.close)
        mangum, mangum_auto = Mangum(app, lifespan="off"), Mangum(app, lifespan="auto")
        context: Any = None  # No application here looks at it.
        yield [
            Called(BRIDGE, make, lambda event: bridge(event, context)),
            Called(BRIDGE_AUTO, make, lambda event: auto(event, context)),
            Awaited(BRIDGE_AWAITED, loop, make, lambda event: awaited.handle(event, context)),
            Called(MANGUM, make, lambda event: mangum(event, context)),
            Called(MANGUM_AUTO, make, lambda event: mangum_auto(event, context)),
        ]


def http_clients(
    request: BrowserRequest, loop: asyncio.AbstractEventLoop, stock: httpx.AsyncClient, socket: httpx.AsyncClient
) -> list[Contestant]:
    """The ways that see no Lambda event: httpx's own transport in this process, a web server in another."""
    url = f"{request.path}?{QUERY}"

    def ask(client: httpx.AsyncClient) -> Callable[[None], Any]:
        return lambda _: client.request(request.method, url, headers=request.headers, content=request.body)

    return [Awaited(STOCK, loop, lambda: None, ask(stock)), Awaited(SOCKET, loop, lambda: None, ask(socket))]


def codec(request: BrowserRequest) -> Contestant:
    """What no handler can leave out: an event and a result hold a body as a string, the application wants bytes."""
    return Called(CODEC, lambda: None, _work(request))


def _work(request: BrowserRequest) -> Callable[[None], object]:
    body, answer = request.body, request.answer
    if not body:
        return (lambda _: answer.decode()) if request.is_text else (lambda _: b64encode(answer).decode("ascii"))
    if request.is_text:
        text = body.decode()
        return lambda _: text.encode()
    encoded = b64encode(body).decode("ascii")
    return lambda _: b64decode(encoded)


def check_answers(contestants: Iterable[Contestant], request: BrowserRequest) -> None:
    """Nobody is measured while failing."""
    for contestant in contestants:
        status, body = _answer_of(contestant.result())
        if (status, body) != (200, request.answer):
            sys.exit(f"{contestant.name} answers the {request.name} wrongly: {status} {body[:80]!r}")


def _answer_of(result: Any) -> tuple[int, bytes]:
    """Status and body of a direct call, of an HTTP response or of a Lambda result, to compare them by."""
    if isinstance(result, tuple):
        status, content = result
        return status, content
    if isinstance(result, DirectCall):
        return result.status, b"".join(result.parts)
    if isinstance(result, httpx.Response):
        return result.status_code, result.content
    body: str = result["body"]
    return result["statusCode"], b64decode(body) if result["isBase64Encoded"] else body.encode()
