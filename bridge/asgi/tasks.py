"""A task of its own for the application, beside its caller, on asyncio and on trio.

The application is user code. It opens task groups and cancel scopes of its own, which must not affect the reader. So it
gets a task outside of any task group, and the caller that started it waits for its end.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from bridge.asgi.cancellation import TaskOwner, takes_own_cancellation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Protocol

    class Limit(Protocol):
        """The time limit of a task. `is_left`: the task does not end, and is not waited for any longer."""

        is_left: bool

        def start(self, owner: TaskOwner, leave: Callable[[], None]) -> None:
            """Cancel the task of `owner` when its time is over; call `leave` if it does not end soon after that."""


__all__ = [
    "ApplicationTask",
    "LoopReference",
    "checkpoint",
    "in_async_code",
    "in_own_task",
    "is_cancellation",
    "keep",
    "make_event",
    "running_loop",
]

# How long a task that was cancelled may go on before it is cancelled once more, in seconds.
CANCEL_AGAIN = 0.1

T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()


def keep(task: asyncio.Task[Any]) -> None:
    """Keep a task until its end. A forked child, whose copy never runs again, keeps it: it must not be destroyed."""
    _running.add(task)
    task.add_done_callback(_running.discard)


class ApplicationTask:
    """One run of `function` in a task of its own.

    `ended` is called once, at the end, however the run ends. `error` is what it raised, once `done` is set; that may be
    a cancellation that was not asked for here. The owner must wait for `done`, and call `cancel()` first if it does not
    want to wait for long.

    A run is cancelled in its event loop's own way. anyio's cancel scopes would import a backend, which takes a quarter
    of a small function's cold start.
    """

    __slots__ = ("_ended", "_function", "_owner", "_scope", "_task", "done", "error")

    def __init__(
        self, function: Callable[[], Awaitable[None]], *, name: str, ended: Callable[[], None] | None = None
    ) -> None:
        trio = _trio_here()
        self._function = function
        self._ended = ended
        self._scope = None if trio is None else trio.CancelScope()
        self.done = make_event()
        self.error: BaseException | None = None
        self._owner = TaskOwner()
        # The event loop only keeps a weak reference to its tasks: the owner keeps this one.
        self._task = self._spawn(name) if trio is None else self._spawn_on_trio(trio, name)

    def _spawn(self, name: str) -> asyncio.Task[None]:
        task = self._owner.create_task(asyncio.get_running_loop(), self._run(), name=name)
        task.add_done_callback(self._owner.forget)
        task.add_done_callback(self._cancelled_before_it_ran)
        keep(task)
        return task

    def _spawn_on_trio(self, trio: Any, name: str) -> Any:
        return trio.lowlevel.spawn_system_task(self._run, name=name, context=copy_context())

    async def _run(self) -> None:
        try:
            with self._scope or nullcontext():
                await self._function()
            if await takes_own_cancellation():
                self.error = asyncio.CancelledError()
        except BaseException as exc:  # The owner raises it, in the task that waits.
            if not is_cancellation(exc):
                self.error = exc
                return
            if not self.cancelled:
                self.error = exc
            raise
        finally:
            self._end()

    def _end(self) -> None:
        if not self.done.is_set():
            if self._ended is not None:
                self._ended()
            self.done.set()

    def _cancelled_before_it_ran(self, task: asyncio.Task[None]) -> None:
        """End a run that never reached its `finally`: asyncio.run() cancels all tasks at its end, also new ones."""
        if not self.done.is_set():
            self.error = None if self.cancelled else asyncio.CancelledError()
            self._end()

    @property
    def cancelled(self) -> bool:
        """True if the run was cancelled here."""
        return self._owner.cancelled

    def cancel(self) -> None:
        """Cancel the run; it ends when `done` is set."""
        if not self.cancelled and not self.done.is_set():
            self._owner.cancel()
            if self._scope is not None:
                self._scope.cancel()

    async def cancel_and_wait(self) -> None:
        """Cancel the run and wait for its end, also when the waiting task is itself being cancelled."""
        self.cancel()
        with anyio.CancelScope(shield=True):
            while self._scope is None and not self.done.is_set():  # trio cancels again and again by itself
                with anyio.move_on_after(CANCEL_AGAIN):
                    await self.done.wait()
                    return
                self._task.cancel()
            await self.done.wait()


async def in_own_task(function: Callable[[], Awaitable[T]], *, name: str, limit: Limit | None = None) -> T:
    """Await `function()` in a task of its own, which ends with the caller's: then it is known who has cancelled it.

    On trio the caller's task runs it: there a task cannot cancel itself, and it has no limit. Raises what `function`
    raises, and TimeoutError for a task that is left.
    """
    if _trio_here() is not None:
        return await function()
    owner = TaskOwner(asyncio.current_task())
    raised: BaseException | None = None
    try:
        task = owner.create_task(asyncio.get_running_loop(), _outcome(function), name=name)
        if limit is not None:
            await _ended_or_left(task, owner, limit)
        result, raised = await task
        if raised is not None:
            raise raised
        return cast("T", result)
    finally:
        owner.forget()
        del raised  # its traceback refers to this frame


async def _ended_or_left(task: asyncio.Task[Any], owner: TaskOwner, limit: Limit) -> None:
    """Return at the end of the task, or when the caller is cancelled. Raises TimeoutError if the task is left."""
    ended = asyncio.Event()
    task.add_done_callback(lambda _: ended.set())
    limit.start(owner, ended.set)
    try:
        await ended.wait()
    except asyncio.CancelledError:
        task.cancel()
        return
    if limit.is_left:
        raise TimeoutError


async def _outcome(function: Callable[[], Awaitable[T]]) -> tuple[T | None, BaseException | None]:
    """Return the result of `function`, or what it raised: an exit that leaves a task would stop the event loop."""
    try:
        return await function(), None
    except asyncio.CancelledError:
        raise
    except BaseException as exc:
        return None, exc


def is_cancellation(exc: BaseException | None) -> bool:
    """Return whether `exc` is the cancellation of the event loop that the caller runs on."""
    trio = _trio_here()
    return isinstance(exc, asyncio.CancelledError if trio is None else trio.Cancelled)


def make_event() -> Any:
    """Make an event of the event loop that the caller runs on; anyio's own would import a backend."""
    trio = _trio_here()
    return asyncio.Event() if trio is None else trio.Event()


