"""The tasks that an invocation has started: Lambda freezes the process when the last of its work seems done."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

__all__ = ["collect_tasks", "is_left", "names", "started_tasks"]

# What libraries start with their first use, and what runs to the end of the process: nobody's unfinished work. Waiting
# for it would hold the first invocation of every environment to its deadline.
_ENDLESS = frozenset(
    {
        "pymongo.periodic_executor.AsyncPeriodicExecutor._run",
        "sse_starlette.sse._shutdown_watcher",
    }
)

# The tasks of the current invocation that have not ended; None outside of any, as for those that startup has left.
started_tasks: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("bridge started tasks", default=None)


def collect_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Have every task that is made on `loop` noted in `started_tasks` of the invocation that makes it.

    A task factory sees the context of its caller. Asking all tasks for theirs takes Python 3.12, and time.
    """
    make: Callable[..., Any] = loop.get_task_factory() or _make_task

    def make_and_note(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> Any:
        task = make(loop, coro, **options)
        tasks = started_tasks.get()
        if tasks is not None:
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    loop.set_task_factory(make_and_note)  # type: ignore[arg-type]  # options are newer than typeshed's protocol


def _make_task(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coro, loop=loop, **options)


def is_left(task: asyncio.Task[Any]) -> bool:
    """Whether a task that an invocation has started is work that is still to be done."""
    # One with that name is ours, and the work waits for it.
    return not task.done() and task.get_name() != "bridge application" and _full_name(task) not in _ENDLESS


def _full_name(task: asyncio.Task[Any]) -> str:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return "" if frame is None else f"{frame.f_globals.get('__name__')}.{_function(task)}"


def names(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """Tasks for a log line: their names and what they run."""
    return ", ".join(sorted(f"{task.get_name()} ({_function(task)})" for task in tasks))


def _function(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    return getattr(coroutine, "__qualname__", None) or type(coroutine).__name__
