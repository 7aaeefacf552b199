"""Tasks that run beside others, each of which has an owner that waits for it, and waits with a limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["Tasks", "is_set_within"]

logger = logging.getLogger("bridge")


class Tasks:
    """Tasks from `start` to their end, or to `close`, which waits for all. A failure is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"bridge {name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            logger.error("The gateway itself failed in %r.", task.get_name(), exc_info=exc)

    async def close(self) -> None:
        """Cancel the tasks that still run, and wait for them."""
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for so many seconds at most. Return whether it is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
