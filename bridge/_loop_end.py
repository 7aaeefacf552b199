"""The end of a handler's event loop, also of one whose handler was collected without a close()."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from contextlib import suppress

__all__ = ["close_forgotten", "close_loop", "forget_loop"]

logger = logging.getLogger("bridge")

# How long the tasks of a loop may clean up after their cancellation, in seconds. One that swallows it never ends.
END_GRACE = 5.0

# The loops of handlers that were collected without a close(), each with the process that made it. A collection may
# come at any point of any code, so they are closed later.
_forgotten: deque[tuple[int, asyncio.AbstractEventLoop]] = deque()


def forget_loop(pid: int, loop: asyncio.AbstractEventLoop) -> None:
    """Leave a loop, which the process `pid` made, to the next `close_forgotten`."""
    _forgotten.append((pid, loop))


def close_forgotten() -> None:
    """Close the loops of this process whose handlers were collected: their threads would outlast the main thread."""
    foreign = []
    while _forgotten:
        pid, loop = _forgotten.popleft()
        if pid != os.getpid():
            foreign.append((pid, loop))  # Kept: the parent of this fork shares the loop's file descriptors.
        elif not loop.is_closed():
            close_loop(loop)
    _forgotten.extend(foreign)


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel all tasks and close the loop, as asyncio.run() does."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            _, pending = loop.run_until_complete(asyncio.wait(tasks, timeout=END_GRACE))
            if pending:
                logger.error("%d task(s) did not end within %g s of their cancellation.", len(pending), END_GRACE)
        loop.run_until_complete(loop.shutdown_asyncgens())
        with suppress(RuntimeError):  # From Python 3.12 on no thread can be started at the interpreter's end.
            loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
