"""The slots of one process, until SIGTERM or the end of the Runtime API: on an event loop, or in threads."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bridge._loop import LOOP_TASK
from bridge.errors import RuntimeApiGone, RuntimeApiRefused
from bridge.runtime.invocations.background import collect_tasks
from bridge.runtime.invocations.waker import Stopped, Waker
from bridge.signals import hearing_signals

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence
    from weakref import WeakSet

    from bridge.runtime.invocations.blocking import BlockingSlot
    from bridge.runtime.invocations.slots import Slot

__all__ = ["serve", "serve_alone", "serve_in_threads"]

logger = logging.getLogger("bridge")

# How long current invocations may go on after SIGTERM, in seconds. With internal extensions alone Lambda kills the
# process 500 ms after it (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html), and the
# application's shutdown needs a part of that time.
SHUTDOWN_GRACE = 0.3

# The tasks of this package that last as long as the process: the application's lifespan, and that of its event loop.
LASTING_TASKS = frozenset({"bridge lifespan", LOOP_TASK})


async def serve(slots: Sequence[Slot]) -> None:
    """Run slots on this event loop until SIGTERM.

    Raises RuntimeApiGone and RuntimeApiRefused, which end a slot, and CancelledError if the application has cancelled
    tasks of the runtime.
    """
    loop = asyncio.get_running_loop()
    applications = collect_tasks(loop)
    with _waking(loop) as (waker, stopping):
        rest = _Rest(waker, applications) if len(slots) == 1 else None
        tasks = [loop.create_task(slot.run(rest), name="bridge slot") for slot in slots]
        stop_wait = stopping.wait() if waker.is_woken_by_signals else hearing_signals(stopping.wait)
        stop = loop.create_task(stop_wait, name="bridge stop")
        applications -= {asyncio.current_task(), *tasks, stop}
        applications -= {task for task in applications if task.get_name() in LASTING_TASKS}
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            failures = [_failure(task) for task in tasks if task.done()]
            if not any(isinstance(failure, RuntimeApiGone) for failure in failures):  # else no answer can be posted
                await _drain(slots, tasks, "A slot has failed" if failures else "SIGTERM")
        finally:
            for task in (*tasks, stop):
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)
        failures = failures or [_failure(task) for task in tasks if not task.cancelled()]
        for failure in failures:
            if failure is not None:
                raise failure


@contextmanager
def _waking(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[Waker, asyncio.Event]]:
    """Yield a waker that wakes `loop`, and the event that SIGTERM sets there."""
    waker, stopping = Waker(), asyncio.Event()

    def wake() -> None:
        waker.drain()
        if waker.is_stopping:
            stopping.set()

    loop.add_reader(waker.fileno(), wake)
    try:
        with waker.on_signals():
            yield waker, stopping
    finally:
        loop.remove_reader(waker.fileno())
        waker.close()


class _Rest:
    """The wait of the only slot of an event loop: without the loop, while no task of the application runs on it.

    A wait on the loop is three turns of it, and an invocation has two: together they cost 5% to 10% of a small
    invocation. Lambda freezes the process anyway while it waits for the next invocation.
    """

    def __init__(self, waker: Waker, applications: WeakSet[asyncio.Task[Any]]) -> None:
        self._waker = waker
        self._applications = applications

    def __call__(self, sock: socket.socket, want: int) -> bool:
        """Block until `sock` is ready. Return whether it is; if not, the loop has to wait for it."""
        return not self._applications and self._waker.rest(sock, want)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    """Return the exception that has ended a slot; None if it was stopped."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _drain(slots: Sequence[Slot], tasks: Sequence[asyncio.Task[None]], why: str) -> None:
    """Stop all slots, and give those that answer the remaining time."""
    for slot, task in zip(slots, tasks, strict=True):
        slot.stop()
        if slot.is_waiting:
            task.cancel()
    _, busy = await asyncio.wait(tasks, timeout=SHUTDOWN_GRACE)
    _warn_of(len(busy), why)


def serve_alone(slot: BlockingSlot, waker: Waker) -> None:
    """Run one slot in this thread, the main one, until SIGTERM. A function that runs then goes on to its end."""
    with waker.on_signals(slot.stop), suppress(Stopped):
        slot.run(waker.block)


def serve_in_threads(slots: Sequence[BlockingSlot], waker: Waker) -> None:
    """Run each slot in a thread of its own, until SIGTERM. Raises the exception that ends one of them."""
    failures: list[BaseException] = []

    def run(slot: BlockingSlot) -> None:
        try:
            slot.run()
        except BaseException as exc:  # SystemExit too: in a thread it would end that thread alone
            failures.append(exc)
        finally:
            waker.wake()

    threads = [threading.Thread(target=run, args=(slot,), name="bridge slot", daemon=True) for slot in slots]
    with waker.on_signals():
        for thread in threads:
            thread.start()
        with suppress(Stopped):
            while not failures:
                waker.block(None, 0)
    for slot in slots:
        slot.stop()
    if not failures or isinstance(failures[0], RuntimeApiRefused):  # else no answer can be posted, or is wanted
        _join(slots, threads, "A slot has failed" if failures else "SIGTERM")
    if failures:
        raise failures[0]


def _join(slots: Sequence[BlockingSlot], threads: Sequence[threading.Thread], why: str) -> None:
    """Wait for threads as `_drain` does for tasks. A thread cannot be cancelled, and ends with the process."""
    busy = [thread for slot, thread in zip(slots, threads, strict=True) if not slot.is_waiting]
    end = time.monotonic() + SHUTDOWN_GRACE
    for thread in busy:
        thread.join(max(0.0, end - time.monotonic()))
    _warn_of(sum(thread.is_alive() for thread in busy), why)


def _warn_of(busy: int, why: str) -> None:
    if busy:
        logger.warning("%s: %d invocations had no answer within %g s: cancelled.", why, busy, SHUTDOWN_GRACE)
