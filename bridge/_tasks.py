"""Running the application beside its caller, on asyncio and on trio.

The application is user code: it opens task groups and cancel scopes of its own, which must not become the reader's.
So it gets a task of its own, outside any task group, and whoever started it waits for its end.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context

import anyio

__all__ = ["ApplicationTask"]


class ApplicationTask:
    """One run of `function` in a task of its own.

    `error`: what it raised, once `done`; a cancellation that nobody asked for is there too. The owner must wait for
    `done`, and call `cancel()` first if it will not wait for long.
    """

    __slots__ = ("_function", "_scope", "_task", "cancelled", "done", "error")

    def __init__(self, function: Callable[[], Awaitable[None]], *, name: str) -> None:
        self._function = function
        self._scope = anyio.CancelScope()
        self.done = anyio.Event()
        self.error: BaseException | None = None
        self.cancelled = False
        self._task = _spawn(self._run, name)

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._function()
        except BaseException as exc:  # The owner raises it, in the task that waits.
            self.error = exc
            if isinstance(exc, anyio.get_cancelled_exc_class()):
                raise
        finally:
            self.done.set()

    def cancel(self) -> None:
        """Cancel the run; it ends when `done` is set."""
        self.cancelled = True
        self._scope.cancel()

    async def cancel_and_wait(self) -> None:
        """Cancel the run and wait for its end, also when the waiting task is itself being cancelled."""
        self.cancel()
        with anyio.CancelScope(shield=True):
            await self.done.wait()


def _spawn(run: Callable[[], Awaitable[None]], name: str) -> object:
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return trio.lowlevel.spawn_system_task(run, name=name, context=copy_context())
    # The event loop only keeps a weak reference to its tasks: the owner keeps this one.
    return asyncio.create_task(run(), name=name)  # type: ignore[arg-type]
