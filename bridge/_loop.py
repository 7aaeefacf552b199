"""The handler's own event loop: driven by whichever thread calls, shared by all of them.

Lambda calls a handler from one thread, one call at a time, and freezes the process in between: the loop needs no
thread of its own. So the calling thread drives it, until its own call is done. A thread that calls meanwhile hands
its coroutine to that loop, and takes over the driving if the other thread is done first.
"""

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from bridge.errors import LoopClosedError, RunningLoopError

__all__ = ["OwnLoop"]

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """The default selector, which can leave out one look at the sockets.

    When a call starts, its own task is ready to run and nothing waits for a socket yet: to ask the kernel first costs
    a tenth of what a small invocation takes. Only that first look is left out, so no socket is ever kept waiting.
    """

    skip_next = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.skip_next and timeout == 0:
            self.skip_next = False
            return []
        return super().select(timeout)


class OwnLoop:
    """An asyncio event loop that any thread can run coroutines on, several at a time. Made on first use."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._selector: _Selector | None = None
        self._closed = False
        # Held by the thread that drives the loop. The others wait, counted, for their result or for their turn; so does
        # the thread that closes the loop, for all of them.
        self._driving = threading.Lock()
        self._waiting = threading.Condition()
        self._waiters = 0
        self._followers = 0

    def check_callable(self) -> None:
        """Raises RunningLoopError inside a running event loop, LoopClosedError after close()."""
        if self._closed:
            raise LoopClosedError()
        if asyncio._get_running_loop() is not None:
            raise RunningLoopError()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` to its end and return its result, or raise what it raised. See `check_callable`."""
        loop = self._loop or self._make_loop()
        if not self._driving.acquire(blocking=False):
            return self._follow(loop, coroutine)
        if self._selector is not None:
            self._selector.skip_next = True
        try:
            return _drive(loop, coroutine)
        finally:
            self._leave()

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

    def _follow(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
        """Hand `coroutine` to the loop that another thread drives, and drive it on if that thread leaves first."""
        with self._waiting:
            self._waiters += 1
            self._followers += 1
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
            try:
                future.add_done_callback(self._wake)
                while not future.done() and not self._driving.acquire(blocking=False):
                    self._waiting.wait()
            except BaseException:  # a KeyboardInterrupt: nobody waits for the result any more
                future.cancel()
                raise
            finally:
                self._waiters -= 1
                self._followers -= 1
                self._waiting.notify_all()
        if future.done():
            return future.result()
        try:
            return _drive(loop, _result(future))
        finally:
            self._leave()

    def _wake(self, _: object) -> None:
        with self._waiting:
            self._waiting.notify_all()

    def _leave(self) -> None:
        """Whoever starts to wait after this look at the count finds the lock free."""
        self._driving.release()
        if self._waiters:
            self._wake(None)

    def close(self) -> None:
        """Wait for the calls of other threads, cancel what else still runs, and close the loop. Idempotent."""
        self._closed = True
        with self._waiting:
            self._waiters += 1
            while self._followers or not self._driving.acquire(blocking=False):
                self._waiting.wait()
            self._waiters -= 1
        loop, self._loop = self._loop, None
        try:
            if loop is not None:
                _close_loop(loop)
        finally:
            self._leave()

    @property
    def is_running_here(self) -> bool:
        """Whether the caller runs on this loop."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    @property
    def is_driven(self) -> bool:
        """Whether a thread is running something on the loop."""
        return self._driving.locked()


async def _result(future: "Future[T]") -> T:
    return await asyncio.wrap_future(future)


def _drive(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """`loop.run_until_complete`, one turn of the loop shorter: the task itself stops the loop in its last step."""

    task = loop.create_task(_then_stop(loop, coroutine))
    try:
        while not task.done():  # until somebody else's loop.stop() was not it
            loop.run_forever()
    except BaseException:
        # KeyboardInterrupt, or a SystemExit in some other task: this call is over, and its task must not stay behind.
        task.cancel()
        while not task.done():
            loop.run_forever()
        if not task.cancelled():
            task.exception()  # Retrieved, so that nothing reports it once more.
        raise
    return task.result()


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
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
