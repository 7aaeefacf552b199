"""Cold starts: the first invocation of a new environment, beside awslambdaric and Mangum.

CPU time decides: the processor limits a cold start in Lambda, and wall-clock time on a busy machine measures its
neighbours as well.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.emulated import (
    BRIDGE,
    MANGUM,
    MANGUM_OFF,
    RIC_BRIDGE,
    RUNTIMES,
    Function,
    command,
    emulator_or_reason,
    environ,
)
from benchmarks.rounds import Figures, only, take_turns
from benchmarks.tables import BY_MEDIAN, MEDIAN, Table, judged, shown

__all__ = ["cold_starts", "tables"]

RUNS, QUICK = 40, 2

# Each application: its module in `functions`, and how many times awslambdaric's with Mangum a cold start may be.
APPS = {
    "Starlette": ("starlette_app", 1.2),
    "FastAPI": ("fastapi_app", 1.07),
    "FastAPI, imports httpx": ("fastapi_httpx_app", 1.0),
}

_METHOD = (
    "Up to the first answer of a new environment. CPU time: user and system, of all processes of the runtime. "
    "Wall-clock time: from the request, on which the emulator starts the runtime. Bytecode was written before."
)


class ColdStart(NamedTuple):
    """Milliseconds up to the first answer. `wall`: from the request. `cpu`: of all processes of the runtime."""

    wall: float
    cpu: float


def tables(quick: bool) -> list[Table]:
    binary = emulator_or_reason("Cold start")
    if not isinstance(binary, Path):
        return binary
    runs = QUICK if quick else RUNS
    measured = {title: _measure(binary, app, runs) for title, (app, _) in APPS.items()}
    cpu, wall = ({title: only(what, of_app) for title, of_app in measured.items()} for what in ("cpu", "wall"))
    return [
        _times("CPU time", cpu, [f"{runs} of each, in turns. {_METHOD}"]),
        _ratios(cpu),
        _times("wall-clock time", wall, []),
    ]


def _measure(binary: Path, app: str, runs: int) -> dict[str, list[ColdStart]]:
    with TemporaryDirectory() as folder:

        def make(runtime: str) -> Function:
            return Function(binary, command(runtime, app), environ(app), Path(folder, "log"))

        return cold_starts({runtime: partial(make, runtime) for runtime in RUNTIMES}, runs)


def cold_starts(makes: Mapping[str, Callable[[], Function]], runs: int) -> dict[str, list[ColdStart]]:
    """Return the cold starts of new environments, in turns, after one of each that writes bytecode."""
    measures = {name: partial(_cold_start, make) for name, make in makes.items()}
    for measure in measures.values():
        measure()
    return take_turns(measures, runs)


def _cold_start(make: Callable[[], Function]) -> ColdStart:
    with make() as function:
        return ColdStart(function.seconds() * 1e3, function.cpu_seconds() * 1e3)


def _times(what: str, figures: Mapping[str, Figures], notes: list[str]) -> Table:
    rows = [[name, *(shown(column.time(name)) for column in figures.values())] for name in RUNTIMES]
    return Table(f"Cold start, {what}: ms, {MEDIAN}", list(figures), rows, notes)


def _ratios(figures: Mapping[str, Figures]) -> Table:
    goals = [goal for _, goal in APPS.values()]
    columns = list(zip(figures.values(), goals, strict=True))
    rows = [
        [f"{BRIDGE} / {MANGUM}", *(judged(column.ratio(BRIDGE, MANGUM), goal) for column, goal in columns)],
        [f"{BRIDGE} / {MANGUM_OFF}", *(shown(column.ratio(BRIDGE, MANGUM_OFF), 2) for column, _ in columns)],
        [f"{BRIDGE} / {RIC_BRIDGE}", *(shown(column.ratio(BRIDGE, RIC_BRIDGE), 2) for column, _ in columns)],
        ["Goal: at most", *(f"{goal:.2f}" for goal in goals)],
    ]
    notes = [f"Ratios within a round. {BY_MEDIAN}"]
    return Table(f"Cold start, CPU time beside awslambdaric with Mangum, {MEDIAN}", list(figures), rows, notes)
