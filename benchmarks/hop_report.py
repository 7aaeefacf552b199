"""The tables about Proxy, with its goals."""

from collections.abc import Callable, Mapping

from .hops import (
    AWAITED,
    CLIENT,
    HOP_REQUESTS,
    HTTP_CLIENT,
    HTTP_CLIENT_SINGLE,
    POOL,
    SINGLE,
    STOCK,
    STOCK_RUN,
    STOCK_SINGLE,
    UNIX,
    UNIX_SINGLE,
)
from .rounds import Figure, Figures
from .tables import Table, shown

__all__ = ["hop_tables"]

POOL_GOAL = 1.3
SINGLE_GOAL = 150.0

_METHOD = (
    "The web server is one uvicorn in a process of its own, with the bare ASGI app. All send it the headers that Proxy "
    "sends; 1 MB bodies are ASCII text. Proxy's time is the whole invocation's, from event to result. "
    "AsyncHTTPTransport is given a request that is ready, and its response is read to the end."
)

_NAMES = [request.name for request in HOP_REQUESTS]


def hop_tables(figures: Mapping[str, Figures]) -> list[Table]:
    """What each way takes, Proxy beside httpx's transport, and what a connection per request adds."""
    columns = [figures[name] for name in _NAMES]
    order = [POOL, SINGLE, UNIX, UNIX_SINGLE, AWAITED, STOCK, STOCK_RUN, STOCK_SINGLE, CLIENT]
    order += [HTTP_CLIENT, HTTP_CLIENT_SINGLE]
    rows = [[name, *(shown(column.time(name)) for column in columns)] for name in order]
    return [
        Table("Proxy in front of uvicorn: us per call, median (least)", _NAMES, rows, [_METHOD]),
        _beside_transport(columns),
        _added(columns),
    ]


def _beside_transport(columns: list[Figures]) -> Table:
    rows = [
        [f"{name} / {base}", *(_judged(column.ratio(name, base), POOL_GOAL, 2) for column in columns)]
        for name, base in ((POOL, STOCK), (POOL, STOCK_RUN), (AWAITED, STOCK))
    ]
    rows += [
        [f"{name} / {base}", *(shown(column.ratio(name, base), 2) for column in columns)]
        for name, base in ((UNIX, STOCK), (CLIENT, STOCK), (HTTP_CLIENT, STOCK))
    ]
    notes = [f"Goal: Proxy with its pool at most {POOL_GOAL} x a bare call of AsyncHTTPTransport. {_JUDGED_BY}"]
    return Table("Proxy beside httpx's own transport, median (least)", _NAMES, rows, notes)


def _added(columns: list[Figures]) -> Table:
    def row(name: str, base: str, show: Callable[[Figure], str]) -> list[str]:
        return [f"{name} - {base}", *(show(column.over(name, base)) for column in columns)]

    rows = [
        row(SINGLE, POOL, lambda figure: _judged(figure, SINGLE_GOAL, 1)),
        row(UNIX_SINGLE, UNIX, lambda figure: _judged(figure, SINGLE_GOAL, 1)),
        row(UNIX_SINGLE, POOL, shown),
        row(STOCK_SINGLE, STOCK, shown),
        row(HTTP_CLIENT_SINGLE, HTTP_CLIENT, shown),
    ]
    notes = [
        f"Goal: a connection per request adds at most {SINGLE_GOAL:.0f} us. {_JUDGED_BY}",
        "A part of it is what kernel and web server do to make and to end a connection: the last row is little else.",
    ]
    return Table("What a connection per request adds: us per call, median (least)", _NAMES, rows, notes)


_JUDGED_BY = "Judged by the median: two processes take part, and the least of one is not the least of both."


def _judged(figure: Figure, goal: float, digits: int) -> str:
    return f"{shown(figure, digits)} {'met' if figure.median <= goal else 'missed'}"
