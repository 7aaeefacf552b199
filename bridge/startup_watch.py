"""The log lines about a startup that does not end: where it is, after a while, and before Lambda gives up."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.asgi.tasks import running_loop
from bridge.init_phase import init_limit
from bridge.settings import in_lambda

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FIRST", "LAST", "imported_at", "watched_startup"]

logger = logging.getLogger("bridge")

# When the first line comes, in seconds after the beginning of the startup; and the last one, in seconds before Lambda
# ends an init phase that is not over.
FIRST = 5.0
LAST = 1.0

# About the beginning of the init phase: the function's module imports this package, and our runtime even earlier.
imported_at = time.monotonic()


@contextmanager
def watched_startup() -> Iterator[None]:
    """Log the stacks of the event loop's tasks and of the threads while the block runs for long.

    A thread does that, because the startup may block the event loop.
    """
    over = threading.Event()
    loop = running_loop()
    thread = threading.Thread(target=_watch, args=(over, loop, _moments()), name="bridge startup watch", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread can be started: a startup works without it
        over.set()
    try:
        yield
    finally:
        if not over.is_set():
            over.set()
            thread.join()


def _moments() -> list[float]:
    """Return when to log, on the monotonic clock."""
    now = time.monotonic()
    if not in_lambda():
        return [now + FIRST]
    last = imported_at + init_limit() - LAST
    return [min(now + FIRST, last), last] if now < last else [now + FIRST]


def _watch(over: threading.Event, loop: asyncio.AbstractEventLoop | None, moments: list[float]) -> None:
    start = time.monotonic()
    for moment in dict.fromkeys(moments):
        if over.wait(max(0.0, moment - time.monotonic())):
            return
        _log(time.monotonic() - start, loop)


def _log(seconds: float, loop: asyncio.AbstractEventLoop | None) -> None:
    from bridge.stacks import describe_tasks

    tasks = [] if loop is None else sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    what = "The application's startup has not ended after %.0f s. The stacks:\n%s"
    logger.warning(what, seconds, describe_tasks(tasks))
