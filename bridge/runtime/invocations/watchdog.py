"""A look at the clock from a thread of its own: the log tells where something stands that nothing can interrupt."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watch", "Watchdog", "time_left"]

logger = logging.getLogger("bridge")

NEVER = float("inf")

# How long the thread waits at once, in seconds: a lock takes no wait of any length.
MAX_WAIT = 3600.0


def time_left(deadline_ms: int, margin: float) -> tuple[float, float]:
    """As `bridge.deadline.time_left`, for a deadline in milliseconds since the epoch."""
    return deadline.time_left(deadline_ms / 1000 - time.time(), margin)


class Watch:
    """What is to be over at a moment, in seconds since the epoch; `tell` is called in its context if it is not."""

    __slots__ = ("context", "moment", "tell")

    def __init__(self, moment: float, tell: Callable[[], None]) -> None:
        self.moment = moment
        self.tell = tell
        self.context = contextvars.copy_context()


class Watchdog:
    """One thread for all that is watched. It is woken when it must be, not for every invocation."""

    def __init__(self) -> None:
        # Without a lock, as most invocations end in time: a set takes and gives in one step.
        self._watched: set[Watch] = set()
        self._changed = threading.Condition()
        self._next = NEVER  # when the thread looks next
        self._thread: threading.Thread | None = None

    def watch(self, moment: float, tell: Callable[[], None]) -> Watch:
        """Have `tell` called in the watchdog's thread at `moment`, unless `leave` is called before. From any thread."""
        watch = Watch(moment, tell)
        self._watched.add(watch)
        if moment < self._next:
            self._wake()
        return watch

    def leave(self, watch: Watch) -> None:
        """It is over. Idempotent."""
        self._watched.discard(watch)

    def _wake(self) -> None:
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="bridge watchdog", daemon=True)
                with suppress(RuntimeError):  # no thread to be had: an invocation can do without
                    thread.start()
                    self._thread = thread
            self._changed.notify()

    def _run(self) -> None:
        while True:
            self._wait()
            now = time.time()
            for watch in list(self._watched):
                if watch.moment <= now and self._take(watch):
                    _tell(watch)

    def _wait(self) -> None:
        with self._changed:
            self._next = NEVER  # before the look: whoever comes after it wakes this thread
            self._next = min((watch.moment for watch in list(self._watched)), default=NEVER)
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
        logger.error("It could not be told where an invocation stands near its deadline.", exc_info=exc)
