"""HTTP/1.1 without I/O: every reply as h11 reads it, in pieces of any size; requests that stay inside their lines."""

import random
from collections.abc import Iterator

import h11
import pytest

from bridge.runtime.api.http import (
    MAX_CHUNK_LINE,
    MAX_HEAD,
    BrokenReply,
    Reply,
    chunk,
    last_chunk,
    read_reply,
    request_head,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 8476a536\r\n"

# Replies as the API's own HTTP library sends them, and others that RFC 9112 allows.
REPLIES = {
    "a length": HEAD + b"Content-Length: 5\r\n\r\n{1:2}",
    "a length of nothing": b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 202 \r\nContent-Length: 2\r\n\r\nok",
    "a reason of several words": b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\n\r\nno",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "one chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "no chunk": HEAD + b"transfer-encoding: Chunked\r\n\r\n0\r\n\r\n",
    "chunks with extensions": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;name=value\r\nhello\r\n0;last\r\n\r\n",
    "chunks in capitals and with zeros": HEAD + b"Transfer-Encoding: chunked\r\n\r\n000A\r\n0123456789\r\n00\r\n\r\n",
    "chunks and trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    "chunks and a length": HEAD + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "a body that looks like a head": HEAD + b"Content-Length: 8\r\n\r\na\r\n\r\nb: ",
    "odd white space in headers": b"HTTP/1.1 200 OK\r\nA:1\r\nB: \t two words \t\r\nC:\r\nContent-Length: 0\r\n\r\n",
    "bytes beyond ASCII in a header": b"HTTP/1.1 200 OK\r\nA: caf\xe9\r\nContent-Length: 0\r\n\r\n",
    "a length with zeros": HEAD + b"Content-Length: " + b"0" * 19 + b"1\r\n\r\nx",
    "an interim reply first": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 1\r\n\r\nx",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "nothing new": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "an older version": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "the end of the connection": HEAD + b"Connection: close\r\nContent-Length: 1\r\n\r\nx",
    "the end of the connection, in a list": HEAD + b"Connection: x, Close\r\nContent-Length: 1\r\n\r\nx",
}


def feed(pieces: Iterator[bytes]) -> Reply:
    """Feed the reader. Raises EOFError if it needs more than there is."""
    reader = read_reply()
    next(reader)
    try:
        for piece in pieces:
            reader.send(piece)
    except StopIteration as done:
        reply: Reply = done.value
        return reply
    raise EOFError


def read(data: bytes, size: int = 1 << 20) -> Reply:
    return feed(data[start : start + size] for start in range(0, len(data), size))


def read_with_h11(data: bytes) -> Reply:
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("host", "api")]))
    http.send(h11.EndOfMessage())
    http.receive_data(data)
    body, response = b"", None
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        assert not isinstance(event, type(h11.NEED_DATA))
        if isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
    assert response is not None
    return Reply(response.status_code, dict(response.headers), body, http.their_state is not h11.MUST_CLOSE)


def test_a_reply_is_read_as_h11_reads_it_in_pieces_of_any_size() -> None:
    different = []
    for name, data in REPLIES.items():
        ours, theirs = read(data), read_with_h11(data)
        # h11 leaves out a length that does not count, and writes this one name small.
        headers = {name: value for name, value in ours.headers.items() if name in theirs.headers}
        coding = headers.pop(b"transfer-encoding", b"").lower() == theirs.headers.pop(b"transfer-encoding", b"")
        is_same = (ours.status, headers, ours.body, ours.keeps_alive) == theirs
        in_pieces = all(read(data, size) == ours for size in (1, 2, 3, 7, 64))
        if not (coding and is_same and in_pieces):
            different.append((name, ours, theirs))
    assert different == []


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    reply = feed(iter([HEAD + b"\r\none", b" two", b""]))
    assert (reply.status, reply.body, reply.keeps_alive) == (200, b"one two", False)


def test_a_length_may_be_repeated_and_have_any_number_of_zeros() -> None:
    for length in (b"0" * 5000 + b"1", b"1\r\nContent-Length: 1", b"1, 1"):
        assert read(HEAD + b"Content-Length: " + length + b"\r\n\r\nx").body == b"x"


def test_an_older_version_keeps_its_connection_if_it_says_so() -> None:
    reply = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"
    assert read(reply).keeps_alive


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDED = "closed the connection in the middle"

