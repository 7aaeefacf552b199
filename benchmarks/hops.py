"""The measurement of Proxy: a Lambda event, and its answer from uvicorn in a process of its own.

Beside it, in the same rounds and against the same process, stand HTTP clients that send what Proxy sends: the same
headers, those about the invocation included.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from bridge import DEFAULT_SOURCES, Proxy, Settings
from bridge._httpx import httpx
from bridge._messages import header_pairs
from bridge._types import HeaderPairs
from bridge.proxy.context_headers import context_headers
from bridge.sources import select_source

from .browser import MEGABYTES, PAGE, QUERY, BrowserRequest
from .contestants import check_answers
from .events import SOURCES, fresh_events
from .rounds import Awaited, Called, Contestant, Figures, compete
from .web_server import Served, serving

__all__ = [
    *("AWAITED", "CLIENT", "HOP_REQUESTS", "HTTP_CLIENT", "HTTP_CLIENT_SINGLE", "POOL", "SINGLE", "STOCK"),
    *("STOCK_RUN", "STOCK_SINGLE", "UNIX", "UNIX_SINGLE", "measure_hops"),
]

POOL = "Proxy, pool"
AWAITED = "Proxy, pool, awaited"
SINGLE = "Proxy, a connection per request"
UNIX = "Proxy, UNIX socket, pool"
UNIX_SINGLE = "Proxy, UNIX socket, a connection per request"
STOCK = "AsyncHTTPTransport, pool"
STOCK_RUN = "AsyncHTTPTransport, pool, run_until_complete"
STOCK_SINGLE = "AsyncHTTPTransport, a connection per request"
CLIENT = "AsyncClient, pool"
HTTP_CLIENT = "http.client, one connection"
HTTP_CLIENT_SINGLE = "http.client, a connection per request"

# ASCII is the cheapest text to decode and encode, so that little but the way there and back is measured.
HOP_REQUESTS = [PAGE, *(request for request in MEGABYTES if request.name.startswith("ascii"))]

_SOURCE = next(iter(SOURCES))


class _Context:
    """What awslambdaric gives a handler. With a deadline, so that Proxy has one to keep."""

    aws_request_id = "0f6b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:shop"
    function_name, function_version, memory_limit_in_mb = "shop", "7", "1024"
    log_group_name, log_stream_name = "/aws/lambda/shop", "2025/10/16/[7]0123456789abcdef0123456789abcdef"
    client_context = identity = tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


_CONTEXT = _Context()


def measure_hops(*, rounds: int, big_rounds: int) -> dict[str, Figures]:
    """The figures for each of HOP_REQUESTS."""
    figures: dict[str, Figures] = {}
    with ExitStack() as stack:
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        server = stack.enter_context(serving("bare"))
        for request in HOP_REQUESTS:
            sys.stderr.write(f"measuring Proxy, {request.name}\n")
            with ExitStack() as everybody:
                contestants = [*_proxies(request, server, loop, everybody), *_clients(request, server, loop, everybody)]
                check_answers(contestants, request)
                figures[request.name] = compete(contestants, rounds if request is PAGE else big_rounds)
    return figures


def _proxies(
    request: BrowserRequest, server: Served, loop: asyncio.AbstractEventLoop, stack: ExitStack
) -> Iterator[Contestant]:
    """Called as the runtime calls them; and Proxy once more, awaited."""
    make = fresh_events(_SOURCE, request)

    def ask(name: str, **arguments: Any) -> Contestant:
        proxy = Proxy(**arguments)
        stack.callback(proxy.close)
        return Called(name, make, lambda event: proxy(event, _CONTEXT))

    yield ask(POOL, url=server.url)
    yield ask(SINGLE, url=server.url, pool_idle_timeout=0)
    yield ask(UNIX, uds=server.uds)
    yield ask(UNIX_SINGLE, uds=server.uds, pool_idle_timeout=0)
    awaited = Proxy(url=server.url)
    stack.callback(lambda: loop.run_until_complete(awaited.__aexit__(None, None, None)))
    yield Awaited(AWAITED, loop, make, lambda event: awaited.handle(event, _CONTEXT))


def _clients(
    request: BrowserRequest, server: Served, loop: asyncio.AbstractEventLoop, stack: ExitStack
) -> Iterator[Contestant]:
    """A transport's request is made off the clock; the clients make it themselves, as their users have them do."""
    headers = _sent_by_proxy(request)
    target = f"{request.path}?{QUERY}"
    stock = httpx.AsyncHTTPTransport(verify=False)
    single = httpx.AsyncHTTPTransport(verify=False, limits=httpx.Limits(max_keepalive_connections=0))
    client = httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30)
    for pool in (stock, single, client):
        stack.callback(_close, pool, loop)

    def make() -> httpx.Request:
        return httpx.Request(request.method, f"{server.url}{target}", headers=headers, content=request.body)

    yield Awaited(STOCK, loop, make, lambda made: _ask(stock, made))
    yield Called(STOCK_RUN, make, lambda made: loop.run_until_complete(_ask(stock, made)))
    yield Awaited(STOCK_SINGLE, loop, make, lambda made: _ask(single, made))
    yield Awaited(
        CLIENT,
        loop,
        lambda: None,
        lambda _: client.request(request.method, target, headers=headers, content=request.body),
    )
    yield from _blocking(request, server, target, headers, stack)


def _close(pool: httpx.AsyncHTTPTransport | httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
    loop.run_until_complete(pool.aclose())


async def _ask(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
    response = await transport.handle_async_request(request)
    await response.aread()  # closes it, too
    return response


def _blocking(
    request: BrowserRequest, server: Served, target: str, pairs: HeaderPairs, stack: ExitStack
) -> Iterator[Contestant]:
    """Without an event loop. Between the two of them lies what a new connection costs the web server and the kernel."""
    address = urlsplit(server.url).netloc
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    kept = HTTPConnection(address)
    stack.callback(kept.close)

    def ask(connection: HTTPConnection) -> tuple[int, bytes]:
        connection.request(request.method, target, request.body or None, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def ask_once(_: None) -> tuple[int, bytes]:
        with closing(HTTPConnection(address)) as connection:
            return ask(connection)

    yield Called(HTTP_CLIENT, lambda: None, lambda _: ask(kept))
    yield Called(HTTP_CLIENT_SINGLE, lambda: None, ask_once)


def _sent_by_proxy(request: BrowserRequest) -> HeaderPairs:
    event = fresh_events(_SOURCE, request)()
    decoded = select_source(event, DEFAULT_SOURCES).decode(event, Settings())
    return [*header_pairs(decoded), *context_headers(event, _CONTEXT)]
