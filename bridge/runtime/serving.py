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

from bridge.environment import is_sigterm_free
from bridge.runtime.leftovers import collect_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from bridge.runtime.blocking import BlockingSlot
    from bridge.runtime.slot import Slot

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
    stopping = asyncio.Event()
    with _sigterm_on(loop, stopping.set):
        tasks = [loop.create_task(slot.run(), name="bridge slot") for slot in slots]
        stop = loop.create_task(stopping.wait(), name="bridge stop")
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            await _drain(slots, tasks)
        finally:
            for task in (*tasks, stop):
                task.cancel()
            outcomes = await asyncio.gather(*tasks, stop, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome


async def _drain(slots: Sequence[Slot], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Take nothing more, and give those that answer what time there is."""
    if any(task.done() for task in tasks):  # which has failed: there is nothing to post to any more
        return
    for slot, task in zip(slots, tasks, strict=True):
        slot.stop()
        if slot.is_idle:
            task.cancel()
    _, busy = await asyncio.wait(tasks, timeout=SHUTDOWN_GRACE)
    if busy:
        logger.warning("SIGTERM: %d invocations had no answer within %g s: cancelled.", len(busy), SHUTDOWN_GRACE)


@contextmanager
def _sigterm_on(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM call `callback` on the loop, unless the application has a handler of its own for it."""
    if threading.current_thread() is not threading.main_thread() or not is_sigterm_free():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, callback)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


class Stopped(Exception):
    """Raised where the main thread waits for the next invocation, once SIGTERM has come."""


class Waker:
    """Wakes a thread that waits for a socket, once SIGTERM has come or a thread has ended.

    A signal that comes just before a wait would not end it: so the interpreter writes to a socket that is waited for.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Take SIGTERM, unless the application has a handler of its own for it."""
        if not is_sigterm_free():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._stop)
        fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            signal.signal(signal.SIGTERM, before)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self.is_stopping = True

    def wake(self) -> None:
        """From any thread."""
        with suppress(BlockingIOError):
            self._writer.send(b"\0")

    def block(self, sock: socket.socket | None, want: int) -> None:
        """Wait for `sock`, or without one for `wake`. Raises Stopped."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if sock is not None:
            poll.register(sock, want)
        while not self.is_stopping:
            ready = poll.poll()
            if any(fd == self._reader.fileno() for fd, _ in ready):
                self._reader.recv(4096)
            if len(ready) > 1 or sock is None or ready[0][0] == sock.fileno():
                return
        raise Stopped

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def serve_alone(slot: BlockingSlot, waker: Waker) -> None:
    """Run one slot in this thread, the main one, until SIGTERM. A function that runs then goes on to its end."""
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
    if failures:
        raise failures[0]
    end = time.monotonic() + SHUTDOWN_GRACE
    for slot, thread in zip(slots, threads, strict=True):
        if not slot.is_idle:
            thread.join(max(0.0, end - time.monotonic()))
