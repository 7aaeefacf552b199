"""A look at the time for plain functions, which nothing can interrupt: the log tells where one stands near its end."""

from __future__ import annotations

import logging
import threading
import time

__all__ = ["Watchdog"]

logger = logging.getLogger("bridge")


class Watchdog:
    """One thread for all slots. It is woken when it must be, not for every invocation."""

    def __init__(self, margin: float) -> None:
        self._margin = margin
        # Thread -> when to look at it, in seconds since the epoch.
        self._watched: dict[int, float] = {}
        self._changed = threading.Condition()
        self._next = float("inf")  # when the thread looks next
        self._thread: threading.Thread | None = None

    def watch(self, deadline_ms: int) -> None:
        """The calling thread is to have a result by then; 0 is never. `leave` when it has one."""
        if not deadline_ms:
            return
        left = max(0.0, deadline_ms / 1000 - time.time())
        moment = time.time() + left - min(self._margin, left / 2)
        self._watched[threading.get_ident()] = moment
        if moment < self._next:
            self._wake()

    def leave(self) -> None:
        """The calling thread has its result."""
        self._watched.pop(threading.get_ident(), None)

    def _wake(self) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bridge watchdog", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.time()
                for ident, moment in list(self._watched.items()):
                    if moment <= now and self._watched.pop(ident, None) is not None:
                        _tell(ident)
                self._next = min(self._watched.copy().values(), default=float("inf"))
                self._changed.wait(None if self._next == float("inf") else max(0.0, self._next - time.time()))


def _tell(ident: int) -> None:
    from bridge.runtime.stacks import describe_thread

    stack = describe_thread(ident)
    logger.error("The function has no result, and the deadline of the invocation is near. Where it stands:\n%s", stack)
