"""HTTP/1.1 as the Runtime API speaks it: requests to bytes, bytes to replies. No I/O.

RFC 9112. An invocation takes two exchanges, whose parsing alone would take as long as all of the rest if it were done
by a general parser; tests hold this one against h11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["MAX_HEAD", "BrokenReply", "Pairs", "Reply", "chunk", "last_chunk", "read_reply", "request_head"]

Pairs = list[tuple[bytes, bytes]]

# In bytes. The headers of an invocation carry the client context, of 3,583 bytes at most, and the trace.
MAX_HEAD = 65536

# Of the line in front of a chunk, in bytes: a length, and extensions that nobody sends.
MAX_CHUNK_LINE = 1024

_HEX_DIGITS = b"0123456789abcdefABCDEF"


class BrokenReply(Exception):
    """Raised for what is no reply in HTTP/1.1, or ends too early."""


class Reply(NamedTuple):
    """What the API said. `headers`: lower-case names. `keeps_alive`: the connection can take another request."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    keeps_alive: bool = True


def request_head(method: bytes, target: bytes, headers: Pairs) -> bytes:
    """The head of a request. Raises ValueError for what would not stay inside its line."""
    lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % pair for pair in headers)]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers) or target.count(b" "):
        raise ValueError(f"A request to the Runtime API has a line break or a blank in it: {head!r:.200}")
    return head + b"\r\n\r\n"


def chunk(data: bytes) -> tuple[bytes, bytes, bytes]:
    """A chunk of a body that goes out in parts, without a copy of `data`, which must not be empty."""
    return b"%x\r\n" % len(data), data, b"\r\n"


def last_chunk(trailers: Pairs) -> bytes:
    """The end of a body in chunks. Raises ValueError for a trailer that would not stay inside its line."""
    lines = b"".join([b"%s: %s\r\n" % pair for pair in trailers])
    if lines.count(b"\n") != len(trailers) or lines.count(b"\r") != len(trailers):
        raise ValueError(f"A trailer has a line break in it: {lines!r:.200}")
    return b"0\r\n%s\r\n" % lines


def read_reply() -> Generator[None, bytes, Reply]:
    """A reader: it yields when it wants more, is sent what came, and returns the reply. b"" is the end of the data.

    Raises BrokenReply.
    """
    status = 100
    headers: dict[bytes, bytes] = {}
    buffer = b""
    while 100 <= status < 200:  # what goes before a reply is none
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            if len(buffer) > MAX_HEAD:
                raise BrokenReply(f"the head of a reply is over {MAX_HEAD} bytes")
            buffer += yield from _more()
        status, headers = _parse_head(buffer[:end])
        buffer = buffer[end + 4 :]
    encoding = headers.get(b"transfer-encoding")
    if encoding is not None:
        if encoding.lower() != b"chunked":
            raise BrokenReply(f"a reply has the transfer coding {encoding!r:.100}")
        body = yield from _read_chunks(buffer)
    else:
        body = yield from _read_length(buffer, headers.get(b"content-length"))
    keeps_alive = b"close" not in headers.get(b"connection", b"").lower()
    return Reply(status, headers, body, keeps_alive)


def _more() -> Generator[None, bytes, bytes]:
    data = yield
    if not data:
        raise BrokenReply("it closed the connection in the middle of a reply")
    return data


def _parse_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    version, status, *_ = *first.split(b" ", 2), b""
    if version != b"HTTP/1.1" or len(status) != 3 or not status.isdigit():
        raise BrokenReply(f"a reply begins with {first!r:.100}")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[-1:].isspace() or name[:1].isspace():
            raise BrokenReply(f"a reply has the header {line!r:.100}")
        headers[name.lower()] = value.strip(b" \t")
    return int(status), headers


def _read_length(buffer: bytes, announced: bytes | None) -> Generator[None, bytes, bytes]:
    if announced is None or not announced.isdigit():
        raise BrokenReply(f"a reply has no length: content-length is {announced!r:.100}")
    missing = int(announced) - len(buffer)
    if missing == 0:
        return buffer
    parts = [buffer]
    while missing > 0:
        parts.append((yield from _more()))
        missing -= len(parts[-1])
    if missing:
        raise BrokenReply(f"a reply is {-missing} bytes longer than it says")
    return b"".join(parts)


def _read_chunks(data: bytes) -> Generator[None, bytes, bytes]:
    buffer, parts = bytearray(data), []
    while True:
        line = yield from _read_line(buffer)
        digits = line.partition(b";")[0].strip(b" \t")
        if not digits or digits.translate(None, _HEX_DIGITS):
            raise BrokenReply(f"a chunk of a reply begins with {line!r:.100}")
        size = int(digits, 16)
        if size == 0:
            break
        while len(buffer) < size + 2:
            buffer += yield from _more()
        if buffer[size : size + 2] != b"\r\n":
            raise BrokenReply("a chunk of a reply is longer than it says")
        parts.append(bytes(buffer[:size]))
        del buffer[: size + 2]
    while (yield from _read_line(buffer)):  # trailers, which mean nothing here
        pass
    if buffer:
        raise BrokenReply(f"a reply is {len(buffer)} bytes longer than it says")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_line(buffer: bytearray) -> Generator[None, bytes, bytes]:
    while (end := buffer.find(b"\r\n")) < 0:
        if len(buffer) > MAX_CHUNK_LINE:
            raise BrokenReply(f"a line between the chunks of a reply is over {MAX_CHUNK_LINE} bytes")
        buffer += yield from _more()
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line
