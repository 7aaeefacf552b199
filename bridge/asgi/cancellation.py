"""Who cancelled a task: the one who waits for it, or the application that runs in it.

asyncio counts the requests to cancel a task (`Task.cancelling`), and does not say who made them. An application may
cancel its own task, itself or by a timer or a task of its own. That is its failure. It must not leave a handler as a
cancellation: awslambdaric does not expect one, and its process would end.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

__all__ = ["TaskOwner", "is_asked_to_cancel", "is_late", "takes_own_cancellation", "without_owner"]


class TaskOwner:
    """The one who waits for a task that runs an application, and alone may cancel it.

    `cancelled`: whether it has. `is_late`: it has, because the invocation's time is over. `caller`: a task that awaits
    the owned one; what cancels that cancels both.
    """

    __slots__ = ("_caller", "_earlier", "cancelled", "is_late", "task")

    def __init__(self, caller: asyncio.Task[Any] | None = None) -> None:
        self.cancelled = self.is_late = False
        self.task: asyncio.Task[Any] | None = None
        self._caller = caller
        self._earlier = 0 if caller is None else caller.cancelling()

    def create_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """Make the task. `forget` must be called at its end."""
        token = _owner.set(self)  # for the context of the task, a copy of this one
        try:
            self.task = task = loop.create_task(coroutine, **options)
        finally:
            _owner.reset(token)
        return task

    def cancel(self) -> None:
        """Cancel the task."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()

    def forget(self, task: asyncio.Task[Any] | None = None) -> None:
        """Give up the task, whose context refers to this object: only a collection would find the two."""
        self.task = self._caller = None

    @property
    def has_asked(self) -> bool:
        """True if the task is cancelled from outside."""
        return self.cancelled or (self._caller is not None and self._caller.cancelling() > self._earlier)


# The owner of the task that this context was made for, or of one that started the current task.
_owner: ContextVar[TaskOwner | None] = ContextVar("bridge task owner", default=None)


@contextmanager
def without_owner() -> Iterator[None]:
    """Count every cancellation of the current task as one from outside: its caller's code runs inside the block."""
    owner = _owner.get()
    _owner.set(None)
    try:
        yield
    finally:
        _owner.set(owner)


def is_asked_to_cancel() -> bool:
    """Return whether the caller's asyncio task is cancelled from outside.

    In a task that has no owner every request counts as one from outside. Without an event loop there is no task.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    owner = _owner.get()
    if owner is not None and owner.task is task is not None:
        return owner.has_asked
    return task is None or task.cancelling() > 0


def is_late() -> bool:
    """Return whether the caller's task was cancelled because the time of its invocation is over."""
    owner = _owner.get()
    return owner is not None and owner.is_late


async def takes_own_cancellation() -> bool:
    """Take a cancellation that is not from outside and did not arrive yet. Return whether there was one.

    An application that cancels its own task and returns leaves it to the next await, or to the end of the task.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:  # on trio, where a task cannot be cancelled, but a scope
        return False
    if task is None or task.cancelling() == 0 or is_asked_to_cancel():
        return False
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return True
    finally:
        while task.uncancel():
            pass
    return False
