"""Where something stands that takes too long: for the log, at 2 a.m."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import traceback
from contextvars import Context
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from bridge.invocation import request_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

__all__ = ["describe_tasks", "describe_thread", "describe_threads"]

# What the frames of an object that can be awaited, and the next one that it waits for, are called.
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_NEXT = ("cr_await", "gi_yieldfrom", "ag_await")

_SUSPENDED = (AsyncGeneratorType, CoroutineType, GeneratorType)

# What stands between two of those and does not say what it waits for: `async for`, anext(), an __await__ of one's own.
_BETWEEN = frozenset({"anext_awaitable", "async_generator_asend", "async_generator_athrow", "coroutine_wrapper"})

_ANYIO, _FUTURES = "anyio/_backends/_asyncio.py", "concurrent/futures/thread.py"

# Where the threads of a pool wait for work, and where our own thread waits.
_IDLE = (_ANYIO, _FUTURES, "threading.py", "queue.py", "bridge/runtime/invocations/watchdog.py")


def describe_tasks(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """The stack of each task, outermost call first, and those of the threads that work for the current invocation."""
    parts = [f"Task {task.get_name()}:\n{_format(_frames(task.get_coro()))}" for task in tasks if not task.done()]
    return "".join(parts) + describe_threads()


def _frames(awaited: Any) -> Iterator[tuple[FrameType, int]]:
    """Down the chain of what waits for what; asyncio itself only tells the first of them."""
    while awaited is not None:
        frame = _first(awaited, _FRAMES)
        if frame is not None:
            yield frame, frame.f_lineno
        awaited = _awaited_by(awaited)


def _awaited_by(awaited: Any) -> Any:
    found = _first(awaited, _NEXT)
    if found is None and type(awaited).__name__ in _BETWEEN:  # the garbage collector knows it
        return next((value for value in gc.get_referents(awaited) if _leads_on(value)), None)
    return found


def _leads_on(value: object) -> bool:
    return isinstance(value, _SUSPENDED) or type(value).__name__ in _BETWEEN


def _first(value: Any, names: Iterable[str]) -> Any:
    return next((found for name in names if (found := getattr(value, name, None)) is not None), None)


def describe_threads() -> str:
    """The stacks of the other threads that are at work, as the sync endpoints of a framework are.

    Without those that are known to work for another invocation.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    me = threading.get_ident()
    frames = [(ident, frame) for ident, frame in sys._current_frames().items() if ident != me]
    return "".join(
        f"Thread {names.get(ident, ident)}:\n{_format(traceback.walk_stack(frame), outwards=True)}"
        for ident, frame in frames
        if ident in names and not _is_idle(frame) and not _is_for_another(frame)
    )


def describe_thread(ident: int) -> str:
    """The stack of one thread."""
    frame = sys._current_frames().get(ident)
    return "" if frame is None else _format(traceback.walk_stack(frame), outwards=True)


def _is_idle(frame: FrameType) -> bool:
    return all(_file(each).endswith(_IDLE) for each, _ in traceback.walk_stack(frame))


def _is_for_another(frame: FrameType) -> bool:
    """Whoever hands work to a pool's thread hands it a context to run in."""
    contexts = [_context_in(each) for each, _ in traceback.walk_stack(frame)]
    return any(context is not None and context.get(request_id, "") != request_id.get() for context in contexts)


def _context_in(frame: FrameType) -> Context | None:
    file = _file(frame)
    if file.endswith(_ANYIO):
        found = frame.f_locals.get("context")
    elif file.endswith(_FUTURES) and frame.f_code.co_name == "run":  # of what asyncio.to_thread has made
        call = _first(frame.f_locals.get("self"), ("fn", "task"))
        call = call[0] if isinstance(call, tuple) else call
        found = getattr(call.func, "__self__", None) if isinstance(call, partial) else None
    else:
        return None
    return found if isinstance(found, Context) else None


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename.replace("\\", "/")


def _format(frames: Iterable[tuple[FrameType, int]], *, outwards: bool = False) -> str:
    lines = traceback.StackSummary.extract(iter(frames)).format()
    return "".join(reversed(lines) if outwards else lines)
