"""The handler's own event loop: driven by whichever thread calls, shared by all of them.

Lambda calls a handler from one thread, one call at a time, and freezes the process in between: the loop needs no
thread of its own. So the calling thread drives it, until its own call is done. A thread that calls meanwhile hands
its coroutine to that loop, and takes over the driving if the other thread is done first.
"""

import asyncio
import logging
import select
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from bridge.asgi.tasks import in_async_code
from bridge.errors import LoopClosedError, RunningLoopError

__all__ = ["OwnLoop", "rest"]

logger = logging.getLogger("bridge")

# How long a call may clean up once Ctrl-C or another thread's SystemExit has ended it, in seconds. An exception that
# hits asyncio between two of its steps can lose one, and a call that waits for it would never end.
INTERRUPT_GRACE = 5.0

T = TypeVar("T")

_MAIN_THREAD = threading.main_thread().ident


class _Selector(selectors.DefaultSelector):
    """The default selector, which can leave out a look at the sockets.

    When a call starts, its own task is ready to run, and mostly nothing waits for a socket: to ask the kernel first
    costs a tenth of what a small invocation takes. So that nothing is kept waiting, a look is left out only while no
    socket is registered but the loop's own wake-up pipe, and only MAX_SKIPS times in a row.
    """

    MAX_SKIPS = 32

    skip_next = False
    _skipped = 0
    _registered = 0

    def register(self, *args: Any, **kwargs: Any) -> selectors.SelectorKey:
        key = super().register(*args, **kwargs)
        self._registered += 1
        return key

    def unregister(self, *args: Any, **kwargs: Any) -> selectors.SelectorKey:
        key = super().unregister(*args, **kwargs)
        self._registered -= 1
        return key

    @property
    def is_used(self) -> bool:
        """Whether a socket is registered besides the loop's own."""
        return self._registered > 1

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.skip_next and timeout == 0 and not self.is_used and self._skipped < self.MAX_SKIPS:
            self.skip_next = False
            self._skipped += 1
            return []
        self._skipped = 0
        return super().select(timeout)


