"""Proxy and Bridge beside Lambda Web Adapter, with the same application under AWS's emulator.

https://github.com/aws/aws-lambda-web-adapter

Proxy and Lambda Web Adapter forward to the same uvicorn; Bridge calls the application in its own process.
"""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.cold_starts import cold_starts
from benchmarks.emulated import Function, Memory, emulator_or_reason, environ, turn
from benchmarks.rounds import Figures, only, take_turns
from benchmarks.tables import BY_MEDIAN, MEDIAN, Table, judged, not_measured, shown

__all__ = ["tables"]


class _Rounds(NamedTuple):
    """Cold starts of each; turns of CALLS warm invocations; and new environments that tell the memory."""

    cold_starts: int
    turns: int
    memory: int


FULL, QUICK = _Rounds(30, 60, 3), _Rounds(2, 2, 1)
CALLS = 20

# Invocations before the memory is read.
CALLS_BEFORE_MEMORY = 100

LWA = "Lambda Web Adapter"
PROXY = "Proxy"
BRIDGE = "Bridge, in process"

# Each application: its module in `functions`, and how many times LWA's a cold start of Proxy may be.
APPS = {"Starlette": ("starlette_app", 1.4), "FastAPI": ("fastapi_app", 1.2)}
WARM_GOAL = 1.25
MEMORY_GOAL = 1.7

VARIABLE = "BRIDGE_BENCH_LWA"
_TITLE = "Beside Lambda Web Adapter"
_HOW_TO_GET_IT = (
    f"{VARIABLE} does not name its binary. `cargo install lambda_web_adapter --root DIR` makes DIR/bin/lambda-adapter."
)

# Lambda starts an extension beside the runtime; the emulator starts one program, so a shell starts both.
_BOTH = '"$0" & exec "$@"'


def tables(quick: bool) -> list[Table]:
    adapter = shutil.which(os.environ.get(VARIABLE, ""))
    if adapter is None:
        return [not_measured(_TITLE, _HOW_TO_GET_IT)]
    binary = emulator_or_reason(_TITLE)
    if not isinstance(binary, Path):
        return binary
    with TemporaryDirectory() as folder:
        ways = [_ways(binary, os.path.abspath(adapter), app, Path(folder)) for app, _ in APPS.values()]
        return list(_tables(ways, QUICK if quick else FULL))


_Ways = Mapping[str, Callable[[], Function]]


def _ways(binary: Path, adapter: str, app: str, folder: Path) -> _Ways:
    """Return the three ways, each of which makes a new environment."""

    def make(number: int, command: Callable[[str], list[str]]) -> Callable[[], Function]:
        def function() -> Function:
            port = str(_free_port())
            return Function(binary, command(port), environ(app) | {"AWS_LWA_PORT": port}, folder / f"{app}{number}.log")

        return function

    def uvicorn(port: str) -> list[str]:
        return [sys.executable, "-m", "uvicorn", f"{app}:app", "--port", port]

    runtime = [sys.executable, "-m", "bridge.runtime"]
    return {
        LWA: make(0, lambda port: ["/bin/sh", "-c", _BOTH, adapter, *uvicorn(port)]),
        PROXY: make(1, lambda port: [*runtime, "--proxy", "--", *uvicorn(port)]),
        BRIDGE: make(2, lambda port: [*runtime, f"{app}:app"]),
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _warm_turns(makes: _Ways, turns: int) -> Figures:
    """Return the median of each turn, in microseconds."""
    with ExitStack() as stack:
        functions = {name: stack.enter_context(make()) for name, make in makes.items()}
        measures = {name: partial(turn, function, CALLS) for name, function in functions.items()}
        for measure in measures.values():
            measure()
        taken = take_turns(measures, turns)
    return Figures({name: list(map(median, of_one)) for name, of_one in taken.items()})


def _memory(make: Callable[[], Function]) -> Memory:
    with make() as function:
        for _ in range(CALLS_BEFORE_MEMORY):
            function.seconds()
        return function.memory()


def _tables(ways: Sequence[_Ways], rounds: _Rounds) -> Iterator[Table]:
    cold = [cold_starts(makes, rounds.cold_starts) for makes in ways]
    goals = [goal for _, goal in APPS.values()]
    note = f"{rounds.cold_starts} of each, in turns."
    yield _table("cold start, wall-clock time: ms", [only("wall", of_app) for of_app in cold], goals, note)
    yield _table("cold start, CPU time of all processes: ms", [only("cpu", of_app) for of_app in cold], goals, note)
    warm = [_warm_turns(makes, rounds.turns) for makes in ways]
    note = f"{rounds.turns} turns of {CALLS} invocations each; of each turn the median."
    yield _table("warm call: us", warm, [WARM_GOAL] * len(ways), note)
    memory = [take_turns({name: partial(_memory, make) for name, make in of.items()}, rounds.memory) for of in ways]
    note = f"PSS, in which what processes share counts once, after {CALLS_BEFORE_MEMORY} invocations."
    pss = [only("pss", of_app) for of_app in memory]
    yield _table("memory of all processes: MB", pss, [MEMORY_GOAL] * len(ways), note)


def _table(what: str, columns: list[Figures], goals: list[float], note: str) -> Table:
    """Return the times of each way, and ours beside Lambda Web Adapter's. `goals`: one of each column, for Proxy."""
    proxy = zip((column.ratio(PROXY, LWA) for column in columns), goals, strict=True)
    rows = [
        *([name, *(shown(column.time(name)) for column in columns)] for name in columns[0].names),
        [f"{PROXY} / {LWA}", *(judged(ratio, goal) for ratio, goal in proxy)],
        [f"{BRIDGE} / {LWA}", *(shown(column.ratio(BRIDGE, LWA), 2) for column in columns)],
        ["Goal for Proxy: at most", *(f"{goal:.2f}" for goal in goals)],
    ]
    return Table(f"{_TITLE}, {what}, {MEDIAN}", list(APPS), rows, [f"{note} {BY_MEDIAN}"])
