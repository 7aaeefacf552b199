"""How much memory processes use. Linux alone tells it in /proc; elsewhere nothing is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

__all__ = ["used", "watch"]

# In seconds: memory can pass the limit by what a process allocates in between. To find the processes takes longer the
# more the machine has, so between two looks there are also 20 times as many seconds as the last one took.
_INTERVAL, _SHARE = 0.1, 20


def used(pids: Collection[int]) -> int:
    """Return the bytes of some processes. What they share counts once. 0 if nothing is known."""
    if len(pids) == 1:
        return sum(_field(pid, "status", "VmRSS:") for pid in pids)
    return sum(_field(pid, "smaps_rollup", "Pss:") for pid in pids)


def _field(pid: int, file: str, name: str) -> int:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) << 10
    return 0


async def watch(pids: Callable[[], Collection[int]], limit: int, exceeded: Callable[[int], None]) -> None:
    """Call `exceeded` with the bytes that `pids()` use, once, when they are more than `limit`."""
    while True:
        start = time.perf_counter()
        size = used(pids())
        if size > limit:
            break
        await asyncio.sleep(max(_INTERVAL, _SHARE * (time.perf_counter() - start)))
    exceeded(size)
