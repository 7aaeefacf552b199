"""Proxy in front of uvicorn in a process of its own, warm: the whole invocation, from event to result."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.browser import MEGABYTES, PAGE, BrowserRequest
from benchmarks.contestants import SOCKET, Bench, bench, check_answers, over_socket
from benchmarks.events import SOURCES, fresh_events
from benchmarks.rounds import Contestant, Figure, Figures, compete
from benchmarks.tables import BY_MEDIAN, MEDIAN, Table, judged, shown
from bridge import Proxy

__all__ = ["tables"]

# Rounds with a small body, and with 1 MB.
ROUNDS, BIG_ROUNDS = 200, 30
QUICK_ROUNDS, QUICK_BIG_ROUNDS = 10, 2

SINGLE_GOAL = 150.0  # microseconds

POOL = "Proxy, pool"
SINGLE = "Proxy, a connection per request"
UNIX = "Proxy, UNIX socket, pool"
UNIX_SINGLE = "Proxy, UNIX socket, a connection per request"

_METHOD = "The web server is one uvicorn with the bare ASGI app; 1 MB bodies are ASCII text, the cheapest to decode."

_REQUESTS = [PAGE, *(request for request in MEGABYTES if request.name.startswith("ascii"))]
_NAMES = [request.name for request in _REQUESTS]
_SOURCE = next(iter(SOURCES))


class _Context:
    """A context like awslambdaric's, with a deadline for Proxy to keep."""

    aws_request_id = "0f6b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:shop"
    function_name, function_version, memory_limit_in_mb = "shop", "7", "1024"
    log_group_name, log_stream_name = "/aws/lambda/shop", "2025/10/16/[7]0123456789abcdef0123456789abcdef"
    client_context = identity = tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def tables(quick: bool) -> list[Table]:
    """Return the times of each way, of Proxy beside a client of httpx, and of a connection per request."""
    small, big = (QUICK_ROUNDS, QUICK_BIG_ROUNDS) if quick else (ROUNDS, BIG_ROUNDS)
    with bench("bare") as made:
        columns = [_measure(made, request, small if request is PAGE else big) for request in _REQUESTS]
    rows = [
        *([name, *(shown(column.time(name)) for column in columns)] for name in columns[0].names),
        *(
            [f"{name} / {SOCKET}", *(shown(column.ratio(name, SOCKET), 2) for column in columns)]
            for name in (POOL, UNIX)
        ),
    ]
    return [Table(f"Proxy in front of uvicorn: us per call, {MEDIAN}", _NAMES, rows, [_METHOD]), _added(columns)]


def _measure(made: Bench, request: BrowserRequest, rounds: int) -> Figures:
    make, context = fresh_events(_SOURCE, request), _Context()
    with ExitStack() as stack:

        def proxy(name: str, **arguments: Any) -> Contestant:
            handler = Proxy(**arguments)
            stack.callback(handler.close)
            return Contestant(name, make, lambda event: handler(event, context))

        contestants = [
            proxy(POOL, url=made.server.url),
            proxy(SINGLE, url=made.server.url, pool_idle_timeout=0),
            proxy(UNIX, uds=made.server.uds),
            proxy(UNIX_SINGLE, uds=made.server.uds, pool_idle_timeout=0),
            over_socket(made, request),
        ]
        check_answers(contestants, request)
        return compete(contestants, rounds)


def _added(columns: list[Figures]) -> Table:
    def row(name: str, base: str, show: Callable[[Figure], str]) -> list[str]:
        return [f"{name} - {base}", *(show(column.over(name, base)) for column in columns)]

    def judge(figure: Figure) -> str:
        return judged(figure, SINGLE_GOAL, digits=1)

    rows = [row(SINGLE, POOL, judge), row(UNIX_SINGLE, UNIX, judge), row(UNIX_SINGLE, POOL, shown)]
    notes = [
        f"Goal: a connection per request adds at most {SINGLE_GOAL:.0f} us. {BY_MEDIAN}",
        "A part of it is what kernel and web server do to make and to end a connection.",
    ]
    return Table(f"What a connection per request adds: us per call, {MEDIAN}", _NAMES, rows, notes)
