"""The two readers of HTTP responses, with bytes of any kind: the Runtime API's replies, and the end of an origin's."""

from typing import NamedTuple

import h11
from hypothesis import given
from hypothesis import strategies as st

from bridge.proxy.response_end import ResponseEnd
from bridge.runtime.api.http import BrokenReply, Reply, chunk, last_chunk, read_reply, request_head
from tests.fuzz.budget import cases
from tests.fuzz.wire import broken, cut

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{1:2}",
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    CHUNKED + b"A;x=1\r\n0123456789\r\n00\r\nX-Sum: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
]
PIECES = st.sampled_from([1, 2, 3, 7])


def reply_of(pieces: list[bytes]) -> Reply | None:
    """Return what the runtime's client makes of these bytes and the end of the connection; None for a broken reply."""
    reader = read_reply()
    next(reader)
    left = [*pieces, b""]
    try:
        while left:
            reader.send(left.pop(0))
    except StopIteration as done:
        reply: Reply = done.value
        return None if any(left) else reply  # bytes after the reply in the same piece are refused too
    except BrokenReply:
        return None
    raise AssertionError("The reader waits for more after the end of the connection.")


class Read(NamedTuple):
    """A response as h11 reads it. `surplus`: the bytes after its end."""

    status: int
    body: bytes
    surplus: bytes


def read_with_h11(data: bytes, method: str = "GET") -> Read | None:
    """Return the response, or None if h11 refuses it or needs more."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method=method, target="/", headers=[("host", "api")]))
    http.send(h11.EndOfMessage())
    http.receive_data(data)
    status, body = 0, b""
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None
    return Read(status, body, http.trailing_data[0])


@cases(100)
@given(data=broken(RESPONSES), size=PIECES)
def test_a_reply_of_any_bytes_is_read_as_h11_reads_it_or_is_broken(data: bytes, size: int) -> None:
    check_reply(data, size)


def check_reply(data: bytes, size: int) -> None:
    reply = reply_of([data])
    assert reply == reply_of(cut(data, size))
    read = read_with_h11(data)
    # A line feed alone may end a line (RFC 9112, 2.2), and does so for h11. Here it never does.
    has_plain_lines = data.count(b"\n") == data.count(b"\r\n")
    if reply is not None and reply.keeps_alive and read is not None and has_plain_lines:
        assert (reply.status, reply.body) == (read.status, read.body)
        assert read.surplus == b""


@cases(100)
@given(data=broken(RESPONSES), size=PIECES, has_body=st.booleans())
def test_a_response_of_any_bytes_is_exact_only_where_h11_says_the_same(data: bytes, size: int, has_body: bool) -> None:
    check_end(data, size, has_body=has_body)


def check_end(data: bytes, size: int, *, has_body: bool) -> None:
    end = end_of([data], has_body=has_body)
    assert end == end_of(cut(data, size), has_body=has_body)
    if end is None or not end.is_exact:
        return
    read = read_with_h11(end.passed, "GET" if has_body else "HEAD")
    assert read is None or read.surplus == b""


class End(NamedTuple):
    """What was found of a response. `passed`: the bytes that httpcore's parser gets."""

    is_exact: bool
    is_whole: bool
    passed: bytes


def end_of(pieces: list[bytes], *, has_body: bool) -> End | None:
    """Return what is found in `pieces`, or None for a response that is refused."""
    end = ResponseEnd(has_body=has_body)
    try:
        passed = b"".join([end.feed(piece) for piece in pieces])
    except ValueError:
        return None
    return End(end.is_exact, end.is_whole, passed)


TEXT = st.lists(
    st.sampled_from([b"a", b"GET", b"/", b" ", b"\r\n", b"\n", b"\r", b":", b"\0", b"\xff", b"x: y"]), max_size=4
).map(b"".join)


@cases(50)
@given(method=TEXT, target=TEXT, headers=st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_no_value_adds_a_line_to_a_request_or_to_trailers(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    try:
        head = request_head(method, target, headers)
    except ValueError:
        pass
    else:
        assert head.replace(b"\r\n", b"").translate(None, b"\r\n") == head.replace(b"\r\n", b"")
        assert head.split(b"\r\n")[1:] == [*(b"%s: %s" % pair for pair in headers), b"", b""]
    try:
        end = last_chunk(headers)
    except ValueError:
        return
    assert end.split(b"\r\n") == [b"0", *(b"%s: %s" % pair for pair in headers), b"", b""]


@cases(50)
@given(parts=st.lists(st.binary(min_size=1, max_size=300), max_size=4))
def test_h11_reads_chunks_as_they_were_written(parts: list[bytes]) -> None:
    data = CHUNKED + b"".join(piece for part in parts for piece in chunk(part)) + last_chunk([])
    read = read_with_h11(data)
    assert read == Read(200, b"".join(parts), b"")
