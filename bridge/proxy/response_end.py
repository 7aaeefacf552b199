"""The head and the end of a response, found by a count of its bytes in front of httpcore's parser. No I/O.

A web server may send more than its response announced. httpcore's parser keeps such bytes, and would read them as the
beginning of the next response on the connection. So a connection is used again only if this count, too, says that
exactly one whole response was received: two parsers must agree. httpcore gets one head, in the form that both read.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge._http import BODILESS

__all__ = ["MAX_HEAD", "MAX_LINE", "ResponseEnd"]

# The most bytes before a body, informational heads included: httpcore's limit for one head.
MAX_HEAD = 100 * 1024

# The longest size of a chunk with its extensions, and the longest trailer, in bytes: less than httpcore's limit.
MAX_LINE = 32 * 1024

# RFC 9112, 2.2: a line may end with LF alone.
_BLANK_LINE = re.compile(rb"\n\r?\n")

# RFC 9112, 5.1: blanks between a name and its colon must be removed from a response.
_BLANKS_BEFORE_COLON = re.compile(rb"^([^\s:]+)[ \t]+:", re.MULTILINE)

_PROTOCOL = b"HTTP/"
_INFORMATIONAL = re.compile(rb"HTTP/1\.[0-9] 1[0-9][0-9]\b")

_LENGTH = re.compile(rb"[0-9]{1,20}")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,20}")


class ResponseEnd:
    """A parser that gets every byte of a connection from the beginning of a response on.

    `has_body`: False for the response to a HEAD request. `has_head`: the head was received. `is_whole`: the end of the
    response was received. `has_surplus`: bytes after the end were received too.
    """

    __slots__ = (
        "_has_body", "_head_size", "_held", "_is_chunked", "_left", "_step", "has_head", "has_surplus", "is_whole"
    )  # fmt: skip

    def __init__(self, *, has_body: bool = True) -> None:
        self.has_head = self.is_whole = self.has_surplus = self._is_chunked = False
        self._has_body = has_body
        self._held = bytearray()  # the beginning of a head or line
        self._head_size = 0  # of informational heads, in bytes
        self._left = 0  # of a body or chunk, in bytes
        # A plain function, because a bound method would refer to this object in a circle.
        self._step: Callable[[ResponseEnd, bytes, int], int] = ResponseEnd._rest

    @property
    def is_exact(self) -> bool:
        """True if exactly one whole response was received. False if the response was not understood."""
        return self.is_whole and not self.has_surplus

    def feed(self, data: bytes) -> bytes:
        """Count `data`, and return what httpcore's parser gets of it: everything, but the head only once it is whole.

        Raises ValueError, whose text names a fault.
        """
        head = b""
        if not self.has_head:
            head, data = self._take_head(data)
        position = 0
        while position < len(data):
            position = self._step(self, data, position)
        return head + data

    def _take_head(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the head and what follows it, once all of it is here. Skip informational heads: Lambda has none."""
        start = max(0, len(self._held) - 2)
        self._held += data
        while end := _BLANK_LINE.search(self._held, start):
            self._check_head(end.end())
            head = bytes(self._held[: end.end()])
            del self._held[: end.end()]
            start = 0
            if not _INFORMATIONAL.match(head):
                rest = bytes(self._held)
                self._held.clear()
                self.has_head = True
                head = _BLANKS_BEFORE_COLON.sub(rb"\1:", head)
                self._begin_body(*head.rstrip(b"\r\n").split(b"\n"))
                return head, rest
            self._head_size += len(head)
            if head[9:12] == b"101":
                raise ValueError("the status 101, but no request asks to switch protocols")
        self._check_head(len(self._held))
        return b"", b""

    def _check_head(self, size: int) -> None:
        """Check a head of which `size` bytes are here."""
        if not self._held.startswith(_PROTOCOL[:size]):
            raise ValueError(f"no status line of HTTP/1.1: it begins with {bytes(self._held[:40])!r}")
        if self._head_size + size > MAX_HEAD:
            raise ValueError(f"a head of more than {MAX_HEAD} bytes")

    # Each step reads some of `data` from `position` on, and returns how far it came.

    def _begin_body(self, status_line: bytes, *lines: bytes) -> None:
        """Apply RFC 9112, 6.3."""
        status = status_line[9:12]
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        lengths = {value for name, value in fields if name == b"content-length"}
        if not self._has_body or (status.isdigit() and int(status) in BODILESS):
            self._end()
        elif any(name == b"transfer-encoding" for name, _ in fields):
            self._is_chunked = True
            self._step = ResponseEnd._chunk_size
        elif len(lengths) == 1 and _LENGTH.fullmatch(length := lengths.pop()):
            self._left = int(length)
            self._step = ResponseEnd._counted
            if not self._left:
                self._end()
        else:
            self._step = ResponseEnd._rest  # the close of the connection ends it

    def _counted(self, data: bytes, position: int) -> int:
        """Read a body or a chunk, whose length is known."""
        size = min(self._left, len(data) - position)
        self._left -= size
        if not self._left:
            if self._is_chunked:
                self._step = ResponseEnd._chunk_size
            else:
                self._end()
        return position + size

    def _chunk_size(self, data: bytes, position: int) -> int:
        line, position = self._line(data, position)
        if line is None:
            return position
        size = line.partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(size):
            self._step = ResponseEnd._rest
        elif int(size, 16):
            self._left = int(size, 16) + len(b"\r\n")
            self._step = ResponseEnd._counted
        else:
            self._step = ResponseEnd._trailer
        return position

    def _trailer(self, data: bytes, position: int) -> int:
        line, position = self._line(data, position)
        if line is not None and not line.strip():
            self._end()
        return position

    def _line(self, data: bytes, position: int) -> tuple[bytes | None, int]:
        """Return the next line, if all of it is there, and the position of its end."""
        end = data.find(b"\n", position)
        self._held += data[position : len(data) if end < 0 else end]
        if len(self._held) > MAX_LINE:  # however the network cuts it
            raise ValueError(f"a line of more than {MAX_LINE} bytes between its chunks or after them")
        if end < 0:
            return None, len(data)
        line = bytes(self._held)
        self._held.clear()
        return line, end + 1

    def _end(self) -> None:
        self.is_whole = True
        self._step = ResponseEnd._rest

    def _rest(self, data: bytes, position: int) -> int:
        """Read what follows the response, or a response whose end is unknown."""
        self.has_surplus = self.is_whole
        return len(data)
