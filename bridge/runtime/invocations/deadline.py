"""The moment at which an invocation is given up: a margin before its deadline, on the event loop's clock."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bridge import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.invocations.watchdog import Watch, Watchdog

__all__ = ["BLOCKED_AFTER", "CANCEL_GRACE", "Deadline", "Limits", "time_left"]

logger = logging.getLogger("bridge")

# How long an application that was cancelled may clean up: as a part of the margin that is left then, because the answer
# has to be posted, too; and in seconds where there is no deadline, or the process ends.
GRACE_SHARE = 0.4
CANCEL_GRACE = 0.1

# How late the event loop may be when an invocation is given up, in seconds, before it counts as blocked: longer than a
# busy machine needs, and shorter than the default margin.
BLOCKED_AFTER = 0.1


class Limits(NamedTuple):
    """`margin`: how long before its deadline an invocation is given up, in seconds.

    `background`: how long the application's own call may go on after its answer, in seconds. None: up to the deadline.
    """

    margin: float
    background: float | None = None


def time_left(deadline_ms: int, margin: float) -> tuple[float, float]:
    """Do as `bridge.deadline.time_left` does, for a deadline in milliseconds since the epoch."""
    return deadline.time_left(deadline_ms / 1000 - time.time(), margin)


class Deadline:
    """The moment at which one invocation is given up. Without a deadline it never comes.

    `deadline_ms`: milliseconds since the epoch; 0 means no deadline. `watchdog`: logs the stack of a blocked event
    loop, which cannot notice the moment itself.
    """

    __slots__ = ("_loop", "_margin", "_moment", "_timer", "_watch", "_watchdog")

    def __init__(self, deadline_ms: int, margin: float, watchdog: Watchdog | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._moment: float | None = None  # on the loop's clock
        self._margin = CANCEL_GRACE / GRACE_SHARE
        self._timer: asyncio.TimerHandle | None = None
        self._watchdog = watchdog
        self._watch: Watch | None = None
        if deadline_ms:
            left, self._margin = time_left(deadline_ms, margin)
            self._moment = self._loop.time() + left

    def start(self, expire: Callable[[], None]) -> None:
        """Call `expire` on the event loop when the moment comes, unless `close` is called before."""
        if self._moment is None:
            return
        self._timer = self._loop.call_at(self._moment, self._come, expire)
        if self._watchdog is not None:
            late = time.time() + self._moment - self._loop.time() + BLOCKED_AFTER
            self._watch = self._watchdog.watch(late, partial(_log_blocked, threading.get_ident()))

    def _come(self, expire: Callable[[], None]) -> None:
        self.close()
        expire()

    def close(self) -> None:
        """Forget the moment. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None and self._watchdog is not None:
            self._watchdog.leave(self._watch)
        self._timer = self._watch = None

    @property
    def moment(self) -> float | None:
        """The moment on the event loop's clock; None without a deadline."""
        return self._moment

    @property
    def left(self) -> float | None:
        """Seconds until the invocation is given up; negative afterwards, None without a deadline."""
        return None if self._moment is None else self._moment - self._loop.time()

    @property
    def left_to_post(self) -> float | None:
        """Seconds until the deadline itself; at least 0, None without a deadline."""
        return None if self._moment is None else max(0.0, self._moment + self._margin - self._loop.time())

    @property
    def grace(self) -> float:
        """The time for the application to clean up after its cancellation, in seconds."""
        return self._margin * GRACE_SHARE


def _log_blocked(ident: int) -> None:
    from bridge.runtime.log.stacks import describe_thread

    logger.error(
        "The event loop is blocked, and the deadline of the invocation is near. The stack of its thread:\n%s",
        describe_thread(ident),
    )
