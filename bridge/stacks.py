"""The stacks of tasks and threads, for the log of an invocation that takes too long."""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from bridge._text import one_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

__all__ = ["describe_tasks", "describe_thread", "describe_threads"]


# How many tasks are described: the event loop is blocked meanwhile, and the answer is still to be posted.
MAX_TASKS = 20


def describe_tasks(tasks: Sequence[asyncio.Task[Any]]) -> str:
    """Return the stacks of tasks that have not ended, outermost call first, and those of the other threads."""
    going_on = [task for task in tasks if not task.done()]
    parts = [f"Task {one_line(task.get_name())}:\n{_format(_frames(task.get_coro()))}" for task in going_on[:MAX_TASKS]]
    if len(going_on) > MAX_TASKS:
        parts.append(f"and {len(going_on) - MAX_TASKS} more tasks\n")
    return "".join(parts) + describe_threads()


def _frames(awaited: Any) -> Iterator[tuple[FrameType, int]]:
    """Follow the chain of awaited coroutines and generators, as `inspect` documents it. A task has only the first."""
    while awaited is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(awaited, f"{kind}_frame")), None)
        frame = getattr(awaited, f"{kind}_frame", None)
        if frame is not None:
            yield frame, frame.f_lineno
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)


def describe_threads() -> str:
    """Return the stacks of the other threads, such as those that run a framework's sync endpoints."""
    others = [each for each in threading.enumerate() if each is not threading.current_thread()]
    return "".join(f"Thread {one_line(each.name)}:\n{describe_thread(each.ident)}" for each in others)


def describe_thread(ident: int | None) -> str:
    """Return the stack of one thread, outermost call first; "" if it has ended."""
    frame = sys._current_frames().get(ident or 0)
    return "" if frame is None else _format(reversed(list(traceback.walk_stack(frame))))


def _format(frames: Iterable[tuple[FrameType, int]]) -> str:
    return "".join(traceback.StackSummary.extract(iter(frames)).format())
