"""The event loop for concurrent invocations: `run_in_executor` passes the context of its caller on.

`asyncio.to_thread` and anyio do that themselves.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["new_loop"]


class _ContextExecutor(ThreadPoolExecutor):
    """Threads that run each function in the context in which it was submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(copy_context().run, fn, *args, **kwargs)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop. The application may give it another executor."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_ContextExecutor(thread_name_prefix="asyncio"))
    return loop
