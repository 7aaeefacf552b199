"""The deadline of a call of a handler, wherever no runtime of ours keeps it: under awslambdaric, for example.

Near the deadline the client gets a 504, the log gets the stacks, and the application is cancelled. It costs a timer on
the event loop, and that only for a call that waits. Code that blocks the thread cannot be interrupted: a thread of
`Watchdog` logs its stack.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from bridge import invocation
from bridge._loop import LOOP_TASK
from bridge._messages import PassedEvent, request_line
from bridge.asgi.cancellation import is_asked_to_cancel
from bridge.asgi.tasks import in_own_task, keep
from bridge.deadline import (
    BLOCKED_AFTER,
    DEADLINE_MARGIN,
    GRACE_SHARE,
    NO_END,
    NO_RESULT,
    parse_margin,
    remaining_seconds,
    time_left,
)
from bridge.errors import DeadlineExceeded
from bridge.init_phase import is_function_process
from bridge.responses import plain
from bridge.settings_base import SettingsBase, from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bridge._httpx import httpx
    from bridge._loop import OwnLoop
    from bridge._messages import CompleteResponse
    from bridge.asgi.cancellation import TaskOwner
    from bridge.watchdog import Watch, Watchdog

__all__ = ["TimeLimit", "TimeLimits"]

logger = logging.getLogger("bridge")

LATE = "There is no response, and the deadline of the invocation is near."
BLOCKED = "The thread is blocked, and the deadline of the invocation is near."

# How long a call may take at least, in seconds, if the clock of its context stands still: the contexts of tests often
# return a fixed number, such as 1000.
STILL = 10.0


class _Settings(SettingsBase):
    deadline_margin: float = from_environment("BRIDGE_DEADLINE_MARGIN", parse=parse_margin, default=DEADLINE_MARGIN)


class TimeLimits:
    """The time limits of the calls of one handler. Raises ConfigurationError for an invalid BRIDGE_DEADLINE_MARGIN.

    The stack of a blocked thread is logged in Lambda alone: it costs a thread, and nothing else ends such a process.
    """

    def __init__(self) -> None:
        self._margin = _Settings().deadline_margin
        self._watches = is_function_process()

    def run(
        self, loop: OwnLoop, request: httpx.Request, work: Coroutine[Any, Any, CompleteResponse], *, may_wait: bool
    ) -> CompleteResponse:
        """Run `work` on the handler's own loop, and return its response; a 504 if there is none in time.

        Raises DeadlineExceeded for an event that is not an HTTP request, and what `work` raises.
        """
        limit = self._limit(request)
        if limit is None:
            return loop.run(work) if may_wait else loop.run_stopped(work)
        with limit:
            try:
                return loop.run(work, limit) if may_wait else loop.run_stopped(work)
            except (Exception, asyncio.CancelledError) as exc:
                if not limit.is_over:
                    raise
                return limit.stand_in(exc)

    async def wait(
        self, request: httpx.Request, work: Callable[[], Coroutine[Any, Any, CompleteResponse]]
    ) -> CompleteResponse:
        """Do the same in a task of its own on the caller's loop. On trio there is no limit."""
        limit = self._limit(request)
        if limit is None:
            return await in_own_task(work, name="bridge application")
        with limit:
            try:
                return await in_own_task(work, name="bridge application", limit=limit)
            except (Exception, asyncio.CancelledError) as exc:
                if not limit.is_over or is_asked_to_cancel():
                    raise
                return limit.stand_in(exc)

    def _limit(self, request: httpx.Request) -> TimeLimit | None:
        """Return the limit of a call; None without a deadline, and where a runtime of ours keeps it."""
        context = request.extensions["asgi"]["aws.context"]
        seconds = remaining_seconds(context)
        if seconds is None or seconds <= 0 or invocation.deadline.get() is not None:
            return None
        return TimeLimit(request, context, seconds, self._margin, _watchdog(os.getpid()) if self._watches else None)


