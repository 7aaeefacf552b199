"""Several processes that share the slots, for applications that need more than one CPU.

They are forked after the import, so they share the memory of the imported modules. The application's startup is run in
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

# How long workers may take to end, in seconds, once one has to end: Lambda gives a whole environment two seconds.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
STOP_LIMIT = 2.0


def shares(slots: int, workers: int) -> list[int]:
    """Return how many slots each worker gets; each gets at least one."""
    workers = min(slots, workers)
    return [slots // workers + (number < slots % workers) for number in range(workers)]


def run_workers(counts: list[int], work: Callable[[int], int]) -> int:
    """Fork a worker for each count, and wait for all of them. Return the exit code: 1 if one ended unexpectedly.

    SIGTERM is passed on to the workers. A worker that ends without it ends the others, too.

    In a worker this raises SystemExit with the exit code that `work(count)` returns.
    """
    gc.collect()  # for what is frozen is never freed
    gc.freeze()  # a collection would write to the shared memory, and so copy it
    supervisor = _Supervisor()
    try:
        for count in counts:
            if supervisor.fork():
                sys.exit(work(count))
        return supervisor.wait()
    finally:
        supervisor.close()


class _Supervisor:
    """The parent process. It reads signals as bytes from a socket, so that none is missed just before a wait."""

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
        """Fork a worker. Return whether this is the worker, in which signals have their earlier handlers."""
        # A signal that the worker gets before that has to wait.
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
        """Wait until no worker is left. Return the exit code."""
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
        """Note workers that have ended. Other children are the function's own, which waits for them itself."""
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
        """End all workers, and restore the handlers of signals; in a worker only the latter. Idempotent."""
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
    """Let a signal be written to the wakeup descriptor, which needs a handler in Python. Return a replaced handler."""
    handler = signal.getsignal(number)
    if callable(handler):
        return None  # the application's own, which stays
    return signal.signal(number, lambda signum, frame: None)


def _poll(pid: int) -> tuple[int, int]:
    try:
        return os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # other code has waited for it: its exit code is not known any more
        return pid, 0


def _nothing() -> None:
    """Do nothing: the parent reads the byte of the signal."""