async def checkpoint() -> None:
    """Let the other tasks of the event loop run."""
    trio = _trio_here()
    await (asyncio.sleep(0) if trio is None else trio.lowlevel.checkpoint())


class LoopReference:
    """The event loop that the caller runs on, which can be asked later whether it has ended."""

    __slots__ = ("_loop", "_trio", "_trio_token")

    def __init__(self) -> None:
        self._trio = _trio_here()
        self._trio_token: Any = self._trio.lowlevel.current_trio_token() if self._trio else None
        self._loop = None if self._trio else asyncio.get_running_loop()

    @property
    def is_here(self) -> bool:
        """True if the caller runs on this loop."""
        if self._loop is not None:
            return running_loop() is self._loop
        return _trio_here() is not None and self._trio.lowlevel.current_trio_token() is self._trio_token

    @property
    def is_over(self) -> bool:
        """True if the loop was closed. A loop that is only stopped may go on."""
        if self._loop is not None:
            return self._loop.is_closed()
        try:
            self._trio_token.run_sync_soon(int)  # does nothing, but raises if it cannot
        except self._trio.RunFinishedError:
            return True
        return False


def in_async_code() -> bool:
    """Return whether the caller runs inside an event loop, of asyncio or of trio."""
    return running_loop() is not None or _trio_here() is not None


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the asyncio event loop that the caller runs on; None outside of one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _trio_here() -> Any:
    """Return the trio module if the caller runs on trio. It is not imported for that."""
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    in_trio_task = getattr(trio.lowlevel, "in_trio_task", None)
    if in_trio_task is not None:
        return trio if in_trio_task() else None
    try:
        trio.lowlevel.current_task()  # trio before 0.29 has no in_trio_task()
    except RuntimeError:
        return None
    return trio
