"""Where something stands that takes too long: for the log, at 2 a.m."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

__all__ = ["describe_tasks", "describe_thread", "describe_threads"]

# What the frames of an object that can be awaited, and the next one that it waits for, are called.
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_NEXT = ("cr_await", "gi_yieldfrom", "ag_await")

# Where the threads of a pool wait for work.
_IDLE = ("concurrent/futures/thread.py", "anyio/_backends/_asyncio.py", "threading.py", "queue.py")


def describe_tasks(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """The stack of each task, outermost call first, and those of the threads that work."""
    parts = [f"Task {task.get_name()}:\n{_format(_frames(task.get_coro()))}" for task in tasks if not task.done()]
    return "".join(parts) + describe_threads()


def _frames(awaited: Any) -> Iterator[tuple[FrameType, int]]:
    """Down the chain of what waits for what; asyncio itself only tells the first of them."""
    while awaited is not None:
        frame = _first(awaited, _FRAMES)
        if frame is not None:
            yield frame, frame.f_lineno
        awaited = _first(awaited, _NEXT)


def _first(value: Any, names: Iterable[str]) -> Any:
    return next((found for name in names if (found := getattr(value, name, None)) is not None), None)


def describe_threads() -> str:
    """The stacks of the other threads that are at work, as the sync endpoints of a framework are."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    me = threading.get_ident()
    frames = [(ident, frame) for ident, frame in sys._current_frames().items() if ident != me]
    return "".join(
        f"Thread {names.get(ident, ident)}:\n{_format(traceback.walk_stack(frame), outwards=True)}"
        for ident, frame in frames
        if ident in names and not _is_idle(frame)
    )


def describe_thread(ident: int) -> str:
    """The stack of one thread."""
    frame = sys._current_frames().get(ident)
    return "" if frame is None else _format(traceback.walk_stack(frame), outwards=True)


def _is_idle(frame: FrameType) -> bool:
    current: FrameType | None = frame
    while current is not None:
        if not current.f_code.co_filename.replace("\\", "/").endswith(_IDLE):
            return False
        current = current.f_back
    return True


def _format(frames: Iterable[tuple[FrameType, int]], *, outwards: bool = False) -> str:
    lines = traceback.StackSummary.extract(iter(frames)).format()
    return "".join(reversed(lines) if outwards else lines)