class OwnLoop:
    """An asyncio event loop that any thread can run coroutines on, several at a time. Made on first use."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._selector: _Selector | None = None
        self._closed = False
        # The thread that drives the loop, under "driver". The others wait, counted, for their result or for their turn;
        # so does the thread that closes the loop, for all of them. It is a dict and no lock because setdefault() takes
        # it and says who has it in one step: a thread that Ctrl-C stopped lock in hand would wait for itself.
        self._slot: dict[str, int] = {}
        self._waiting = threading.Condition()
        self._waiters = 0
        self._followers = 0
        self._task: asyncio.Task[Any] | None = None
        self._main_follows = False
        self._interruption: Callable[[], None] | None = None

    def check_callable(self) -> None:
        """Raises RunningLoopError inside a running event loop, LoopClosedError after close()."""
        if self._closed:
            raise LoopClosedError()
        if asyncio._get_running_loop() is not None or ("trio" in sys.modules and in_async_code()):
            raise RunningLoopError()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` to its end and return its result, or raise what it raised. See `check_callable`."""
        if self._closed:
            coroutine.close()
            raise LoopClosedError()
        loop = self._loop or self._make_loop()
        me = threading.get_ident()
        if self._slot.setdefault("driver", me) != me:
            try:
                return self._follow(loop, coroutine, me)
            finally:
                self._end_if_interrupted()
        try:
            return self._drive(loop, coroutine)
        finally:
            self._leave()

    def interrupt(self, then: Callable[[], None]) -> bool:
        """For a signal handler: if the main thread is in a call, end that, and call `then` behind it. Whether it was.

        To raise in the signal handler could hit asyncio between two of its own steps, and lose one for ever; or this
        class between taking its lock and knowing it. So the call is cancelled if it runs already, and else completed.
        """
        if not self._main_follows and self._slot.get("driver") != _MAIN_THREAD:
            return False
        self._interruption = then
        if self._loop is not None and self._task is not None and self.is_running_here:
            self._loop.call_soon_threadsafe(self._task.cancel)
        return True

    def _drive(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
        """`loop.run_until_complete`, one turn of the loop shorter: the task itself stops the loop in its last step."""
        if self._selector is not None:
            self._selector.skip_next = True
        task: asyncio.Task[T] = loop.create_task(_then_stop(loop, coroutine))
        self._task = task
        try:
            while not task.done():  # until somebody else's loop.stop() was not it
                loop.run_forever()
        except BaseException:
            # Ctrl-C, or a SystemExit in some other task: this call is over, and its task must not stay behind.
            self._abandon(loop, task)
            if task.done():
                coroutine.close()  # a task that was cancelled before its first step has not even looked at it
            raise
        finally:
            self._task = None
        return task.result()

    def _abandon(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        """End an interrupted call, and replace its loop if the interruption broke that."""
        task.cancel()
        end = loop.time() + INTERRUPT_GRACE
        with suppress(RuntimeError):  # the loop may believe for ever that it runs
            while not task.done() and loop.time() < end:
                timer = loop.call_at(end, loop.stop)
                with suppress(SystemExit):  # of another call, whose thread raises it itself
                    loop.run_forever()
                timer.cancel()
        if not task.done() or loop.is_running():
            logger.error("A call did not end within %g s of its interruption: its event loop is left.", INTERRUPT_GRACE)
            self._loop = None
            asyncio._set_running_loop(None)
        elif not task.cancelled():
            task.exception()  # Retrieved, so that nothing reports it once more.

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        with self._waiting:
            self._loop = self._loop or self._new_loop()
            return self._loop

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the process would get anyway, with our selector if it takes one."""
        loop = asyncio.new_event_loop()
        if type(loop) is not asyncio.SelectorEventLoop:  # uvloop, or Windows' proactor
            return loop
        loop.close()
        self._selector = _Selector()
        return asyncio.SelectorEventLoop(self._selector)

    def _follow(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], me: int) -> T:
        """Hand `coroutine` to the loop that another thread drives, and drive it on if that thread leaves first."""
        with self._waiting:
            self._waiters += 1
            self._followers += 1
            self._main_follows = self._main_follows or me == _MAIN_THREAD
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
            try:
                future.add_done_callback(self._wake)
                while self._slot.setdefault("driver", me) != me:
                    if future.done():
                        return future.result()
                    self._waiting.wait()
            except BaseException:  # a KeyboardInterrupt: nobody waits for the result any more
                future.cancel()
                raise
            finally:
                self._waiters -= 1
                self._followers -= 1
                self._main_follows = self._main_follows and me != _MAIN_THREAD
                self._waiting.notify_all()
        try:
            return future.result() if future.done() else self._drive(loop, _result(future))
        finally:
            self._leave()

    def _wake(self, _: object = None) -> None:
        with self._waiting:
            self._waiting.notify_all()

    def _leave(self) -> None:
        """Whoever starts to wait after this look at the count finds the place free."""
        self._slot.pop("driver", None)
        if self._waiters:
            self._wake()
        if self._interruption is not None:
            self._end_if_interrupted()

    def _end_if_interrupted(self) -> None:
        if self._interruption is not None and not self._main_follows and threading.get_ident() == _MAIN_THREAD:
            then, self._interruption = self._interruption, None
            then()

    def close(self, before: Callable[[], Coroutine[Any, Any, None]] | None = None, *, makes_loop: bool = False) -> None:
        """Refuse new calls, wait for those of other threads, run `before()`, cancel what else runs, close the loop.

        `makes_loop`: run `before()` even if there is no loop yet. Idempotent.

        Raises what `before()` raised, with the loop closed all the same.
        """
        me = threading.get_ident()
        with self._waiting:
            self._closed = True
            self._waiters += 1
            try:
                while self._followers or self._slot.setdefault("driver", me) != me:
                    self._waiting.wait()
            finally:
                self._waiters -= 1
        try:
            if makes_loop:
                self._loop = self._loop or self._new_loop()
            self._close(before)
        finally:
            self._leave()

    def _close(self, before: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            if before is not None:
                self._drive(loop, before())
        finally:
            self._loop = None
            _close_loop(loop)

    @property
    def is_running_here(self) -> bool:
        """Whether the caller runs on this loop."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    @property
    def is_driven(self) -> bool:
        """Whether a thread is running something on the loop."""
        return "driver" in self._slot


def rest(sock: socket.socket, want: int) -> bool:
    """Block the thread until `sock` is ready, in the place of its event loop, which has nothing else to do.

    `want`: select.POLLIN or POLLOUT. Whether `sock` is ready; if not, the loop has something to do and must run: it
    had from the start, a signal came, or another thread called. A wait on the loop takes three turns of it, and a small
    invocation is waited for three times.
    """
    loop: Any = asyncio.get_running_loop()
    selector = getattr(loop, "_selector", None)
    # Private, but the same since Python 3.4. Other loops are never in this state.
    if not isinstance(selector, _Selector) or selector.is_used or loop._ready or _has_timers(loop):
        return False
    fd = sock.fileno()
    poll = select.poll()
    poll.register(sock, want)
    poll.register(loop._ssock, select.POLLIN)
    return any(ready == fd for ready, _ in poll.poll())


def _has_timers(loop: Any) -> bool:
    return bool(len(loop._scheduled) > loop._timer_cancelled_count)


async def _result(future: "Future[T]") -> T:
    return await asyncio.wrap_future(future)


async def _then_stop(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        return await coroutine
    finally:
        loop.stop()


def _close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """As asyncio.run() closes its loop: nothing that runs on it is left behind."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        with suppress(RuntimeError):  # Python 3.12 starts no thread any more once it shuts down
            loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