@functools.cache
def _watchdog(pid: int) -> Watchdog:
    """Return the watchdog of the process `pid`: threads do not survive a fork."""
    from bridge.watchdog import Watchdog

    return Watchdog()


class TimeLimit:
    """The time limit of one call.

    `is_over`: the call was given up. `is_left`: its application does not end, and is not waited for any longer.
    """

    __slots__ = (
        *("_context", "_end", "_left", "_margin", "_request", "_timer", "_token", "_watch", "_watchdog"),
        *("is_left", "is_over"),
    )

    def __init__(
        self, request: httpx.Request, context: Any, seconds: float, margin: float, watchdog: Watchdog | None
    ) -> None:
        self._request = request
        self._context = context
        self._left, self._margin = time_left(seconds, margin)
        self._end = time.monotonic() + self._left
        self._watchdog = watchdog
        self._timer: asyncio.TimerHandle | None = None
        self.is_over = self.is_left = False

    def __enter__(self) -> None:
        self._token = invocation.deadline.set(self._end)  # for Proxy, which else keeps the deadline itself
        self._watch: Watch | None = None
        if self._watchdog is not None:
            late = time.time() + self._left + min(BLOCKED_AFTER, self._margin * GRACE_SHARE)
            self._watch = self._watchdog.watch(late, lambda: f"{request_line(self._request)}: {BLOCKED}")

    def __exit__(self, *exc_info: object) -> None:
        invocation.deadline.reset(self._token)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None and self._watchdog is not None:
            self._watchdog.leave(self._watch)

    def start(self, owner: TaskOwner, leave: Callable[[], None]) -> None:
        """Cancel the task of `owner` when the time is over; call `leave` if it does not end soon after that.

        From now on, because most calls never wait.
        """
        assert owner.task is not None
        loop = owner.task.get_loop()
        self._timer = loop.call_later(self._end - time.monotonic(), self._come, owner, leave)

    def _come(self, owner: TaskOwner, leave: Callable[[], None]) -> None:
        task = owner.task
        if task is None or task.done():
            return
        loop = task.get_loop()
        more = self._more()
        if more > 0:
            self._timer = loop.call_later(more, self._come, owner, leave)
            return
        self.is_over = owner.is_late = True
        self._timer = loop.call_later(self._margin * GRACE_SHARE, self._leave, task, leave)
        self._log_stacks(task)
        owner.cancel()

    def _more(self) -> float:
        """Ask the context again, and return the seconds that a test's gives the call; 0 for a real one."""
        rest = (remaining_seconds(self._context) or 0) - self._margin
        return min(rest, self._end - self._left + STILL - time.monotonic()) if rest > self._left / 2 else 0

    def _log_stacks(self, task: asyncio.Task[Any]) -> None:
        from bridge.stacks import describe_tasks

        lasting = ("bridge lifespan", LOOP_TASK)
        others = {each for each in asyncio.all_tasks(task.get_loop()) if each.get_name() not in lasting} - {task}
        stacks = describe_tasks([task, *sorted(others, key=lambda each: each.get_name())])
        logger.error("%s: %s The stacks:\n%s", request_line(self._request), LATE, stacks)

    def _leave(self, task: asyncio.Task[Any], leave: Callable[[], None]) -> None:
        if not task.done():
            logger.error("%s: %s", request_line(self._request), NO_END)
            keep(task)
            self.is_left = True
            leave()

    def stand_in(self, exc: BaseException) -> CompleteResponse:
        """Return a 504 for a call that was given up and raised `exc`. Raises DeadlineExceeded."""
        if not isinstance(exc, asyncio.CancelledError | TimeoutError):
            logger.error("%s: The application failed when it was cancelled.", request_line(self._request), exc_info=exc)
        if isinstance(self._request, PassedEvent):
            raise DeadlineExceeded(NO_RESULT) from None
        return plain(504)
