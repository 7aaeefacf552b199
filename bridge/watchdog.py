"""A thread that watches the clock, for code that is late and cannot be interrupted: it answers, and logs the stack."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watch", "Watchdog"]

logger = logging.getLogger("bridge")

NEVER = float("inf")


class Watch:
    """The current thread is to be done at `moment`, in seconds since the epoch; else its stack is logged.

    It is logged after `message`, or the text that this returns, in the current context, so that the line has the id of
    the current invocation. `act` is called before that, in the watchdog's thread.
    """

    __slots__ = ("_act", "_context", "_ident", "_message", "moment")

    def __init__(self, moment: float, message: str | Callable[[], str], act: Callable[[], None] | None = None) -> None:
        self.moment = moment
        self._act = act
        self._message = message
        self._ident = threading.get_ident()
        self._context = copy_context()

    def tell(self) -> None:
        """Act, and log where the thread is. From any thread."""
        try:
            self._context.run(self._tell)
        except Exception as exc:  # the watchdog goes on for the others
            logger.error("An invocation near its deadline could not be answered or logged.", exc_info=exc)

    def _tell(self) -> None:
        from bridge.stacks import describe_thread

        message = self._message if isinstance(self._message, str) else self._message()
        stack = describe_thread(self._ident)  # before the thread goes on
        try:
            if self._act is not None:
                self._act()  # before the log, which the thread may have locked
        finally:
            logger.error("%s The stack of its thread:\n%s", message, stack)


class Watchdog:
    """One thread for all watches. It is woken only if its next check must be earlier, not for every invocation.

    `watched`: the work that has not ended. It has no lock, because a set adds and removes in one step.
    """

    def __init__(self) -> None:
        self.watched: set[Watch] = set()
        self._changed = threading.Condition()
        self._next = NEVER  # when the thread checks next
        self._thread: threading.Thread | None = None

    def watch(self, moment: float, message: str | Callable[[], str], act: Callable[[], None] | None = None) -> Watch:
        """Call `act` and log `message` at `moment`, unless `leave` is called before. From any thread."""
        watch = Watch(moment, message, act)
        self.watched.add(watch)
        if moment < self._next:
            self._wake()
        return watch

    def leave(self, watch: Watch) -> None:
        """End a watch. Idempotent."""
        self.watched.discard(watch)

    def _wake(self) -> None:
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="bridge watchdog", daemon=True)
                with suppress(RuntimeError):  # no thread can be started: an invocation works without it
                    thread.start()
                    self._thread = thread
            self._changed.notify()

    def _run(self) -> None:
        while True:
            self._wait()
            for watch in list(self.watched):
                if watch.moment <= time.time():
                    self.leave(watch)
                    watch.tell()

    def _wait(self) -> None:
        with self._changed:
            self._next = NEVER  # first: a watch that is added after the next line wakes this thread
            self._next = min((watch.moment for watch in list(self.watched)), default=NEVER)
            self._changed.wait(min(max(0.0, self._next - time.time()), threading.TIMEOUT_MAX))
