"""How long an invocation takes, and the first one of a new environment: in the emulator's classic mode, which has one
invocation at a time.

An invocation is measured at its caller, and the emulator answers that one when the runtime asks for the next: all that
a runtime does for an invocation counts.
"""

import gc
import random
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

from .rounds import Figures
from .runtimes import RUNTIMES, Function

__all__ = ["APPS", "CALLS", "WARM_UP", "Latencies", "measure_cold_starts", "measure_latencies"]

# The module of each application.
APPS = {"Starlette": "starlette_app", "FastAPI": "fastapi_app"}

T = TypeVar("T")

WARM_UP = 30

# Invocations of one turn; the one before them is not counted, because others had the processor's caches.
CALLS = 20


class Latencies(NamedTuple):
    """`rounds`: the median of each round. `samples`: all of them. Microseconds."""

    rounds: Figures
    samples: dict[str, list[float]]


def measure_latencies(binary: Path, *, rounds: int) -> Latencies:
    """One live environment for each runtime, and turns of CALLS invocations."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        functions = [
            stack.enter_context(Function(binary, name, APPS["Starlette"], folder / f"{number}.log"))
            for number, name in enumerate(RUNTIMES)
        ]
        sys.stderr.write("measuring invocations of runtimes\n")
        for function in functions:
            _turn(function, WARM_UP)
        gc.collect()
        gc.freeze()
        turns = _take_turns(functions, rounds)
        gc.unfreeze()
    medians = {name: [median(turn) for turn in taken] for name, taken in turns.items()}
    return Latencies(Figures(medians), {name: [us for turn in taken for us in turn] for name, taken in turns.items()})


def _take_turns(functions: list[Function], rounds: int) -> dict[str, list[list[float]]]:
    turns: dict[str, list[list[float]]] = {function.name: [] for function in functions}
    for function in _shuffled(functions, rounds):
        turns[function.name].append(_turn(function, CALLS))
    return turns


def _turn(function: Function, calls: int) -> list[float]:
    """Microseconds of each invocation."""
    function.seconds()
    return [function.seconds() * 1e6 for _ in range(calls)]


def measure_cold_starts(binary: Path, *, runs: int) -> dict[str, Figures]:
    """Milliseconds for each of APPS: the first invocation of a new environment, whose emulator runs already."""
    figures = {}
    with TemporaryDirectory() as folder:
        log_file = Path(folder, "emulator.log")
        for title, app in APPS.items():
            sys.stderr.write(f"measuring cold starts, {title}\n")
            for name in RUNTIMES:
                _cold_start(Function(binary, name, app, log_file))
            samples: dict[str, list[float]] = {name: [] for name in RUNTIMES}
            for name in _shuffled(list(RUNTIMES), runs):
                samples[name].append(_cold_start(Function(binary, name, app, log_file)))
            figures[title] = Figures(samples)
    return figures


def _cold_start(function: Function) -> float:
    with function:
        return function.seconds() * 1e3


def _shuffled(turns: list[T], rounds: int) -> Iterable[T]:
    """Everybody once in each round, in a new order."""
    order = random.Random(0)
    for _ in range(rounds):
        order.shuffle(turns)
        yield from turns
