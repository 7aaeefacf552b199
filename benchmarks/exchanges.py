"""The measurement of requests: every application, source and body, each with everybody who can answer it."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from mangum.types import ASGI

from bridge._httpx import httpx

from .apps import bare, site
from .browser import MEGABYTES, PAGE, BrowserRequest
from .contestants import check_answers, codec, handlers, http_clients
from .direct import direct_calls
from .events import SOURCES
from .rounds import Figures, compete
from .web_server import serving

__all__ = ["APPS", "FIRST_SOURCE", "Exchange", "measure_exchanges"]

APPS: dict[str, tuple[str, ASGI]] = {"bare": ("bare ASGI app", bare), "site": ("Starlette JSON route", site)}

# Who sees no event competes with a small body in every table, and with big ones in the table of this source.
FIRST_SOURCE = next(iter(SOURCES))


class Exchange(NamedTuple):
    """What was measured together."""

    app: str
    source: str
    body: str


class _Bench(NamedTuple):
    """What lives as long as one application is measured."""

    app: ASGI
    loop: asyncio.AbstractEventLoop
    stock: httpx.AsyncClient
    socket: httpx.AsyncClient


def measure_exchanges(*, rounds: int, big_rounds: int) -> dict[Exchange, Figures]:
    """The figures of every exchange. 1 MB bodies have fewer rounds: their batches are longer than asked for."""
    figures: dict[Exchange, Figures] = {}
    for name, (title, _) in APPS.items():
        with _bench(name) as bench:
            for source in SOURCES:
                sys.stderr.write(f"measuring {title}, {source}\n")
                figures[Exchange(name, source, PAGE.name)] = _measure(bench, source, PAGE, rounds)
                for request in MEGABYTES:
                    figures[Exchange(name, source, request.name)] = _measure(bench, source, request, big_rounds)
    return figures


@contextmanager
def _bench(name: str) -> Iterator[_Bench]:
    app = APPS[name][1]
    with ExitStack() as stack:
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        url = stack.enter_context(serving(name)).url
        stock = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example", trust_env=False)
        socket = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)
        for client in (stock, socket):
            stack.callback(_close, client, loop)
        yield _Bench(app, loop, stock, socket)


def _close(client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
    loop.run_until_complete(client.aclose())


def _measure(bench: _Bench, source: str, request: BrowserRequest, rounds: int) -> Figures:
    with handlers(bench.app, source, request, bench.loop) as lambda_handlers:
        contestants = [*direct_calls(bench.app, request, bench.loop), *lambda_handlers]
        if request is PAGE or source == FIRST_SOURCE:
            contestants += http_clients(request, bench.loop, bench.stock, bench.socket)
        check_answers(contestants, request)
        if request is not PAGE:
            contestants.append(codec(request))
        return compete(contestants, rounds)
