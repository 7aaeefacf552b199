"""The place that an application runs in: the thread of the handler's caller, or one of its own (see `threads`).

All steps of one exchange run in the same thread and in one context, as applications expect of a server.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from bridge._outside import OutsideCalls

__all__ = ["CallersThread", "Place"]

T = TypeVar("T")


class Place(Protocol):
    """Where the steps of one exchange run: in `context`. `is_concurrent`: other threads may run other exchanges."""

    is_concurrent: bool
    context: Context

    async def run(self, step: Callable[[], T]) -> T:
        """Run one step and return its result. Raises what it raises."""

    def leave(self) -> None:
        """Say that the exchange is over."""


class CallersThread:
    """The thread that has called the handler. Its event loop is stopped while a step runs."""

    is_concurrent = False

    def __init__(self, calls: OutsideCalls) -> None:
        self._calls = calls
        self.context = copy_context()

    async def run(self, step: Callable[[], T]) -> T:
        return await self._calls.call(partial(self.context.run, step))

    def leave(self) -> None:
        """Do nothing: the thread is the caller's."""
