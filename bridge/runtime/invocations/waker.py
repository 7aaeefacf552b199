"""The main thread's wait for a socket, on an event loop or without one, which SIGTERM ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bridge.errors import Terminated
from bridge.runtime.api.connection import SIGNAL_CHECK_INTERVAL
from bridge.signals import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Stopped", "Waker", "succeeds"]


def succeeds(step: Callable[[], object], report: Callable[[BaseException], object]) -> bool:
    """Run a step before the first invocation, and `report` its failure. Return whether it succeeded.

    SystemExit is a failure, too: without a report, Lambda would not tell why the environment has ended. It is none
    where the application handles SIGTERM itself. That, KeyboardInterrupt and Terminated pass through.
    """
    waker = Waker()
    try:
        with waker.hearing_signals():
            step()
    except (KeyboardInterrupt, Terminated):
        raise
    except BaseException as exc:
        if sigterm.is_cause_of(exc):
            raise
        report(exc)
        return False
    finally:
        waker.close()
    return True


class Stopped(Exception):
    """Raised in the main thread's wait for the next invocation after SIGTERM."""


class Waker:
    """A wake-up for a thread that waits for a socket, after SIGTERM or after the end of a thread.

    A signal that comes just before a wait does not end it by itself, because Python calls its handler later. So the
    interpreter also writes to a socket that is waited for (`signal.set_wakeup_fd`).
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self._when_stopping: Callable[[], None] | None = None
        self._is_on_signals = False
        self.is_woken_by_signals = True  # and no descriptor of the application's is, in place of this
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @contextmanager
    def on_signals(self, when_stopping: Callable[[], None] | None = None) -> Iterator[None]:
        """Let every signal end a wait, and take SIGTERM, unless the application has a handler of its own for it.

        `when_stopping` is called after SIGTERM. In any thread except the main one this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with self.hearing_signals():
            self._when_stopping = when_stopping
            is_taken = sigterm.take(self._stop)
            self._is_on_signals = True
            try:
                yield
            finally:
                self._is_on_signals = False
                if is_taken:
                    sigterm.release(ignore=self.is_stopping)
                elif not self.is_woken_by_signals:
                    sigterm.has_come = True  # for all that is known here: the application's descriptor got the byte

    @contextmanager
    def hearing_signals(self) -> Iterator[None]:
        """Get a byte for every signal, also for one that the application handles itself, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        fd = self._write_signals_to(self._writer.fileno())
        self.is_woken_by_signals = fd == -1
        sigterm.listen(True)
        try:
            yield
        finally:
            sigterm.listen(False)
            self.drain()
            self._write_signals_to(fd)

    def _write_signals_to(self, fd: int) -> int:
        """Set the wake-up descriptor and return the former one. That of an event loop with signal handlers stays."""
        ours = self._writer.fileno()
        before = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        if before not in (-1, ours):
            signal.set_wakeup_fd(before)
            self._pass_on(before)
        elif fd != ours:
            signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        return before

    def _pass_on(self, fd: int) -> None:
        """Give the event loop at `fd` the signals that came while its descriptor was replaced."""
        with suppress(OSError):
            came = self._reader.recv(4096)
            os.write(fd, came.replace(b"\0", b""))
            if b"\0" in came:
                self.wake()

    def _stop(self) -> None:
        self.is_stopping = True
        self.wake()  # in case the application has replaced the interpreter's own wake-up
        if self._when_stopping is not None:
            self._when_stopping()

    def wake(self) -> None:
        """End a wait, from any thread. Does nothing once this is closed."""
        with suppress(OSError):
            self._writer.send(b"\0")

    def drain(self) -> None:
        """Forget all wake-ups so far, except that SIGTERM has come."""
        with suppress(BlockingIOError):
            if signal.SIGTERM in self._reader.recv(4096):
                sigterm.has_come = True

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with a wake-up, for an event loop."""
        return self._reader.fileno()

    def rest(self, sock: socket.socket, want: int) -> bool:
        """Block the thread of an event loop until `sock` is ready. Return whether it is.

        It is not after a wake-up, so that the event loop runs after every signal. This does not wait once SIGTERM has
        come, and where signals wake the event loop itself, because it has signal handlers.
        """
        if not self._is_on_signals or self.is_stopping:
            return False
        ours = self._writer.fileno()
        return self._write_signals_to(ours) in (-1, ours) and self._poll(sock, want)

    def block(self, sock: socket.socket | None, want: int) -> None:
        """Wait for `sock`, or without one for `wake`. Raises Stopped, if `sock` is not ready then.

        Where signals wake something of the application's, this looks for them regularly.
        """
        ours = self._writer.fileno()
        is_woken = not self._is_on_signals or self._write_signals_to(ours) in (-1, ours)
        timeout = None if is_woken else SIGNAL_CHECK_INTERVAL
        while not self._poll(sock, want, 0 if self.is_stopping else timeout):
            if self.is_stopping:
                raise Stopped
            self.drain()
            if sock is None:
                return

    def _poll(self, sock: socket.socket | None, want: int, timeout: int | None = None) -> bool:
        """Wait for `sock` or a wake-up. Return whether it is `sock` that is ready."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if sock is None:
            poll.poll(timeout)
            return False
        poll.register(sock, want)
        return sock.fileno() in dict(poll.poll(timeout))

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
