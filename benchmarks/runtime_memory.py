"""What many slots cost in memory: all processes of a runtime, in the emulator's Managed Instances mode."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.integration.managed import ManagedEmulator

from .rounds import Figures
from .runtimes import BRIDGE, EVENT, FUNCTIONS, MANGUM, ask, check_answers, command, environ

__all__ = ["MEMORY_RUNTIMES", "SLOTS", "Memory", "measure_memory"]

SLOTS = (8, 16)
MEMORY_RUNTIMES = (BRIDGE, MANGUM)

_APP = "starlette_app"
_HOLD = EVENT.replace(b'"/small"', b'"/hold"')
_BURSTS = 5


class Memory(NamedTuple):
    """Megabytes of all processes of each runtime. `pss`: what they share counts once; `rss`: as often as they share it.

    `processes`: how many they are.
    """

    pss: Figures
    rss: Figures
    processes: dict[str, int]


class _Usage(NamedTuple):
    pss: float
    rss: float
    processes: int


def measure_memory(binary: Path, *, runs: int) -> dict[int, Memory]:
    """The memory for each of SLOTS, after bursts that used them all."""
    measured = {}
    for slots in SLOTS:
        sys.stderr.write(f"measuring memory, {slots} slots\n")
        usages: dict[str, list[_Usage]] = {name: [] for name in MEMORY_RUNTIMES}
        for _ in range(runs):
            for name in MEMORY_RUNTIMES:
                usages[name].append(_usage(binary, name, slots))
        measured[slots] = _memory(usages)
    return measured


def _memory(usages: dict[str, list[_Usage]]) -> Memory:
    return Memory(
        Figures({name: [usage.pss for usage in of_one] for name, of_one in usages.items()}),
        Figures({name: [usage.rss for usage in of_one] for name, of_one in usages.items()}),
        {name: of_one[-1].processes for name, of_one in usages.items()},
    )


def _usage(binary: Path, name: str, slots: int) -> _Usage:
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
            return _usage_of(emulator.runtime_pids())


def _ask(port: int, event: bytes) -> bytes:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        return ask(client, event)


def _usage_of(pids: Sequence[int]) -> _Usage:
    """https://docs.kernel.org/filesystems/proc.html: kB in lines as `Pss:    1234 kB`."""
    total = {"Pss": 0, "Rss": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in total:
                total[name] += int(value.split()[0])
    return _Usage(total["Pss"] / 1024, total["Rss"] / 1024, len(pids))
