"""Warm invocations under AWS's emulator: our runtime beside awslambdaric with Mangum."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

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
    turn,
)
from benchmarks.rounds import Figures, p99, take_turns
from benchmarks.tables import BY_MEDIAN, MEDIAN, Table, judged, shown

__all__ = ["tables"]

APP = "starlette_app"

# Turns of each runtime, and the invocations of one turn.
TURNS, QUICK_TURNS = 100, 3
CALLS = 20
WARM_UP = 30

GOAL = 0.85

_METHOD = (
    "One live environment each. A Function URL's event of a browser's request. Measured at the caller, who has the "
    "answer when the runtime asks for the next event: all that a runtime does for an invocation counts."
)


def tables(quick: bool) -> list[Table]:
    binary = emulator_or_reason("Warm invocation")
    if not isinstance(binary, Path):
        return binary
    turns = _turns(binary, QUICK_TURNS if quick else TURNS)
    rounds = Figures({name: list(map(median, of_one)) for name, of_one in turns.items()})
    samples = {name: [us for one in of_one for us in one] for name, of_one in turns.items()}
    rows = [[name, shown(Figures(samples).time(name)), f"{p99(samples[name]):.1f}"] for name in RUNTIMES]
    beside = [
        [f"{BRIDGE} / {MANGUM}", judged(rounds.ratio(BRIDGE, MANGUM), GOAL)],
        *([f"{BRIDGE} / {name}", shown(rounds.ratio(BRIDGE, name), 2)] for name in (MANGUM_OFF, RIC_BRIDGE)),
    ]
    notes = [f"{len(samples[BRIDGE])} invocations of each, in turns of {CALLS}. {_METHOD}"]
    goal = f"Goal: at most {GOAL} x awslambdaric with Mangum as it comes. Ratios within a round. {BY_MEDIAN}"
    return [
        Table("Warm invocation of a Starlette JSON route: us", [MEDIAN, "p99"], rows, notes),
        Table("Warm invocation, beside awslambdaric with Mangum", [MEDIAN], beside, [goal]),
    ]


def _turns(binary: Path, rounds: int) -> dict[str, list[list[float]]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))

        def measure(number: int, runtime: str) -> Callable[[], list[float]]:
            function = Function(binary, command(runtime, APP), environ(APP), folder / f"{number}.log")
            stack.enter_context(function)
            turn(function, WARM_UP)
            return lambda: turn(function, CALLS)

        return take_turns({name: measure(number, name) for number, name in enumerate(RUNTIMES)}, rounds)
