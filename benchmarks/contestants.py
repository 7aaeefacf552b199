"""The contestants: every way to answer a request, made for one application, one event source and one request."""

import asyncio
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from mangum import Mangum
from mangum.types import ASGI

from benchmarks.apps import bare, site
from benchmarks.browser import QUERY, BrowserRequest
from benchmarks.direct import DirectCall, direct_call
from benchmarks.events import ROOT_PATHS, fresh_events
from benchmarks.rounds import Contestant
from benchmarks.web_server import Served, serving
from bridge import Bridge, Handler
from bridge._httpx import httpx

__all__ = [
    *("APPS", "BRIDGE", "CODEC", "MANGUM", "SOCKET"),
    *("Bench", "bench", "check_answers", "codec", "handlers", "over_socket"),
]

BRIDGE = "Bridge"
MANGUM = "Mangum, lifespan off"
MANGUM_AUTO = "Mangum as it comes"
STOCK = "Handler(httpx.ASGITransport)"
SOCKET = "httpx.Client, a socket to uvicorn"
CODEC = "base64 or UTF-8 work alone"

APPS: dict[str, tuple[str, ASGI]] = {"bare": ("bare ASGI app", bare), "site": ("Starlette JSON route", site)}


class Bench(NamedTuple):
    """The objects that live as long as one application is measured."""

    app: ASGI
    loop: asyncio.AbstractEventLoop
    client: httpx.Client
    server: Served


@contextmanager
def bench(name: str) -> Iterator[Bench]:
    """Make the bench of one of APPS."""
    app = APPS[name][1]
    with ExitStack() as stack:
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        server = stack.enter_context(serving(name))
        client = stack.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=30))
        yield Bench(app, loop, client, server)


@contextmanager
def handlers(bench: Bench, source: str, request: BrowserRequest) -> Iterator[list[Contestant]]:
    """Yield the direct call, and the Lambda handlers, called as the runtime calls them."""
    make = fresh_events(source, request)
    bridge = Bridge(bench.app)
    stock = Handler(httpx.ASGITransport(bench.app, root_path=ROOT_PATHS.get(source, "")))
    mangum, mangum_auto = Mangum(bench.app, lifespan="off"), Mangum(bench.app, lifespan="auto")
    context: Any = None  # No application here looks at it.
    try:
        yield [
            direct_call(bench.app, request, bench.loop),
            Contestant(BRIDGE, make, lambda event: bridge(event, context)),
            Contestant(STOCK, make, lambda event: stock(event, context)),
            Contestant(MANGUM, make, lambda event: mangum(event, context)),
            Contestant(MANGUM_AUTO, make, lambda event: mangum_auto(event, context)),
        ]
    finally:
        bridge.close()
        stock.close()


def over_socket(bench: Bench, request: BrowserRequest) -> Contestant:
    """Return the way without Lambda events: an HTTP client, and a web server in another process."""
    client, url = bench.client, f"{request.path}?{QUERY}"

    def ask(_: None) -> httpx.Response:
        return client.request(request.method, url, headers=request.headers, content=request.body)

    return Contestant(SOCKET, lambda: None, ask)


def codec(request: BrowserRequest) -> Contestant:
    """Return the work of every handler: it converts a body between the string of an event or result and bytes."""
    return Contestant(CODEC, lambda: None, _work(request))


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
    """End the run unless all answer rightly: no contestant is measured while it fails."""
    for contestant in contestants:
        status, body = _answer_of(contestant.result())
        if (status, body) != (200, request.answer):
            sys.exit(f"{contestant.name} answers the {request.name} wrongly: {status} {body[:80]!r}")


def _answer_of(result: Any) -> tuple[int, bytes]:
    """Return the status and body of a direct call, an HTTP response or a Lambda result, for comparison."""
    if isinstance(result, DirectCall):
        return result.status, b"".join(result.parts)
    if isinstance(result, httpx.Response):
        return result.status_code, result.content
    body: str = result["body"]
    return result["statusCode"], b64decode(body) if result["isBase64Encoded"] else body.encode()
