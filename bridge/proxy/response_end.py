"""The end of a response, found by a count of its bytes beside httpcore's parser. No I/O.

A web server may send more than its response announced. httpcore's parser keeps such bytes, and would read them as the
beginning of the next response on the connection. So a connection is used again only if this count, too, says that
exactly one whole response was received: two parsers must agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge._http import BODILESS

__all__ = ["ResponseEnd"]

# RFC 9112, 2.2: a line may end with LF alone.
_BLANK_LINE = re.compile(rb"\n\r?\n")

_LENGTH = re.compile(rb"[0-9]{1,20}")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,20}")


class ResponseEnd:
    """A parser that gets every byte of a connection from the beginning of a response on.

    `has_body`: False for the response to a HEAD request. `is_whole`: the end of the response was received.
    `has_surplus`: bytes after the end were received too.
    """

    __slots__ = ("_has_body", "_held", "_left", "_step", "has_surplus", "is_whole")

    def __init__(self, *, has_body: bool = True) -> None:
        self.is_whole = self.has_surplus = False
        self._has_body = has_body
        self._held = bytearray()  # the beginning of a head or line
        self._left = 0  # of a body or chunk, in bytes
        # A plain function, because a bound method would refer to this object in a circle.
        self._step: Callable[[ResponseEnd, bytes, int], int] = ResponseEnd._head

    @property
    def is_exact(self) -> bool:
        """True if exactly one whole response was received. False if the response was not understood."""
        return self.is_whole and not self.has_surplus

    def feed(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            position = self._step(self, data, position)

    # Each step reads some of `data` from `position` on, and returns how far it came.

    def _head(self, data: bytes, position: int) -> int:
        held = len(self._held)
        self._held += data[position:]
        end = _BLANK_LINE.search(self._held, max(0, held - 2))
        if end is None:
            return len(data)
        head = bytes(self._held[: end.start()])
        self._held.clear()
        self._begin_body(*head.split(b"\n"))
        return position + end.end() - held

    def _begin_body(self, status_line: bytes, *lines: bytes) -> None:
        """Apply RFC 9112, 6.3."""
        status = status_line[9:12]
        if status[:1] == b"1" and status != b"101":
            return  # informational: the next head follows
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        lengths = {value for name, value in fields if name == b"content-length"}
        if not self._has_body or (status.isdigit() and int(status) in BODILESS):
            self._end()
        elif any(name == b"transfer-encoding" for name, _ in fields):
            self._step = ResponseEnd._chunk_size
        elif len(lengths) == 1 and _LENGTH.fullmatch(length := lengths.pop()):
            self._left = int(length)
            self._step = ResponseEnd._body
            if not self._left:
                self._end()
        else:
            self._step = ResponseEnd._unknown  # the close of the connection ends it

    def _body(self, data: bytes, position: int) -> int:
        size = min(self._left, len(data) - position)
        self._left -= size
        if not self._left:
            self._end()
        return position + size

    def _chunk_size(self, data: bytes, position: int) -> int:
        line, position = self._line(data, position)
        if line is None:
            return position
        size = line.partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(size):
            self._step = ResponseEnd._unknown
        elif int(size, 16):
            self._left = int(size, 16) + len(b"\r\n")
            self._step = ResponseEnd._chunk
        else:
            self._step = ResponseEnd._trailer
        return position

    def _chunk(self, data: bytes, position: int) -> int:
        size = min(self._left, len(data) - position)
        self._left -= size
        if not self._left:
            self._step = ResponseEnd._chunk_size
        return position + size

    def _trailer(self, data: bytes, position: int) -> int:
        line, position = self._line(data, position)
        if line is not None and not line.strip():
            self._end()
        return position

    def _line(self, data: bytes, position: int) -> tuple[bytes | None, int]:
        """Return the next line, if all of it is there, and the position of its end."""
        end = data.find(b"\n", position)
        if end < 0:
            self._held += data[position:]
            return None, len(data)
        line = bytes(self._held) + data[position:end]
        self._held.clear()
        return line, end + 1

    def _end(self) -> None:
        self.is_whole = True
        self._step = ResponseEnd._surplus

    def _surplus(self, data: bytes, position: int) -> int:
        self.has_surplus = True
        return len(data)

    def _unknown(self, data: bytes, position: int) -> int:
        return len(data)
