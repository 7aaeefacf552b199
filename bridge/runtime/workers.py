"""Several processes that share the slots, for applications that one CPU is not enough for.

They are forked after the import, so they share the memory of what was imported; the application's startup is run in
each of them, because event loops and connections cannot be shared.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from bridge.environment import is_sigterm_free

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["run_workers", "shares"]

logger = logging.getLogger("bridge")


def shares(slots: int, workers: int) -> list[int]:
    """How many slots each worker gets; no worker without one."""
    workers = min(slots, workers)
    return [slots // workers + (number < slots % workers) for number in range(workers)]


def run_workers(counts: list[int], work: Callable[[int], int]) -> int:
    """Fork a worker for each count, and wait for them all. The exit code: 1 if one ended that should not have.

    In a worker: `work(count)`, whose result becomes the exit code of that process.
    """
    gc.freeze()  # what is shared stays shared: a collection would write to it
    supervisor = _Supervisor()
    for count in counts:
        pid = os.fork()
        if pid == 0:
            sys.exit(work(count))
        supervisor.pids.add(pid)
    return supervisor.wait()


class _Supervisor:
    """The parent. SIGTERM goes on to the workers; a worker that ends before that takes the others with it."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self._is_stopping = False
        self._takes_sigterm = is_sigterm_free()

    def wait(self) -> int:
        if self._takes_sigterm:
            signal.signal(signal.SIGTERM, self._stop)
        exit_code = 0
        while self.pids:
            pid, status = os.wait()
            self.pids.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            if code or not self._is_stopping:
                exit_code = 1
                logger.error("A worker process ended with exit code %d: Lambda replaces the environment.", code)
            self._stop()
        return exit_code

    def _stop(self, signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            for pid in self.pids:
                os.kill(pid, signal.SIGTERM)
