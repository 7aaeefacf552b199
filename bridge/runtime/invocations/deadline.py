"""The moment at which an invocation is given up: a margin before its deadline, on the event loop's clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from bridge import deadline
from bridge.deadline import BLOCKED_AFTER, GRACE_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.watchdog import Watch, Watchdog

__all__ = ["BLOCKED_AFTER", "CANCEL_GRACE", "Deadline", "Limits", "time_left"]

# How long an application that was cancelled may clean up, in seconds, where there is no deadline, or the process ends.
CANCEL_GRACE = 0.1

BLOCKED = "The event loop is blocked, and the deadline of the invocation is near."


class Limits(NamedTuple):
    """`margin`: how long before its deadline an invocation is given up, in seconds.

    `background`: how long the application's own call may go on after its answer, in seconds. None: up to the deadline.
    """

    margin: float
    background: float | None = None


def time_left(deadline_ms: int, margin: float) -> tuple[float, float]:
    """Return what `bridge.deadline.time_left` does, for a deadline in milliseconds since the epoch."""
    return deadline.time_left(deadline_ms / 1000 - time.time(), margin)


class Deadline:
    """The moment at which one invocation is given up. Without a deadline it never comes.

    `deadline_ms`: milliseconds since the epoch; 0 means no deadline. `margin`: as in Limits.
    """

    __slots__ = ("_loop", "_margin", "_timer", "_watch", "_watchdog", "moment")

    def __init__(self, deadline_ms: int, margin: float, watchdog: Watchdog) -> None:
        self._loop = asyncio.get_running_loop()
        self.moment: float | None = None  # on the event loop's clock; None without a deadline
        self._margin = CANCEL_GRACE / GRACE_SHARE
        self._timer: asyncio.TimerHandle | None = None
        self._watchdog = watchdog
        self._watch: Watch | None = None
        if deadline_ms:
            left, self._margin = time_left(deadline_ms, margin)
            self.moment = self._loop.time() + left

    def start(self, expire: Callable[[], None], answer_blocked: Callable[[], None], what: Callable[[], str]) -> None:
        """Call `expire` on the event loop when the moment comes, unless `close` is called before.

        A blocked event loop cannot notice the moment. Soon after that the watchdog calls `answer_blocked` in its own
        thread, and logs the stack after `what()`, the name of the invocation.
        """
        if self.moment is None:
            return
        self._timer = self._loop.call_at(self.moment, self._come, expire)
        late = time.time() + self.moment - self._loop.time() + min(BLOCKED_AFTER, self.grace)
        self._watch = self._watchdog.watch(late, lambda: f"{what()}: {BLOCKED}", answer_blocked)

    def _come(self, expire: Callable[[], None]) -> None:
        self.close()
        expire()

    def close(self) -> None:
        """Forget the moment. Idempotent."""
        if self._timer is not None and self._watch is not None:
            self._timer.cancel()
            self._watchdog.leave(self._watch)
        self._timer = self._watch = None

    @property
    def left(self) -> float | None:
        """Seconds until the invocation is given up; negative afterwards, None without a deadline."""
        return None if self.moment is None else self.moment - self._loop.time()

    @property
    def left_to_post(self) -> float | None:
        """Seconds until the deadline itself; at least 0, None without a deadline."""
        return None if self.moment is None else max(0.0, self.moment + self._margin - self._loop.time())

    @property
    def grace(self) -> float:
        """The time for the application to clean up after its cancellation, in seconds."""
        return self._margin * GRACE_SHARE
