"""The memory of many slots: all processes of a runtime, in the emulator's Managed Instances mode."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.emulated import (
    BRIDGE,
    EVENT,
    FUNCTIONS,
    MANGUM,
    Memory,
    ask,
    check_answers,
    command,
    emulator_or_reason,
    environ,
    memory_of,
)
from benchmarks.rounds import only, take_turns
from benchmarks.tables import MEDIAN, Table, judged, not_measured, shown
from tests.integration.managed import ManagedEmulator, missing_platform_for_managed_instances

__all__ = ["tables"]

SLOTS = (8, 16)
RUNTIMES = (BRIDGE, MANGUM)
RUNS, QUICK_RUNS = 3, 1

GOAL = 0.15

_TITLE = "Memory of many slots"
_METHOD = (
    "The official emulator in its Managed Instances mode; the Starlette application, after bursts that used all slots. "
    "PSS: what processes share counts once."
)

_APP = "starlette_app"
_HOLD = EVENT.replace(b'"/small"', b'"/hold"')
_BURSTS = 5


def tables(quick: bool) -> list[Table]:
    if reason := missing_platform_for_managed_instances():
        return [not_measured(_TITLE, reason)]
    binary = emulator_or_reason(_TITLE)
    if not isinstance(binary, Path):
        return binary
    return _tables([_measure(binary, slots, QUICK_RUNS if quick else RUNS) for slots in SLOTS])


def _measure(binary: Path, slots: int, runs: int) -> dict[str, list[Memory]]:
    return take_turns({name: partial(_used, binary, name, slots) for name in RUNTIMES}, runs)


def _used(binary: Path, name: str, slots: int) -> Memory:
    with TemporaryDirectory() as folder:
        released = Path(folder, "released")
        emulator = ManagedEmulator(
            binary,
            command(name, _APP),
            max_concurrency=slots,
            environ=environ(_APP) | {"HOLD_UNTIL": str(released)},
            functions=FUNCTIONS,
        )
        with emulator, ThreadPoolExecutor(slots) as threads:
            answers = [threads.submit(_ask, emulator.port, _HOLD) for _ in range(slots)]
            emulator.wait_until_busy()
            released.touch()
            check_answers(answer.result() for answer in answers)
            for _ in range(_BURSTS):
                emulator.wait_for_polls()
                check_answers(threads.map(lambda _: _ask(emulator.port, EVENT), range(slots)))
            emulator.wait_for_polls()
            return memory_of(emulator.runtime_pids())


def _ask(port: int, event: bytes) -> bytes:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        return ask(client, event)


def _tables(columns: list[dict[str, list[Memory]]]) -> list[Table]:
    """Return all processes of a runtime together, and ours beside the other."""
    pss = [only("pss", column) for column in columns]
    rows = []
    for name in RUNTIMES:
        rows.append([f"{name}: PSS", *(shown(figures.time(name)) for figures in pss)])
        rows.append(["  processes", *(str(column[name][-1].processes) for column in columns)])
    *some, most = [figures.ratio(BRIDGE, MANGUM) for figures in pss]
    shares = [
        [f"PSS: {BRIDGE} / {MANGUM}", *(shown(ratio, 2) for ratio in some), judged(most, GOAL)],
    ]
    goal = f"Goal: with {SLOTS[-1]} slots at most {GOAL} x awslambdaric with Mangum, in PSS."
    heads = [f"{slots} slots" for slots in SLOTS]
    return [
        Table(f"{_TITLE}, all processes: MB, {MEDIAN}", heads, rows, [_METHOD]),
        Table(f"{_TITLE}, beside awslambdaric with Mangum, {MEDIAN}", heads, shares, [goal]),
    ]
