"""Threads for exchanges that go on concurrently. Most functions answer one invocation at a time and need none."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from bridge._outside import outcome_of, result_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge._outside import Outcome

__all__ = ["OwnThread", "Threads"]

T = TypeVar("T")


class Threads:
    """Threads for concurrent exchanges: each has one for itself, and leaves it to a later one.

    There are never more than there were concurrent exchanges, so each slot of a runtime has one.
    """

    def __init__(self) -> None:
        self._idle: list[_Thread] = []

    def borrow(self) -> OwnThread:
        """Return the place of one exchange."""
        while self._idle:
            thread = self._idle.pop()
            if thread.is_alive():  # not that of a process that was forked since
                return OwnThread(thread, self._idle)
        return OwnThread(_Thread(), self._idle)

    def close(self) -> None:
        """End the threads that are idle."""
        while self._idle:
            self._idle.pop().end()


class OwnThread:
    """A thread that only one exchange uses. `idle`: the list that gets it afterwards.

    A step that its caller does not wait for any more, because that was cancelled, cannot be interrupted. The thread
    ends after it.
    """

    is_concurrent = True

    def __init__(self, thread: _Thread, idle: list[_Thread]) -> None:
        self._thread, self._idle = thread, idle
        self.context = copy_context()
        self._is_abandoned = False

    async def run(self, step: Callable[[], T]) -> T:
        outcome: Future[Outcome[T]] = self._thread.submit(partial(self.context.run, step))
        if self._is_abandoned:
            raise asyncio.CancelledError
        try:
            return result_of(await asyncio.wrap_future(outcome))
        except asyncio.CancelledError:
            self._is_abandoned = not outcome.done()
            raise

    def leave(self) -> None:
        if self._is_abandoned:
            self._thread.end()
        else:
            self._idle.append(self._thread)


class _Thread(threading.Thread):
    """It runs steps, one after another. The end of the process does not wait for it."""

    def __init__(self) -> None:
        super().__init__(name="bridge WSGI application", daemon=True)
        self._steps: SimpleQueue[tuple[Callable[[], Any], Future[Outcome[Any]]] | None] = SimpleQueue()
        self.start()

    def submit(self, step: Callable[[], T]) -> Future[Outcome[T]]:
        """Run `step` after those before it."""
        outcome: Future[Outcome[T]] = Future()
        outcome.set_running_or_notify_cancel()
        self._steps.put((step, outcome))
        return outcome

    def end(self) -> None:
        """End after the steps that were submitted."""
        self._steps.put(None)

    def run(self) -> None:
        while item := self._steps.get():
            step, outcome = item
            outcome.set_result(outcome_of(step))
            del item, step, outcome  # or they would live as long as the thread waits
