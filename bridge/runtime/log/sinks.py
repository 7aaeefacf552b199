"""The destinations of the log: the standard output, or a descriptor of Lambda's for frames.

A frame is its type (4 bytes), the length of the message (4), the time in microseconds since the epoch (8), all
big-endian, and the message, which may have any number of lines.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.runtime.log.formats import UNTYPED
from bridge.runtime.log.text import printable

if TYPE_CHECKING:
    from threading import RLock

__all__ = ["LogSink", "StandardSink", "TelemetrySink"]

_STDERR = 2


class LogSink:
    """A destination for whole messages, from any thread and from signal handlers. No method raises."""

    # Separates the lines of one message.
    line_end = "\n"

    def log(self, message: str, frame_type: bytes | None = None) -> None:
        """Write one message. One that cannot be written goes to stderr, with the reason."""
        try:
            self._write(message, frame_type or UNTYPED)
        except Exception as exc:
            _write_to_stderr(f"The log could not be written ({exc!r}): {message}\n")

    def log_lines(self, lines: list[str], frame_type: bytes) -> None:
        """Write one message of several lines."""
        self.log(self.line_end.join(lines), frame_type)

    def close(self) -> None:
        """Close what the sink owns. Idempotent."""

    def _write(self, message: str, frame_type: bytes) -> None:
        raise NotImplementedError


class StandardSink(LogSink):
    """A sink that writes to the current `sys.stdout`, which the application may replace.

    Lambda reads every line as a message.
    """

    line_end = "\r"

    def __init__(self, lock: RLock) -> None:
        self._lock = lock

    def _write(self, message: str, frame_type: bytes) -> None:
        text = printable(message if message.endswith("\n") else message + "\n")
        stream = sys.stdout
        with self._lock:
            stream.write(text)
            if hasattr(stream, "flush"):  # an object of the application's may only have `write`
                stream.flush()


class TelemetrySink(LogSink):
    """A sink that writes frames. It owns the descriptor.

    While a frame is written in parts, a signal may be handled whose handler logs too: its frame has to wait until the
    first one is whole.
    """

    def __init__(self, fd: int, lock: RLock) -> None:
        self._fd = fd
        self._lock = lock
        self._frames: deque[bytes] = deque()
        self._is_writing = False
        self._pid = os.getpid()

    def _write(self, message: str, frame_type: bytes) -> None:
        data = printable(message).encode("utf-8")
        head = frame_type + len(data).to_bytes(4, "big") + (time.time_ns() // 1000).to_bytes(8, "big")
        with self._lock:
            self._forget_parent()
            self._frames.append(head + data)
            if self._is_writing:
                return
            while self._frames:  # a signal handler may have added one after the last
                self._is_writing = True
                try:
                    self._write_frames()
                finally:
                    self._is_writing = False

    def _forget_parent(self) -> None:
        """Drop the frames that a thread of the parent was writing when this child was forked."""
        pid = os.getpid()
        if pid != self._pid:
            self._pid, self._is_writing = pid, False
            self._frames.clear()

    def _write_frames(self) -> None:
        frames = self._frames
        while frames:
            try:
                written = os.write(self._fd, frames[0])
            except BlockingIOError:
                self._wait()
                continue
            except OSError:
                frames.clear()  # they cannot be written either
                raise
            if written < len(frames[0]):
                frames[0] = frames[0][written:]
            else:
                frames.popleft()

    def _wait(self) -> None:
        """Wait until the descriptor, which does not block by itself, can be written to."""
        import select

        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.poll()

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _write_to_stderr(text: str) -> None:
    """Write to the descriptor, because `sys.stderr` may be the cause of the failure."""
    with suppress(OSError):
        os.write(_STDERR, printable(text).encode("utf-8"))
