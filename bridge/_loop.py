"""The handler's own event loop, which the calling thread runs during its call.

Lambda calls a handler from one thread, one call at a time, and freezes the process in between: the loop does not need
a thread of its own. Calls from several threads take turns.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from bridge._loop_end import close_forgotten, close_loop, forget_loop
from bridge._outside import OutsideCalls
from bridge.asgi.cancellation import TaskOwner
from bridge.asgi.tasks import in_async_code, keep, running_loop
from bridge.errors import LoopClosedError, RunningLoopError

if TYPE_CHECKING:
    from bridge.asgi.tasks import Limit

__all__ = ["LOOP_TASK", "OwnLoop"]

logger = logging.getLogger("bridge")

# How long a call may clean up after Ctrl-C or another task's SystemExit has ended it, in seconds. An exception that
# hits asyncio between two of its steps can lose one of them, and a call that waits for that step would never end.
INTERRUPT_GRACE = 5.0

# The name of the task that lives as long as an own loop.
LOOP_TASK = "bridge loop"

T = TypeVar("T")

# The call that the current code belongs to, also in a thread that asyncio.to_thread() or anyio started for it. It is
# not reset after the call, because a call that has ended is not the current call of any loop.
_call: ContextVar[object] = ContextVar("bridge_call", default=None)


class OwnLoop:
    """An asyncio event loop that any thread can run coroutines on, one at a time. `new_loop` makes it on first use."""

    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self.new_loop = new_loop or asyncio.new_event_loop
        self.outside = OutsideCalls()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._root: asyncio.Task[None] | None = None
        self._is_closed = False
        # A plain lock: `with` neither loses nor keeps it, wherever Ctrl-C comes.
        self._turn = threading.Lock()
        self._thread = 0  # the identifier of the thread whose turn it is
        self._call: object = None
        self._task: asyncio.Task[Any] | None = None
        self._owner = TaskOwner()
        self._interruption: Callable[[], None] | None = None

    def __del__(self) -> None:
        if self._loop is not None:
            forget_loop(self._pid, self._loop)

    def check_callable(self) -> None:
        """Raise RunningLoopError inside a running event loop, and LoopClosedError after close()."""
        if self._is_closed:
            raise LoopClosedError()
        if in_async_code():
            raise RunningLoopError()

    def check_not_nested(self, **error: str) -> None:
        """Raise RunningLoopError in a thread that the call under way started: the two would wait for each other."""
        if self._call is not None and _call.get() is self._call:
            raise RunningLoopError(where="in a call of the same handler, for which it would wait forever", **error)

    def run(self, coroutine: Coroutine[Any, Any, T], limit: Limit | None = None) -> T:
        """Run `coroutine` to its end and return its result, or raise what it raised.

        A call that another thread makes meanwhile waits for its turn. Raises as `check_not_nested` does, and
        LoopClosedError after close(), also in a thread that waited then, and TimeoutError for a call that its `limit`
        leaves.
        """
        return self._checked(self._run, coroutine, limit)

    def run_stopped(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Do as `run` with a coroutine that never waits: without the loop, which costs more than the rest of a call."""
        return self._checked(self._step, coroutine, None)

    def _checked(self, step: Callable[..., T], coroutine: Coroutine[Any, Any, T], limit: Limit | None) -> T:
        try:
            self.check_not_nested()
            result: T = self._take_turn(step, coroutine, limit)
            return result
        except BaseException:
            if limit is None or not limit.is_left:
                with suppress(RuntimeError):  # the coroutine ignores GeneratorExit
                    coroutine.close()  # it may never have started
            raise

    def _take_turn(self, step: Callable[..., T], *args: Any) -> T:
        interruption = None
        try:
            with self._turn:
                self._thread = threading.get_ident()
                try:
                    return step(*args)
                finally:
                    interruption, self._interruption, self._thread = self._interruption, None, 0
        finally:
            if interruption is not None:
                interruption()

    def _step(self, coroutine: Coroutine[Any, Any, T], limit: Limit | None) -> T:
        if self._is_closed:
            raise LoopClosedError()
        _call.set(coroutine)
        self._call = coroutine
        self.outside.offer(None)
        try:
            coroutine.send(None)
        except StopIteration as exc:
            result: T = exc.value
            return result
        finally:
            self._call = None
            self.outside.withdraw()
        raise RuntimeError("Expected a coroutine that does not wait, but it waits.")

    def _run(self, coroutine: Coroutine[Any, Any, T], limit: Limit | None) -> T:
        """Do as `loop.run_until_complete` does, one turn of the loop shorter for a call that never waits.

        Such a call ends in the first turn, which is run alone, as `loop.stop` allows. So does one that something else
        cancels before its first step.
        """
        if self._is_closed:
            raise LoopClosedError()
        loop = self._made_loop()
        _call.set(coroutine)
        self._call = coroutine
        self.outside.offer(loop)
        owner = self._owner = TaskOwner()
        task = self._task = owner.create_task(loop, coroutine)
        try:
            if self._interruption is not None:
                owner.cancel()
            self._run_turns(loop, task, limit)
        except BaseException:
            if os.getpid() == self._pid:  # else a forked child leaves the call, and the loop is its parent's
                self._end(loop, task)
            if task.done():
                _ = task.cancelled() or task.exception()  # Retrieved, so that asyncio does not report it.
            raise
        finally:
            self._call = self._task = None
            self.outside.withdraw()
            owner.forget()
        if not task.done():
            raise TimeoutError
        result: T = task.result()
        return result

    def _run_turns(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], limit: Limit | None) -> None:
        is_alone = True  # in the next turn, too, after calls outside of the loop
        while is_alone and not task.done():
            loop.stop()
            is_alone = self._run_until_stopped(loop, task)
        if task.done():
            return
        task.add_done_callback(self._stop)
        if limit is not None:
            limit.start(self._owner, loop.stop)
        while not task.done() and not (limit is not None and limit.is_left):  # The application can stop the loop, too.
            self._run_until_stopped(loop, task)

    def _made_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            close_forgotten()
            self._loop = self.new_loop()
        return self._loop

    def _run_until_stopped(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> bool:
        """Run `loop` with a main task that outlasts the calls. Return whether it was stopped for calls outside of it.

        anyio's worker threads end with the loop's main task: a new one for each call of a sync endpoint would need more
        time than the rest of a small call. asyncio documents that a loop which is stopped earlier is a RuntimeError.
        """
        if self._root is None or self._root.done():  # The application can cancel it, too.
            self._root = loop.create_task(_rest(), name=LOOP_TASK)
            keep(self._root)
        try:
            loop.run_until_complete(self._root)
        except RuntimeError:
            # Else the loop did not run. The task of most calls has ended, which is the cheapest to ask.
            if not task.done() and (loop.is_running() or loop.is_closed() or running_loop() is not None):
                raise
        return self.outside.run_all()

    def _stop(self, task: asyncio.Task[Any]) -> None:
        if task is self._task:  # A loop that was stopped already may call this as late as in the next call.
            task.get_loop().stop()

    def _end(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        """End a call that was interrupted. If it does not end, leave its loop: the next call gets a new one."""
        self._owner.cancel()
        end = loop.time() + INTERRUPT_GRACE
        timer = loop.call_at(end, loop.stop)
        with suppress(RuntimeError):  # The loop may believe that it still runs.
            while not task.done() and loop.time() < end:
                with suppress(SystemExit):  # The call raises the first one.
                    loop.run_forever()
                    self.outside.run_all()
        timer.cancel()
        if task.done() and not loop.is_running():
            return
        logger.error("A call did not end within %g s of its interruption: its event loop is left.", INTERRUPT_GRACE)
        self._loop = self._root = None
        self.outside = OutsideCalls()
        with suppress(RuntimeError):
            loop.close()

    def interrupt(self, then: Callable[[], None]) -> bool:
        """Cancel the call of the current thread, and call `then` once it has ended. Return whether there is a call.

        This is for signal handlers. An exception there could hit asyncio between two of its steps, and lose one.
        """
        if self._thread != threading.get_ident():
            return False
        self._interruption = then
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._owner.cancel)
        return True

    def close(self, before: Callable[[], Coroutine[Any, Any, None]] | None = None, *, makes_loop: bool = False) -> None:
        """Refuse new calls, wait for a call of another thread, run `before()`, cancel what else runs, close the loop.

        `makes_loop`: run `before()` even if there is no loop yet. Idempotent. Raises what `before()` raised, after the
        loop was closed.
        """
        self._is_closed = True
        self._take_turn(self._close, before, makes_loop)

    def _close(self, before: Callable[[], Coroutine[Any, Any, None]] | None, makes_loop: bool) -> None:
        if self._loop is None and not makes_loop:
            return
        loop = self._made_loop()
        owner = TaskOwner()
        try:
            if before is not None:
                loop.run_until_complete(owner.create_task(loop, before()))
        finally:
            owner.forget()
            close_loop(loop)
            self._loop = self._root = None

    @property
    def is_running_here(self) -> bool:
        """True if the caller runs on this loop."""
        return self._loop is not None and running_loop() is self._loop

    @property
    def is_busy(self) -> bool:
        """True if a thread is in a call."""
        return self._turn.locked()


async def _rest() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
