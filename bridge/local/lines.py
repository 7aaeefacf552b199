"""The output of a process, as lines of text."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable, Sequence

__all__ = ["Lines", "ProcessOutput"]

# In characters: a longer line is shown in pieces.
MAX_LINE = 64 << 10


class Lines:
    """Lines from bytes that come in pieces. Bytes that are not UTF-8 become U+FFFD, and empty lines are left out."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    def feed(self, data: bytes, *, is_last: bool = False) -> list[str]:
        """Return the lines that `data` completes; all that is left with `is_last`."""
        text = self._pending + self._decoder.decode(data, is_last).replace("\r", "\n")
        *lines, rest = text.split("\n")
        if is_last or len(rest) > MAX_LINE:
            lines, rest = [*lines, rest], ""
        self._pending = rest
        return [piece for line in lines for piece in _pieces(line) if piece.strip()]


def _pieces(line: str) -> list[str]:
    return [line[start : start + MAX_LINE] for start in range(0, len(line), MAX_LINE)]


class ProcessOutput(asyncio.SubprocessProtocol):
    """`on_lines`: called with the lines of stdout and stderr as they come. `on_exit`: called when the process ends.

    `closed`: set when nothing has the pipes any more.
    """

    def __init__(self, on_lines: Callable[[Sequence[str]], None], on_exit: Callable[[ProcessOutput], None]) -> None:
        self._on_lines, self._on_exit = on_lines, on_exit
        self._streams = {1: Lines(), 2: Lines()}
        self.closed = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._tell(self._streams[fd].feed(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._tell(self._streams.pop(fd).feed(b"", is_last=True))
        if not self._streams:
            self.closed.set()

    def _tell(self, lines: Sequence[str]) -> None:
        if lines:
            self._on_lines(lines)

    def process_exited(self) -> None:
        self._on_exit(self)
