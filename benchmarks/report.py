"""The tables that a run ends in. What the project aims at stands beside what was measured, met or missed."""

from collections.abc import Mapping

from .browser import MEGABYTES, PAGE
from .contestants import BRIDGE, CODEC, MANGUM
from .direct import DIRECT_AWAITED, DIRECT_RUN
from .events import SOURCES
from .exchanges import APPS, FIRST_SOURCE, Exchange
from .imports import IMPORTS
from .rounds import Figure, Figures
from .tables import Table, shown

__all__ = ["exchange_tables", "import_tables"]

OWN_COST_GOAL = 0.5
MEGABYTE_GOAL = 1.15
IMPORT_GOAL = 3.0

# What bridge imports, and the import that it is compared with.
_IMPORT_PAIRS = (
    ("bridge, with httpx", "httpx"),
    ("bridge, with httpx2", "httpx2"),
    ("click and rich installed: bridge, with httpx", "click and rich installed: httpx"),
)

_LIMITS = (DIRECT_AWAITED, DIRECT_RUN)
_JUDGED_BY = "Judged by the least, which the machine's other work disturbs least."
_TABLE = Mapping[Exchange, Figures]


def exchange_tables(figures: _TABLE) -> list[Table]:
    """Small bodies, what is each one's own in them, 1 MB bodies, and those beside their codec."""
    return [
        *(_small(figures, app) for app in APPS),
        *(_own_cost(figures, app) for app in APPS),
        *(_megabytes(figures, app) for app in APPS),
        *(_beside_codec(figures, app) for app in APPS),
    ]


def _small(figures: _TABLE, app: str) -> Table:
    columns = [figures[Exchange(app, source, PAGE.name)] for source in SOURCES]
    rows = [[name, *(shown(column.time(name)) for column in columns)] for name in columns[0].names]
    return Table(f"Small body, {APPS[app][0]}: us per call, median (least)", list(SOURCES), rows)


def _megabytes(figures: _TABLE, app: str) -> Table:
    columns = [figures[Exchange(app, FIRST_SOURCE, request.name)] for request in MEGABYTES]
    rows = [[name, *(shown(column.time(name)) for column in columns)] for name in columns[0].names]
    title = f"1 MB body, {APPS[app][0]}, {FIRST_SOURCE}: us per call, median (least)"
    notes = [
        "ascii: JSON with no letter beyond ASCII. utf8: prose in several scripts. binary: random bytes, as base64.",
        "ASGITransport, uvicorn and the direct calls take and give bytes: that work is not theirs.",
    ]
    return Table(title, [request.name for request in MEGABYTES], rows, notes)


def _own_cost(figures: _TABLE, app: str) -> Table:
    columns = [figures[Exchange(app, source, PAGE.name)] for source in SOURCES]
    rows: list[list[str]] = []
    for limit in _LIMITS:
        ours, theirs = ([column.over(name, limit) for column in columns] for name in (BRIDGE, MANGUM))
        rows += [
            [f"{BRIDGE}, over {limit}", *map(shown, ours)],
            [f"{MANGUM}, over {limit}", *map(shown, theirs)],
            ["  Bridge / Mangum", *(_judged(ratio, OWN_COST_GOAL) for ratio in map(_ratio, ours, theirs))],
        ]
    title = f"Own cost with a small body, {APPS[app][0]}: us per call more than the direct call, median (least)"
    notes = [f"Goal: Bridge's own cost at most {OWN_COST_GOAL} x Mangum's, both with lifespan off. {_JUDGED_BY}"]
    return Table(title, list(SOURCES), rows, notes)


def _beside_codec(figures: _TABLE, app: str) -> Table:
    rows: list[list[str]] = []
    for request in MEGABYTES:
        columns = [figures[Exchange(app, source, request.name)] for source in SOURCES]
        rows += [
            [f"{request.name}: Bridge / work", *(_judged(c.ratio(BRIDGE, CODEC), MEGABYTE_GOAL) for c in columns)],
            ["  Bridge / (work + direct call)", *(shown(c.ratio(BRIDGE, CODEC, DIRECT_RUN), 2) for c in columns)],
            ["  Mangum / work", *(shown(c.ratio(MANGUM, CODEC), 2) for c in columns)],
        ]
    title = f"1 MB body, {APPS[app][0]}: total time beside the base64 or UTF-8 work alone, median (least)"
    notes = [f"Goal: Bridge's total at most {MEGABYTE_GOAL} x that work alone. {_JUDGED_BY}"]
    return Table(title, list(SOURCES), rows, notes)


def import_tables(figures: Mapping[str, Figure], runs: int) -> list[Table]:
    """Each import; then bridge beside the httpx that it uses, which is what the goal is about."""
    rows = [[name, shown(figure)] for name, figure in figures.items()]
    absent = [variant.name for variant in IMPORTS if variant.name not in figures]
    notes = [f"Not measured, because a package it needs is not installed: {name}." for name in absent]
    title = f"Import: ms of CPU time in a fresh process, {runs} runs; after starlette and asyncio"
    compared = [
        [f"{name} - {base}", _judged(_difference(figures[name], figures[base]), IMPORT_GOAL)]
        for name, base in _IMPORT_PAIRS
        if name in figures and base in figures
    ]
    goal = f"Goal: `import bridge` at most {IMPORT_GOAL:.0f} ms more than importing the httpx it uses. {_JUDGED_BY}"
    return [
        Table(title, ["median (least)"], rows, notes),
        Table("Import of bridge beside that of its httpx: ms more", ["median (least)"], compared, [goal]),
    ]


def _difference(one: Figure, other: Figure) -> Figure:
    return Figure(one.median - other.median, one.least - other.least)


def _ratio(one: Figure, other: Figure) -> Figure:
    return Figure(one.median / other.median, one.least / other.least)


def _judged(figure: Figure, goal: float) -> str:
    return f"{shown(figure, 2)} {'met' if figure.least <= goal else 'missed'}"
