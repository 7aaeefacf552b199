"""The main thread's wait for a socket, on an event loop or without one, which SIGTERM ends."""

from __future__ import annotations

import select
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bridge.signals import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Stopped", "Waker"]


class Stopped(Exception):
    """Raised in the main thread's wait for the next invocation after SIGTERM."""


class Waker:
    """A wake-up for a thread that waits for a socket, after SIGTERM or after the end of a thread.

    A signal that comes just before a wait does not end it by itself, because Python calls its handler later. So the
    interpreter also writes to a socket that is waited for (`signal.set_wakeup_fd`).
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.when_stopping: Callable[[], None] | None = None
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let every signal end a wait, and take SIGTERM, unless the application has a handler of its own for it.

        In any thread except the main one this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        fd = self._write_signals_to(self._writer.fileno())
        is_taken = sigterm.take(self._stop)
        try:
            yield
        finally:
            if is_taken:
                sigterm.release(ignore=self.is_stopping)
            self._write_signals_to(fd)

    def _write_signals_to(self, fd: int) -> int:
        """Set the wake-up descriptor and return the former one. That of an event loop with signal handlers stays."""
        before = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        if before not in (-1, self._writer.fileno()):
            signal.set_wakeup_fd(before)
        return before

    def _stop(self) -> None:
        self.is_stopping = True
        self.wake()  # in case the application has replaced the interpreter's own wake-up
        if self.when_stopping is not None:
            self.when_stopping()

    def wake(self) -> None:
        """End a wait, from any thread. Does nothing once this is closed."""
        with suppress(OSError):
            self._writer.send(b"\0")

    def drain(self) -> None:
        """Forget all wake-ups so far."""
        with suppress(BlockingIOError):
            self._reader.recv(4096)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with a wake-up, for an event loop."""
        return self._reader.fileno()

    def rest(self, sock: socket.socket, want: int) -> bool:
        """Block the thread of an event loop until `sock` is ready. Return whether it is.

        It is not ready after a wake-up. If the application handles SIGTERM, this does not wait, because that handler
        may need the event loop.
        """
        if not sigterm.is_taken():
            return False
        poll = select.poll()
        poll.register(sock, want)
        poll.register(self._reader, select.POLLIN)
        fd = sock.fileno()
        return any(ready == fd for ready, _ in poll.poll())

    def block(self, sock: socket.socket | None, want: int) -> None:
        """Wait for `sock`, or without one for `wake`. Raises Stopped, if `sock` is not ready then."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if sock is not None:
            poll.register(sock, want)
        while True:
            ready = {fd for fd, _ in poll.poll(0 if self.is_stopping else None)}
            if self._reader.fileno() in ready:
                self.drain()
            if self.is_stopping and (sock is None or sock.fileno() not in ready):
                raise Stopped
            if sock is None or sock.fileno() in ready:
                return

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
