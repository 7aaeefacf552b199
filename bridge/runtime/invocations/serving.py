"""The slots of one process, until SIGTERM or the end of the Runtime API: on an event loop, or in threads."""

from __future__ import annotations

import asyncio
import logging
import select
import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bridge.errors import RuntimeApiGone, RuntimeApiRefused
from bridge.runtime.invocations.leftovers import collect_tasks
from bridge.signals import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.runtime.invocations.blocking import BlockingSlot
    from bridge.runtime.invocations.slots import Slot

__all__ = ["Waker", "serve", "serve_alone", "serve_in_threads"]

logger = logging.getLogger("bridge")

# How long invocations that are going on may go on after SIGTERM, in seconds. With internal extensions alone Lambda
# kills the process 500 ms after it (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html), and
# the application's shutdown needs some of them.
SHUTDOWN_GRACE = 0.3


async def serve(slots: Sequence[Slot]) -> None:
    """Run slots on this event loop until SIGTERM. Raises what ends a slot: RuntimeApiGone, RuntimeApiRefused."""
    loop = asyncio.get_running_loop()
    collect_tasks(loop)
    _keep_threads()
    stopping = asyncio.Event()
    with _sigterm_on(loop, stopping):
        tasks = [loop.create_task(slot.run(), name="bridge slot") for slot in slots]
        stop = loop.create_task(stopping.wait(), name="bridge stop")
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            failures = [_failure(task) for task in tasks if task.done()]
            if not any(isinstance(failure, RuntimeApiGone) for failure in failures):  # else there is nobody to answer
                await _drain(slots, tasks, "A slot has failed" if failures else "SIGTERM")
        finally:
            for task in (*tasks, stop):
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)
        failures = failures or [_failure(task) for task in tasks if not task.cancelled()]
        for failure in failures:
            if failure is not None:
                raise failure


def _keep_threads() -> None:
    """Have anyio's worker threads outlast the invocation that was the first to need them.

    They end with the task that anyio takes for the event loop's main one, and else with any: a new thread for every
    call of a sync endpoint takes longer than all the rest of a small invocation. It looks for a callback of
    `run_until_complete` or of uvloop's, and that does not run here.
    """
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(_is_main)


def _is_main(task: asyncio.Task[object]) -> None:
    """Does nothing: it is there to be seen."""


_is_main.__module__ = "uvloop.loop"


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    """What has ended a slot; None if it was stopped."""
    if task.cancelled():
        return RuntimeError("A slot was cancelled, by whoever cancels all tasks of this event loop: the process ends.")
    return task.exception()


async def _drain(slots: Sequence[Slot], tasks: Sequence[asyncio.Task[None]], why: str) -> None:
    """Take nothing more, and give those that answer what time there is."""
    for slot, task in zip(slots, tasks, strict=True):
        slot.stop()
        if slot.is_waiting:
            task.cancel()
    _, busy = await asyncio.wait(tasks, timeout=SHUTDOWN_GRACE)
    _warn_of(len(busy), why)


@contextmanager
def _sigterm_on(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> Iterator[None]:
    """Have SIGTERM set `stopping` on the loop, unless the application has a handler of its own for it."""
    if not sigterm.is_free():
        yield
        return
    with _blocked(signal.SIGTERM):
        sigterm.take(lambda: loop.call_soon_threadsafe(stopping.set))
        handler = signal.getsignal(signal.SIGTERM)
        # The loop's own handler is replaced immediately: what counts is the loop's wake-up, which comes with it.
        loop.add_signal_handler(signal.SIGTERM, _nothing)
        signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        with _blocked(signal.SIGTERM):
            loop.remove_signal_handler(signal.SIGTERM)
            sigterm.release(ignore=stopping.is_set())


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """Have a signal wait while its handlers are exchanged."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _nothing() -> None:
    """Do nothing."""


class Stopped(Exception):
    """Raised where the main thread waits for the next invocation, once SIGTERM has come."""


class Waker:
    """Wakes a thread that waits for a socket, once SIGTERM has come or a thread has ended.

    A signal that comes just before a wait would not end it: so the interpreter writes to a socket that is waited for.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.when_stopping: Callable[[], None] | None = None
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Take SIGTERM, unless the application has a handler of its own for it."""
        if not sigterm.take(self._stop):
            yield
            return
        fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            sigterm.release(ignore=self.is_stopping)
            signal.set_wakeup_fd(fd)

    def _stop(self) -> None:
        self.is_stopping = True
        self.wake()  # should the application have taken the interpreter's own wake-up for itself
        if self.when_stopping is not None:
            self.when_stopping()

    def wake(self) -> None:
        """From any thread, also once this is closed."""
        with suppress(OSError):
            self._writer.send(b"\0")

    def block(self, sock: socket.socket | None, want: int) -> None:
        """Wait for `sock`, or without one for `wake`. Raises Stopped, if `sock` is not ready then."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if sock is not None:
            poll.register(sock, want)
        while True:
            ready = {fd for fd, _ in poll.poll(0 if self.is_stopping else None)}
            if self._reader.fileno() in ready:
                self._reader.recv(4096)
            if self.is_stopping and (sock is None or sock.fileno() not in ready):
                raise Stopped
            if sock is None or sock.fileno() in ready:
                return

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def serve_alone(slot: BlockingSlot, waker: Waker) -> None:
    """Run one slot in this thread, the main one, until SIGTERM. A function that runs then goes on to its end."""
    waker.when_stopping = slot.stop
    with waker.on_sigterm(), suppress(Stopped):
        slot.run()


def serve_in_threads(slots: Sequence[BlockingSlot], waker: Waker) -> None:
    """Run each slot in a thread of its own, until SIGTERM. Raises what ends one of them."""
    failures: list[BaseException] = []

    def run(slot: BlockingSlot) -> None:
        try:
            slot.run()
        except BaseException as exc:  # SystemExit too: in a thread it would end that thread alone
            failures.append(exc)
        finally:
            waker.wake()

    threads = [threading.Thread(target=run, args=(slot,), name="bridge slot", daemon=True) for slot in slots]
    with waker.on_sigterm():
        for thread in threads:
            thread.start()
        with suppress(Stopped):
            while not failures:
                waker.block(None, 0)
    for slot in slots:
        slot.stop()
    if not failures or isinstance(failures[0], RuntimeApiRefused):  # else there is nobody to answer, or to wait
        _join(slots, threads, "A slot has failed" if failures else "SIGTERM")
    if failures:
        raise failures[0]


def _join(slots: Sequence[BlockingSlot], threads: Sequence[threading.Thread], why: str) -> None:
    """What `_drain` is for tasks; but nothing can cancel a thread, and it ends with the process."""
    busy = [thread for slot, thread in zip(slots, threads, strict=True) if not slot.is_waiting]
    end = time.monotonic() + SHUTDOWN_GRACE
    for thread in busy:
        thread.join(max(0.0, end - time.monotonic()))
    _warn_of(sum(thread.is_alive() for thread in busy), why)


def _warn_of(busy: int, why: str) -> None:
    if busy:
        logger.warning("%s: %d invocations had no answer within %g s: cancelled.", why, busy, SHUTDOWN_GRACE)
