"""The work of an invocation: the application's call, which may go on after the answer, and the tasks that it started.

Lambda freezes the process once the runtime asks for the next invocation, so the runtime first waits for this work,
within limits.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from bridge._text import one_line
from bridge.asgi.cancellation import TaskOwner
from bridge.deadline import NO_END

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, MutableSet, Sequence

    from bridge.runtime.invocations.deadline import Deadline

__all__ = ["Background", "collect_tasks", "names", "note_task"]

logger = logging.getLogger("bridge")

# How long an application may take to return once it has sent its response, in seconds, before it counts as working on.
RETURN_TIME = 0.01

# How long tasks that an invocation left running may delay the next one, in seconds. Work that was started without
# waiting for it, such as sending a metric, ends sooner; the reader task of a connection pool, which the first request
# makes, never ends, and every second of waiting for it is billed.
LEFT_TASKS_LIMIT = 1.0

# How many of them a log line names.
MAX_NAMES = 20

# The tasks of the current invocation that have not ended; None outside of invocations, as for tasks of the startup.
_started_tasks: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("bridge started tasks", default=None)

# Tasks that did not end when they were cancelled. The event loop holds only weak references to tasks.
_abandoned: set[asyncio.Task[None]] = set()


def collect_tasks(loop: asyncio.AbstractEventLoop) -> WeakSet[asyncio.Task[Any]]:
    """Note every task that is made on `loop`, for the invocation that makes it.

    Return the tasks of `loop` that have not ended, now and at any later time: `asyncio.all_tasks` takes much longer.

    A task factory sees the context of its caller. To ask a task for its context needs Python 3.12.
    """
    make: Callable[..., Any] = loop.get_task_factory() or _make_task
    running = WeakSet[asyncio.Task[Any]]()
    for task in asyncio.all_tasks(loop):
        note_task(running, task)

    def make_and_note(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> Any:
        task = make(loop, coro, **options)
        note_task(running, task)
        started = _started_tasks.get()
        if started is not None:
            note_task(started, task)
        return task

    loop.set_task_factory(make_and_note)  # type: ignore[arg-type]  # options are newer than typeshed's protocol
    return running


def note_task(tasks: MutableSet[asyncio.Task[Any]], task: asyncio.Task[Any]) -> None:
    """Put `task` into `tasks` until it ends."""
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _make_task(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coro, loop=loop, **options)


class Background:
    """The work of one invocation. `limit`: how long its call may go on after the answer, in seconds."""

    __slots__ = ("_deadline", "_limit", "_loop", "_owner", "_started", "_what", "_work")

    def __init__(self, deadline: Deadline, limit: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._limit = limit
        self._work: asyncio.Task[None]
        self._owner = TaskOwner()
        self._started: set[asyncio.Task[Any]] = set()

    def start(
        self,
        call: Coroutine[Any, Any, None],
        ended: Callable[[asyncio.Task[None]], None],
        what: Callable[[], str] = lambda: "An invocation",
    ) -> None:
        """Run `call` in a task of its own; `ended` is called at its end. Tasks that it starts are noted from now on.

        `what`: returns the name of the invocation for log lines.
        """
        self._what = what
        _started_tasks.set(self._started)
        self._work = self._owner.create_task(self._loop, call, name="bridge invocation")
        self._work.add_done_callback(self._owner.forget)
        self._started.discard(self._work)
        self._work.add_done_callback(ended)

    @property
    def is_cancelled(self) -> bool:
        """True if the call was cancelled here, and not by the application."""
        return self._owner.cancelled

    @property
    def is_over(self) -> bool:
        """True if the call and all the tasks that it started have ended."""
        return self._work.done() and not self._started

    def cancel(self) -> None:
        """Cancel the call once: a second time would cut off the cleaning up that the first one has begun."""
        if not self.is_cancelled and not self._work.done():
            self._owner.cancel()

    async def cancel_and_wait(self, grace: float) -> None:
        """Cancel the call, and wait `grace` seconds for its end."""
        if self._work.done():
            return
        self.cancel()
        await asyncio.wait([self._work], timeout=grace)
        if not self._work.done():
            logger.error("%s: %s", self._what(), NO_END)
            note_task(_abandoned, self._work)

    async def finish(self) -> None:
        """Wait for the call, and then for the tasks that it left running, each within its limit."""
        if not self.is_cancelled:
            await self._finish_call()
        await self.cancel_and_wait(self._deadline.grace)
        await self._finish_tasks()

    async def _finish_call(self) -> None:
        time_left = self._earlier(self._limit)
        seconds = None if time_left is None else max(time_left, RETURN_TIME)
        _, pending = await asyncio.wait([self._work], timeout=seconds)
        if pending:
            self.log_stacks("The application works on after its answer, and its time is over.")

    async def _finish_tasks(self) -> None:
        await asyncio.sleep(0)  # the event loop makes a task for every async generator that the call has left
        end = self._loop.time() + LEFT_TASKS_LIMIT
        while tasks := [task for task in self._started if _is_left(task)]:  # which may start others
            seconds = self._earlier(end - self._loop.time())
            assert seconds is not None
            if seconds <= 0:
                logger.warning(
                    "%s: The application left tasks that go on during the next invocation: %s.",
                    self._what(),
                    names(tasks),
                )
                return
            await asyncio.wait(tasks, timeout=seconds)

    def _earlier(self, limit: float | None) -> float | None:
        """Return the smaller of `limit` and the seconds until the invocation is given up."""
        return min((each for each in (limit, self._deadline.left) if each is not None), default=None)

    def log_stacks(self, what: str) -> None:
        """Log `what`, and the stacks of the call, of the tasks that it started, and of the threads."""
        from bridge.stacks import describe_tasks

        started = sorted(self._started, key=lambda task: task.get_name())
        logger.error("%s: %s The stacks:\n%s", self._what(), what, describe_tasks([self._work, *started]))


def _is_left(task: asyncio.Task[Any]) -> bool:
    """Return whether a task is the application's. Tasks of this package end with the call."""
    return not task.done() and not task.get_name().startswith("bridge ")


def names(tasks: Sequence[asyncio.Task[Any]]) -> str:
    """Return tasks for a log line: their names and what they run, of MAX_NAMES at most."""
    named = sorted(one_line(f"{task.get_name()} ({_function(task)})") for task in tasks[:MAX_NAMES])
    return ", ".join(named) + (f" and {len(tasks) - MAX_NAMES} more" if len(tasks) > MAX_NAMES else "")


def _function(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    return getattr(coroutine, "__qualname__", None) or type(coroutine).__name__
