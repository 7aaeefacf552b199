"""The other end of the telemetry descriptor: a pipe, and the frames in what comes out of it."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Frame", "Pipe", "parse_frames"]

# Type and message.
Frame = tuple[bytes, str]

_HEAD = 16


def parse_frames(data: bytes) -> list[Frame]:
    """Return every frame of `data`. AssertionError if something is left over, or is not a frame."""
    frames: list[Frame] = []
    while data:
        assert data[:3] == b"\xa5\x5a\x00", f"expected a frame, but got {data[:_HEAD]!r}"
        end = _HEAD + int.from_bytes(data[4:8], "big")
        assert len(data) >= end, f"{len(data)} bytes of a frame of {end}"
        frames.append((data[:4], data[_HEAD:end].decode("utf-8")))
        data = data[end:]
    return frames


class Pipe:
    """`writer` is for the one that is tested, and for that one to close."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self._is_open = True

    def read_to_end(self) -> bytes:
        """Return all that was written until the writer was closed."""
        parts: list[bytes] = []
        while part := os.read(self.reader, 65536):
            parts.append(part)
        return b"".join(parts)

    @contextmanager
    def reading(self) -> Iterator[Callable[[], bytes]]:
        """Read in a thread meanwhile. What it gives tells afterwards what came; the writer has to be closed inside."""
        read: list[bytes] = []
        thread = threading.Thread(target=lambda: read.append(self.read_to_end()), daemon=True)
        thread.start()
        yield lambda: read[0]
        thread.join()

    def close_reader(self) -> None:
        """Idempotent."""
        if self._is_open:
            self._is_open = False
            os.close(self.reader)
