"""Running the application beside its caller, on asyncio and on trio.

The application is user code: it opens task groups and cancel scopes of its own, which must not become the reader's.
So it gets a task of its own, outside any task group, and whoever started it waits for its end.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = [
    "ApplicationTask",
    "LoopReference",
    "checkpoint",
    "in_async_code",
    "is_asked_to_cancel",
    "is_cancellation",
    "make_event",
]

# How long a task that was cancelled may go on before it is cancelled once more, in seconds.
CANCEL_AGAIN = 0.1


# A forked child has copies of them, which nothing will ever run on: they are kept to its end, not destroyed unfinished.
_running: set[asyncio.Task[None]] = set()


class ApplicationTask:
    """One run of `function` in a task of its own.

    `ended` is called once, at its end, whichever way it ends. `error`: what it raised, once `done`; a cancellation
    that nobody asked for is there too. The owner must wait for `done`, and call `cancel()` first if it will not wait
    for long.
    """

    __slots__ = ("_ended", "_function", "_scope", "_task", "cancelled", "done", "error")

    def __init__(
        self, function: Callable[[], Awaitable[None]], *, name: str, ended: Callable[[], None] | None = None
    ) -> None:
        self._function = function
        self._ended = ended
        # Without anyio's machinery until somebody has asked for it: it is a tenth of a small function's cold start.
        self._scope = anyio.CancelScope() if _has_anyio() else None
        self.done = make_event()
        self.error: BaseException | None = None
        self.cancelled = False
        self._task: Any = self._spawn(name)

    def _spawn(self, name: str) -> Any:
        trio = _trio_here()
        if trio is not None:
            return trio.lowlevel.spawn_system_task(self._run, name=name, context=copy_context())
        # The event loop only keeps a weak reference to its tasks: the owner keeps this one.
        task = asyncio.create_task(self._run(), name=name)
        task.add_done_callback(self._cancelled_before_it_ran)
        _running.add(task)
        task.add_done_callback(_running.discard)
        return task

    async def _run(self) -> None:
        try:
            with self._scope or nullcontext():
                await self._function()
        except BaseException as exc:  # The owner raises it, in the task that waits.
            if not is_cancellation(exc):
                self.error = exc
                return
            if self._scope is not None or not self.cancelled:  # a scope keeps those to itself that it has asked for
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
        """asyncio.run() cancels all tasks at its end, and one that had no turn yet never gets to its `finally`."""
        if not self.done.is_set():
            self.error = None if self.cancelled else asyncio.CancelledError()
            self._end()

    def cancel(self) -> None:
        """Cancel the run; it ends when `done` is set."""
        if not self.done.is_set():
            self.cancelled = True
            if self._scope is not None:
                self._scope.cancel()
            else:
                self._task.cancel()

    async def cancel_and_wait(self) -> None:
        """Cancel the run and wait for its end, also when the waiting task is itself being cancelled."""
        self.cancel()
        with anyio.CancelScope(shield=True):
            while self._scope is None and not self.done.is_set():  # a scope cancels again and again by itself
                self._task.cancel()
                with anyio.move_on_after(CANCEL_AGAIN):
                    await self.done.wait()
            await self.done.wait()


def is_cancellation(exc: BaseException | None) -> bool:
    """Whether it is how the event loop that the caller runs on cancels."""
    trio = _trio_here()
    return isinstance(exc, asyncio.CancelledError if trio is None else trio.Cancelled)


def make_event() -> Any:
    """An event of the event loop that the caller runs on; anyio's own does no more, but takes anyio's machinery."""
    trio = _trio_here()
    return asyncio.Event() if trio is None else trio.Event()


def is_asked_to_cancel() -> bool:
    """Whether the caller's asyncio task is being cancelled from outside, and did not just await a cancelled one."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def checkpoint() -> None:
    """Let the other tasks of the event loop run."""
    trio = _trio_here()
    await (asyncio.sleep(0) if trio is None else trio.lowlevel.checkpoint())


def _has_anyio() -> bool:
    return "anyio._backends._asyncio" in sys.modules or _trio_here() is not None


class LoopReference:
    """The event loop that the caller runs on, to be asked later whether it has ended."""

    __slots__ = ("_loop", "_trio", "_trio_token")

    def __init__(self) -> None:
        self._trio = _trio_here()
        self._trio_token: Any = self._trio.lowlevel.current_trio_token() if self._trio else None
        self._loop = None if self._trio else asyncio.get_running_loop()

    @property
    def is_here(self) -> bool:
        """Whether the caller runs on this loop."""
        if self._loop is not None:
            return asyncio._get_running_loop() is self._loop
        return _trio_here() is not None and self._trio.lowlevel.current_trio_token() is self._trio_token

    @property
    def is_over(self) -> bool:
        """Whether the loop was closed; a loop that only rests may go on."""
        if self._loop is not None:
            return self._loop.is_closed()
        try:
            self._trio_token.run_sync_soon(int)  # does nothing, but says whether it can
        except self._trio.RunFinishedError:
            return True
        return False


def in_async_code() -> bool:
    """Whether the caller runs inside an event loop, of asyncio or of trio."""
    return asyncio._get_running_loop() is not None or _trio_here() is not None


def _trio_here() -> Any:
    """The trio module, if the caller runs on trio; it is not imported for that."""
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    in_trio_task = getattr(trio.lowlevel, "in_trio_task", None)
    if in_trio_task is not None:
        return trio if in_trio_task() else None
    try:
        trio.lowlevel.current_task()  # trio before 0.29 has no question for it
    except RuntimeError:
        return None
    return trio
