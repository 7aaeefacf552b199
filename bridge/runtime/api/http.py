"""HTTP/1.1 for a client of the Runtime API: requests to bytes, bytes to replies. No I/O.

RFC 9112. An invocation needs two exchanges, and a general parser would need as much time for them as all of the rest
of an invocation (docs/design.md). Tests compare this one with h11.

The length of a reply's body (RFC 9112, 6.3): a 204 or 304 has no body. Else the chunks or Content-Length give the
length, or the body ends with the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["MAX_HEAD", "BrokenReply", "Pairs", "Reply", "chunk", "last_chunk", "read_reply", "request_head"]

Pairs = list[tuple[bytes, bytes]]

# In bytes. The headers of an invocation carry the client context, of 3,583 bytes at most, and the trace.
MAX_HEAD = 65536

# In bytes, of the line before a chunk: a length, and extensions, which have no meaning here.
MAX_CHUNK_LINE = 1024

# RFC 9110, 15.3.5 and 15.4.5. The others without a body are interim replies.
_WITHOUT_BODY = (204, 304)

_HEX_DIGITS = b"0123456789abcdefABCDEF"

# The digits of a length, without leading zeros: no reply has a petabyte, and int() raises for more than 4,300 digits.
_MAX_DIGITS = 15

# RFC 9110, 5.5: a recipient replaces these bytes in a header's value by spaces, or refuses the message.
_NOT_IN_VALUES = bytes.maketrans(b"\0\r\n", b"   ")


class BrokenReply(Exception):
    """Raised for bytes that are not a reply in HTTP/1.1, and for a reply that ends too early."""


class Reply(NamedTuple):
    """A reply of the API. `headers`: names in lower case, repeated values joined by commas.

    `keeps_alive`: the connection can be used for another request.
    """

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    keeps_alive: bool = True


def request_head(method: bytes, target: bytes, headers: Pairs) -> bytes:
    """Return the head of a request. Raises ValueError for a line break or a space that would change its lines."""
    lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % pair for pair in headers)]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers) or target.count(b" "):
        raise ValueError(f"A request to the Runtime API has a line break or a blank in it: {head!r:.200}")
    return head + b"\r\n\r\n"


def chunk(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a chunk of a body that goes out in parts, without a copy of `data`, which must not be empty."""
    return b"%x\r\n" % len(data), data, b"\r\n"


def last_chunk(trailers: Pairs) -> bytes:
    """Return the end of a body in chunks. Raises ValueError for a line break in a trailer."""
    lines = b"".join([b"%s: %s\r\n" % pair for pair in trailers])
    if lines.count(b"\n") != len(trailers) or lines.count(b"\r") != len(trailers):
        raise ValueError(f"A trailer has a line break in it: {lines!r:.200}")
    return b"0\r\n%s\r\n" % lines


def read_reply() -> Generator[None, bytes, Reply]:
    """Read a reply: a generator that yields for more data and returns the reply. b"" is the end of the connection.

    Raises BrokenReply.
    """
    status, minor = 100, b"1"
    headers: dict[bytes, bytes] = {}
    buffer = b""
    while 100 <= status < 200:  # an interim reply comes before the reply
        while (end := buffer.find(b"\r\n\r\n")) < 0 and len(buffer) < MAX_HEAD + 4:
            buffer += yield from _more()
        if not 0 <= end <= MAX_HEAD:  # however the network cuts it
            raise BrokenReply(f"the head of a reply is over {MAX_HEAD} bytes")
        minor, status, headers = _parse_head(buffer[:end])
        buffer = buffer[end + 4 :]
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if status in _WITHOUT_BODY:
        body = yield from _read_length(buffer, b"0")
    elif coding is not None:
        body = yield from _read_chunks(buffer, coding)
    elif length is not None:
        body = yield from _read_length(buffer, length)
    else:
        body = yield from _read_to_end(buffer)
    has_end = length is not None or coding is not None or status in _WITHOUT_BODY
    connection = headers.get(b"connection", b"").lower()
    keeps_alive = b"close" not in connection if minor != b"0" else b"keep-alive" in connection
    return Reply(status, headers, body, has_end and keeps_alive)


def _more() -> Generator[None, bytes, bytes]:
    data = yield
    if not data:
        raise BrokenReply("it closed the connection in the middle of a reply")
    return data


def _parse_head(head: bytes) -> tuple[bytes, int, dict[bytes, bytes]]:
    """Return the minor version, the status and the headers."""
    first, *lines = head.split(b"\r\n")
    version, status, *_ = *first.split(b" ", 2), b""
    protocol, minor = version[:7], version[7:]
    if protocol != b"HTTP/1." or len(minor) != 1 or not minor.isdigit() or len(status) != 3 or not status.isdigit():
        raise BrokenReply(f"a reply begins with {first!r:.100}")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[-1:].isspace() or name[:1].isspace():
            raise BrokenReply(f"a reply has the header {line!r:.100}")
        name, value = name.lower(), value.translate(_NOT_IN_VALUES).strip(b" \t")
        headers[name] = headers[name] + b", " + value if name in headers else value
    return minor, int(status), headers


def _read_length(buffer: bytes, announced: bytes) -> Generator[None, bytes, bytes]:
    """Read a body of the announced length, which may be repeated (RFC 9112, 6.3)."""
    lengths = {each.strip(b" \t") for each in announced.split(b",")}
    digits = lengths.pop()
    if lengths or not digits.isdigit() or len(digits.lstrip(b"0")) > _MAX_DIGITS:
        raise BrokenReply(f"a reply has the length {announced!r:.100}")
    missing = int(digits.lstrip(b"0") or b"0") - len(buffer)
    if missing == 0:
        return buffer
    parts = [buffer]
    while missing > 0:
        parts.append((yield from _more()))
        missing -= len(parts[-1])
    if missing:
        raise BrokenReply(f"a reply is {-missing} bytes longer than it says")
    return b"".join(parts)


def _read_to_end(buffer: bytes) -> Generator[None, bytes, bytes]:
    parts = [buffer]
    while data := (yield):
        parts.append(data)
    return b"".join(parts)


def _read_chunks(data: bytes, coding: bytes) -> Generator[None, bytes, bytes]:
    if coding.lower() != b"chunked":
        raise BrokenReply(f"a reply has the transfer coding {coding!r:.100}")
    buffer, parts = bytearray(data), []
    while True:
        line = yield from _read_line(buffer)
        digits = line.partition(b";")[0].strip(b" \t")
        if not digits or digits.translate(None, _HEX_DIGITS) or len(digits.lstrip(b"0")) > _MAX_DIGITS:
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
    while (yield from _read_line(buffer)):  # trailers, which have no meaning here
        pass
    if buffer:
        raise BrokenReply(f"a reply is {len(buffer)} bytes longer than it says")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_line(buffer: bytearray) -> Generator[None, bytes, bytes]:
    while (end := buffer.find(b"\r\n")) < 0 and len(buffer) < MAX_CHUNK_LINE + 2:
        buffer += yield from _more()
    if not 0 <= end <= MAX_CHUNK_LINE:
        raise BrokenReply(f"a line between the chunks of a reply is over {MAX_CHUNK_LINE} bytes")
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line
