"""A thread that watches the clock, and reports code that is late and cannot be interrupted."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watch", "Watchdog"]

logger = logging.getLogger("bridge")

NEVER = float("inf")

# The longest single wait of the thread, in seconds: a lock cannot wait for any length of time.
MAX_WAIT = 3600.0


class Watch:
    """Work that should end before `moment`, in seconds since the epoch; else `tell` is called in `context`."""

    __slots__ = ("context", "moment", "tell")

    def __init__(self, moment: float, tell: Callable[[], None]) -> None:
        self.moment = moment
        self.tell = tell
        self.context = contextvars.copy_context()


class Watchdog:
    """One thread for all watches. It is woken only if its next check must be earlier, not for every invocation."""

    def __init__(self) -> None:
        # Without a lock, as most invocations end in time: a set adds and removes in one step.
        self._watched: set[Watch] = set()
        self._changed = threading.Condition()
        self._next = NEVER  # when the thread checks next
        self._thread: threading.Thread | None = None

    @property
    def watched(self) -> list[Watch]:
        """The work that has not ended."""
        return list(self._watched)

    def watch(self, moment: float, tell: Callable[[], None]) -> Watch:
        """Call `tell` in the watchdog's thread at `moment`, unless `leave` is called before. From any thread."""
        watch = Watch(moment, tell)
        self._watched.add(watch)
        if moment < self._next:
            self._wake()
        return watch

    def leave(self, watch: Watch) -> None:
        """End a watch. Idempotent."""
        self._watched.discard(watch)

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
            now = time.time()
            for watch in self.watched:
                if watch.moment <= now and self._take(watch):
                    _tell(watch)

    def _wait(self) -> None:
        with self._changed:
            self._next = NEVER  # first: a watch that is added after the next line wakes this thread
            self._next = min((watch.moment for watch in self.watched), default=NEVER)
            self._changed.wait(min(max(0.0, self._next - time.time()), MAX_WAIT))

    def _take(self, watch: Watch) -> bool:
        try:
            self._watched.remove(watch)
        except KeyError:  # it was over at the last moment
            return False
        return True


def _tell(watch: Watch) -> None:
    try:
        watch.context.run(watch.tell)
    except Exception as exc:  # the thread goes on for the others
        logger.error("The stack of an invocation near its deadline could not be logged.", exc_info=exc)
