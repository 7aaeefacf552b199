"""Several processes that share the slots, for applications that one CPU is not enough for.

They are forked after the import, so they share the memory of what was imported; the application's startup is run in
each of them, because event loops and connections cannot be shared.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bridge.signals import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_workers", "shares"]

logger = logging.getLogger("bridge")

# How long workers may take to end, in seconds, once one is to end: Lambda gives a whole environment two.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
STOP_LIMIT = 2.0


def shares(slots: int, workers: int) -> list[int]:
    """How many slots each worker gets; no worker without one."""
    workers = min(slots, workers)
    return [slots // workers + (number < slots % workers) for number in range(workers)]


def run_workers(counts: list[int], work: Callable[[int], int]) -> int:
    """Fork a worker for each count, and wait for them all. The exit code: 1 if one ended that should not have.

    SIGTERM goes on to the workers; a worker that ends without it takes the others with it.

    In a worker this raises SystemExit with what `work(count)` returns.
    """
    gc.freeze()  # what is shared stays shared: a collection would write to it
    supervisor = _Supervisor()
    try:
        for count in counts:
            if supervisor.fork():
                sys.exit(work(count))
        return supervisor.wait()
    finally:
        supervisor.close()


class _Supervisor:
    """The parent, which learns from signals alone, and reads them as bytes: none can come just before a wait."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._workers: set[int] = set()
        self._is_stopping = False
        self._exit_code = 0
        self._signals, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._wakeup_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._has_sigterm = sigterm.take(_nothing)
        self._on_child_ended = _listen(signal.SIGCHLD)

    def fork(self) -> bool:
        """Whether this is the worker now: signals mean there what they meant before."""
        # What comes to the worker too early for that has to wait.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            pid = os.fork()
            if pid == 0:
                self.close()
            else:
                self._workers.add(pid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return pid == 0

    def wait(self) -> int:
        """Until no worker is left. The exit code."""
        while self._workers:
            try:
                numbers = self._signals.recv(4096)
            except TimeoutError:
                self._tell(signal.SIGKILL)
                self._signals.settimeout(None)
                continue
            is_told = signal.SIGTERM in numbers
            if self._reap(is_told or self._is_stopping) or is_told:
                self._stop()
        return self._exit_code

    def _reap(self, is_expected: bool) -> bool:
        """Take note of workers that have ended, but not of other children, which the function waits for itself."""
        ended = {pid: os.waitstatus_to_exitcode(status) for pid, status in map(_poll, self._workers) if pid}
        self._workers -= ended.keys()
        for code in ended.values():
            if not is_expected or code not in (0, -signal.SIGTERM):
                self._exit_code = 1
                logger.error("A worker process ended with exit code %d: Lambda replaces the environment.", code)
        return bool(ended)

    def _stop(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._signals.settimeout(STOP_LIMIT)
            self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._workers:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def close(self) -> None:
        """Leave no worker behind, and signals as they were; in a worker those alone. Idempotent."""
        if self._signals.fileno() < 0:
            return
        try:
            if os.getpid() == self._pid and self._workers:  # a signal handler of the application's has raised
                self._stop()
                self.wait()
        finally:
            self._leave_signals()

    def _leave_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup_fd)
        if self._on_child_ended is not None:
            signal.signal(signal.SIGCHLD, self._on_child_ended)
        if self._has_sigterm:
            # One SIGTERM is enough: a second would end this process on its last few steps, with a failure.
            sigterm.release(ignore=self._is_stopping)
        self._signals.close()
        self._writer.close()


def _listen(number: signal.Signals) -> Any:
    """Have a signal written to the wakeup descriptor, which takes a handler in Python. What there was, if replaced."""
    handler = signal.getsignal(number)
    if callable(handler):
        return None  # the application's own, which stays
    return signal.signal(number, lambda signum, frame: None)


def _poll(pid: int) -> tuple[int, int]:
    try:
        return os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # somebody else has waited for it: that it has ended is all there is to know
        return pid, 0


def _nothing() -> None:
    """Do nothing: the parent reads the byte of the signal."""
