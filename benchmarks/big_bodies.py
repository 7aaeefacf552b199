"""1 MB bodies, warm: beside the base64 or UTF-8 work that no handler can leave out."""

from collections.abc import Mapping

from benchmarks.browser import MEGABYTES, BrowserRequest
from benchmarks.contestants import (
    APPS,
    BRIDGE,
    CODEC,
    MANGUM,
    Bench,
    bench,
    check_answers,
    codec,
    handlers,
    over_socket,
)
from benchmarks.direct import DIRECT
from benchmarks.events import SOURCES
from benchmarks.rounds import Figures, compete
from benchmarks.tables import BY_LEAST, MEDIAN, Table, judged, shown

__all__ = ["tables"]

# Fewer than for small bodies: one call is as long as a batch of those.
ROUNDS, QUICK_ROUNDS = 20, 2
GOAL = 1.15

# A load balancer accepts a result of 1 MB at most, which these bodies exceed as JSON.
_SOURCES = [source for source in SOURCES if source != "ALB"]

# The source whose table has the socket, too; the other sources are measured in process alone.
_FIRST = _SOURCES[0]

_BODIES = "ascii: JSON with no letter beyond ASCII. utf8: prose in several scripts. binary: random bytes, as base64."
_NO_CODEC = "The direct calls and the client receive and return bytes: they do none of that work."

# By source, then by the request's name.
_Measured = Mapping[str, Mapping[str, Figures]]


def tables(quick: bool) -> list[Table]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    found = []
    for name, (title, _) in APPS.items():
        with bench(name) as made:
            figures = {
                source: {each.name: _measure(made, source, each, rounds) for each in MEGABYTES} for source in _SOURCES
            }
        found += [_times(title, figures[_FIRST], rounds), _beside_codec(title, figures)]
    return found


def _measure(made: Bench, source: str, request: BrowserRequest, rounds: int) -> Figures:
    with handlers(made, source, request) as in_process:
        contestants = [*in_process, *([over_socket(made, request)] if source == _FIRST else [])]
        check_answers(contestants, request)
        return compete([*contestants, codec(request)], rounds)


def _times(app: str, figures: Mapping[str, Figures], rounds: int) -> Table:
    names = next(iter(figures.values())).names
    rows = [[name, *(shown(column.time(name)) for column in figures.values())] for name in names]
    title = f"1 MB body, {app}, {_FIRST}: us per call, {MEDIAN}"
    return Table(title, list(figures), rows, [f"{rounds} rounds. {_BODIES} {_NO_CODEC}"])


def _beside_codec(app: str, figures: _Measured) -> Table:
    rows: list[list[str]] = []
    for request in MEGABYTES:
        columns = [figures[source][request.name] for source in _SOURCES]
        rows += [
            [f"{request.name}: Bridge / work", *(judged(c.ratio(BRIDGE, CODEC), GOAL, by="least") for c in columns)],
            ["  Bridge / (work + direct call)", *(shown(c.ratio(BRIDGE, CODEC, DIRECT), 2) for c in columns)],
            ["  Mangum / work", *(shown(c.ratio(MANGUM, CODEC), 2) for c in columns)],
        ]
    title = f"1 MB body, {app}: total time beside the base64 or UTF-8 work alone, {MEDIAN}"
    return Table(title, list(_SOURCES), rows, [f"Goal: Bridge's total at most {GOAL} x that work alone. {BY_LEAST}"])
