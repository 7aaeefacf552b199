"""Calls of synchronous code in the thread of an event loop, while that loop is stopped.

Synchronous frameworks do not run inside a running event loop: Django's database layer refuses to, and `asyncio.run()`
and asgiref's `async_to_sync` raise there. The thread must be the same, because SQLite's connections and other objects
belong to the thread that made them.

Code that waits for nothing else needs no event loop: it is run without one, and such a call is then an ordinary one.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OutsideCalls", "outcome_of", "outside_calls_here", "result_of"]

T = TypeVar("T")

if TYPE_CHECKING:
    # What a function returned, and what it raised. A future accepts no StopIteration as its exception, and an exit in a
    # future would be reported if it is never retrieved.
    Outcome = tuple[T | None, BaseException | None]


def outcome_of(function: Callable[[], T]) -> Outcome[T]:
    """Call `function`, and return its result, or what it raised."""
    try:
        return function(), None
    except BaseException as exc:
        return None, exc


def result_of(outcome: Outcome[T]) -> T:
    """Return the result, or raise what the function raised."""
    result, error = outcome
    try:
        if error is not None:
            raise error
        return cast("T", result)
    finally:
        del error, outcome  # the traceback of the error refers to this frame


# Those that are offered now, each with the identifier of its thread.
_offered: dict[int, OutsideCalls] = {}


def outside_calls_here() -> OutsideCalls | None:
    """Return the calls that are offered to the caller, on its event loop or without one; None if there are none."""
    calls = _offered.get(threading.get_ident())
    if calls is None:
        return None
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return calls if calls.is_of(None) else None
    return calls if calls.is_of(loop) else None


class OutsideCalls:
    """The calls that wait for a loop to stop. The one who runs the loop calls `run_all` whenever it has stopped."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: OutsideCalls | None = None

    def offer(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Let code on `loop`, which this thread runs, make such calls. None: code that is run without a loop."""
        thread = threading.get_ident()
        self._loop, self._before = loop, _offered.get(thread)  # code outside of one loop may run another one
        _offered[thread] = self

    def withdraw(self) -> None:
        """End that, in the same thread."""
        thread = threading.get_ident()
        if self._before is None:
            _offered.pop(thread, None)
        else:
            _offered[thread] = self._before
        self._loop = self._before = None

    def is_of(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Return whether they are offered on `loop`; None: without one."""
        return self._loop is loop

    async def call(self, function: Callable[[], T]) -> T:
        """Stop the loop, call `function`, and return its result when the loop goes on. Raises what it raises."""
        loop = self._loop
        if loop is None:
            return function()
        done: asyncio.Future[Outcome[T]] = loop.create_future()

        def run() -> None:
            if not done.done():  # cancelled
                done.set_result(outcome_of(function))

        self._calls.append(run)
        loop.stop()
        return result_of(await done)

    def run_all(self) -> bool:
        """Run the calls that wait. Return whether there were any."""
        if not self._calls:
            return False
        while self._calls:
            self._calls.popleft()()
        return True
