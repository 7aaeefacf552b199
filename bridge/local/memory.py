"""How much memory processes and their children use. Linux alone tells it in /proc; elsewhere nothing is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["used", "watch"]

# In seconds: memory can pass the limit by what a process allocates in between.
_INTERVAL = 0.1


def used(*roots: int) -> int:
    """Return the bytes of processes and all their children. What they share counts once. 0 if nothing is known."""
    pids = _family(roots)
    if len(pids) == 1:
        return _field(pids[0], "status", "VmRSS:")
    return sum(_field(each, "smaps_rollup", "Pss:") for each in pids)


def _family(roots: Iterable[int]) -> list[int]:
    found = list(roots)
    for parent in found:  # which grows meanwhile
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def _field(pid: int, file: str, name: str) -> int:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) << 10
    return 0


async def watch(pids: Sequence[int], limit: int, exceeded: Callable[[int], None]) -> None:
    """Call `exceeded` with the bytes that are used, once, when they are more than `limit`."""
    while (size := used(*pids)) <= limit:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(_INTERVAL)
    exceeded(size)