# What is not a whole reply, and a fact of the error.
BROKEN = [
    (b"", ENDED),
    (HEAD, ENDED),
    (HEAD + b"Content-Length: 5\r\n\r\nhel", ENDED),
    (CHUNKED + b"5\r\nhel", ENDED),
    (CHUNKED + b"1\r\nx\r\n", ENDED),
    (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "SSH-2.0-OpenSSH_9.6"),
    (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP/2.0 200 OK"),
    (b"HTTP/1.1 OK fine\r\n\r\n", "HTTP/1.1 OK fine"),
    (b"HTTP/1.1\r\n\r\n", "HTTP/1.1"),
    (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "nonsense"),
    (b"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n", "A : 1"),
    (b"HTTP/1.1 200 OK\r\nA: 1\r\n 2: 3\r\n\r\n", " 2: 3"),
    (HEAD + b"Content-Length: -1\r\n\r\n", "-1"),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "1, 2"),
    (HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n", "99999"),
    (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "99999"),
    (HEAD + b"Content-Length: +1\r\n\r\nx", "+1"),
    (HEAD + b"Content-Length: 1_0\r\n\r\nx", "1_0"),
    (HEAD + b"Content-Length: 1 0\r\n\r\nx", "1 0"),
    (HEAD + b"Content-Length: \xd9\xa1\r\n\r\nx", "xd9"),
    (HEAD + b"Content-Length:\r\n\r\nx", "length b''"),
    (HEAD + b"Content-Length: 1,\r\n\r\nx", "length b'1,'"),
    (HEAD + b"Content-Length: 1\r\n\r\nxyz", "2 bytes longer"),
    (b"HTTP/1.1 204 No Content\r\n\r\nx", "1 bytes longer"),
    (CHUNKED + b"0\r\n\r\nxyz", "3 bytes longer"),
    (CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n", "chunk of a reply is longer"),
    (CHUNKED + b"\r\n0\r\n\r\n", "chunk of a reply begins with b''"),
    (CHUNKED + b"f" * 400 + b"\r\nx\r\n0\r\n\r\n", "ffff"),
    (CHUNKED + b"1 1\r\nx\r\n0\r\n\r\n", "1 1"),
    (CHUNKED + b"1_1\r\nx\r\n0\r\n\r\n", "1_1"),
    (CHUNKED + b"\xd9\xa1\r\nx\r\n0\r\n\r\n", "xd9"),
    (CHUNKED + b"+1\r\nx\r\n0\r\n\r\n", "+1"),
    (CHUNKED + b"0x1\r\nx\r\n0\r\n\r\n", "0x1"),
    (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", "gzip"),
    (b"HTTP/1.1 200 OK\r\nA: " + b"x" * MAX_HEAD, f"over {MAX_HEAD} bytes"),
    (b"HTTP/1.1 200 OK\r\nA: " + b"x" * MAX_HEAD + b"\r\n\r\n", f"over {MAX_HEAD} bytes"),
    (CHUNKED + b"1;" + b"x" * MAX_CHUNK_LINE, f"over {MAX_CHUNK_LINE} bytes"),
    (CHUNKED + b"1;" + b"x" * MAX_CHUNK_LINE + b"\r\nx\r\n0\r\n\r\n", f"over {MAX_CHUNK_LINE} bytes"),
    (CHUNKED + b"0\r\nx: " + b"x" * MAX_CHUNK_LINE + b"\r\n\r\n", f"over {MAX_CHUNK_LINE} bytes"),
]


def test_bytes_that_are_not_a_whole_reply_are_refused_with_what_is_wrong() -> None:
    for data, fact in BROKEN:
        with pytest.raises(BrokenReply) as caught:
            feed(iter([data, b""] if data else [b""]))
        message = str(caught.value)
        assert (fact in message, message.isprintable(), len(message) < 300) == (True, True, True)


def test_bytes_that_no_header_may_have_are_spaces() -> None:
    reply = read(b"HTTP/1.1 200 OK\r\nA: a\0b\rc\nX: d\r\nB: \0\r\nC: \x1b\x7f\r\nContent-Length: 0\r\n\r\n")
    assert reply.headers == {b"a": b"a b c X: d", b"b": b"", b"c": b"\x1b\x7f", b"content-length": b"0"}


def test_a_request_has_a_line_for_each_header() -> None:
    head = request_head(b"POST", b"/2018-06-01/runtime/invocation/1/response", [(b"host", b"api:9001"), (b"a", b"b c")])
    assert head == b"POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nhost: api:9001\r\na: b c\r\n\r\n"


def test_a_line_break_or_a_space_that_would_change_the_lines_of_a_request_is_refused() -> None:
    for bad in (b"x\r\ny: z", b"x\n", b"\r"):
        for method, target, headers in [(bad, b"/", []), (b"GET", bad, []), (b"GET", b"/", [(b"a", bad)])]:
            with pytest.raises(ValueError, match="line break"):
                request_head(method, target, headers)
    with pytest.raises(ValueError, match="a blank"):
        request_head(b"GET", b"/a b", [])


def read_request_with_h11(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes, list[tuple[bytes, bytes]]]:
    """Return headers, body and trailers, as a server reads them."""
    http = h11.Connection(h11.SERVER)
    http.receive_data(data)
    request = http.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    return list(request.headers), body, list(event.headers)


def test_h11_reads_a_stream_as_it_was_written() -> None:
    numbers = random.Random(2)
    parts = [numbers.randbytes(size) for size in (1, 9, 10, 15, 16, 255, 256, 70_000)]
    head = request_head(b"POST", b"/x", [(b"host", b"api"), (b"transfer-encoding", b"chunked")])
    trailers = [(b"error-type", b"Function.ValueError"), (b"error-body", b"e30=")]
    body = b"".join(piece for part in parts for piece in chunk(part))
    for end in ([], trailers):
        assert read_request_with_h11(head + body + last_chunk(end)) == (
            [(b"host", b"api"), (b"transfer-encoding", b"chunked")],
            b"".join(parts),
            end,
        )


def test_a_line_break_in_a_trailer_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        last_chunk([(b"error-type", b"x\r\nx: y")])
