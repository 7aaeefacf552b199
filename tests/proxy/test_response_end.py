"""Where a response ends: bytes in, verdict out."""

import pytest

from bridge.proxy.response_end import MAX_HEAD, MAX_LINE, ResponseEnd

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

WHOLE = {
    "content-length": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "no bytes": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "equal lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length:2\r\n\r\nok",
    "line feeds": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    "informational": b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "no content": b"HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
    "chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    "no chunks": CHUNKED + b"0\r\n\r\n",
    "many chunks": CHUNKED + b"1\r\na\r\n" * 1000 + b"0\r\n\r\n",
    "chunk extensions": CHUNKED + b'A;ext="1"\r\n0123456789\r\n000;last\r\n\r\n',
    "trailers": CHUNKED + b"2\r\nok\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n",
    "a chunk that holds a last chunk": CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
    "chunks win over a length": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}

UNKNOWN = {
    "until the close": b"HTTP/1.1 200 OK\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "two lengths in one": b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
    "a length with a sign": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
    "a length without end": b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\nok",
    "a chunk size that is not a number": CHUNKED + b"ok\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
}

HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"

FAULTS = {
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no status line of HTTP/1.1: it begins with b'S"),
    "a request": (b"GET / HTTP/1.1\r\n\r\n", "it begins with b'G"),
    "a blank line": (b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "it begins with b'"),
    "a switch of protocols": (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "status 101"),
    "a head without end": (b"HTTP/1.1 200 OK\r\nx: " + b"x" * MAX_HEAD, "a head of more than"),
    "a head that is too long": (b"HTTP/1.1 200 OK\r\nx: " + b"x" * MAX_HEAD + b"\r\n\r\n", "a head of more than"),
    "headers without end": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * MAX_HEAD, "a head of more than"),
    "informational heads without end": (HINTS * MAX_HEAD, "a head of more than"),
    "a chunk size without end": (CHUNKED + b"0" * (MAX_LINE + 1), "a line of more than"),
    "a chunk extension without end": (CHUNKED + b"2\r\nok\r\n2;" + b"x" * MAX_LINE, "a line of more than"),
    "a trailer without end": (CHUNKED + b"0\r\nx: " + b"x" * MAX_LINE, "a line of more than"),
    "a trailer that is too long": (CHUNKED + b"0\r\nx: " + b"x" * MAX_LINE + b"\r\n\r\n", "a line of more than"),
    "not HTTP after an informational head": (HINTS + b"nonsense", "it begins with b'n"),
}

SURPLUS = [
    b"x",
    b"\r\n",
    b"HTTP/1.1 203 Stolen\r\ncontent-length: 6\r\n\r\nstolen",
    b"HTTP/1.1 203 Stolen\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
]


def fed(*parts: bytes, has_body: bool = True) -> ResponseEnd:
    end = ResponseEnd(has_body=has_body)
    for part in parts:
        end.feed(part)
    return end


def in_bytes(wire: bytes) -> list[bytes]:
    return [wire[index : index + 1] for index in range(len(wire))]


def test_a_whole_response_is_exact_in_one_part_and_in_single_bytes() -> None:
    assert [name for name, wire in WHOLE.items() if not fed(wire).is_exact] == []
    assert [name for name, wire in WHOLE.items() if not fed(*in_bytes(wire)).is_exact] == []


def test_a_response_that_is_cut_anywhere_is_not_whole() -> None:
    wrong = []
    for name, wire in WHOLE.items():
        end = ResponseEnd()
        for part in in_bytes(wire):
            if end.is_whole:
                wrong.append(name)
            end.feed(part)
    assert wrong == []


def test_bytes_after_a_response_are_a_surplus_in_the_same_part_and_in_a_later_one() -> None:
    for wire in WHOLE.values():
        for surplus in SURPLUS:
            for end in (fed(wire + surplus), fed(wire, surplus), fed(*in_bytes(wire + surplus))):
                assert (end.is_whole, end.has_surplus, end.is_exact) == (True, True, False), wire + surplus


def test_a_response_whose_end_is_unknown_is_never_exact() -> None:
    assert [name for name, wire in UNKNOWN.items() if fed(wire).is_exact or fed(*in_bytes(wire)).is_exact] == []


def test_a_response_to_head_ends_with_its_head() -> None:
    for head in (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", CHUNKED, b"HTTP/1.1 200 OK\r\n\r\n"):
        assert fed(head, has_body=False).is_exact
        assert fed(head + b"x", has_body=False).has_surplus


def test_nothing_is_not_a_response() -> None:
    assert (ResponseEnd().is_exact, fed(b"").is_exact) == (False, False)


# Heads as they arrive, and as httpcore's parser gets them.
HEADS = {
    b"HTTP/1.1 200 OK\r\nServer : x\r\n\r\n": b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA\t \t: b : c\r\nd:e :f\r\n\r\n": b"HTTP/1.1 200 OK\r\nA: b : c\r\nd:e :f\r\n\r\n",
    b"HTTP/1.1 200 a : b\r\n\r\n": b"HTTP/1.1 200 a : b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\na: b\r\n c : d\r\n\r\n": b"HTTP/1.1 200 OK\r\na: b\r\n c : d\r\n\r\n",
    HINTS * 1000 + b"HTTP/1.1 200 OK\r\n\r\n": b"HTTP/1.1 200 OK\r\n\r\n",
}


def test_the_parser_gets_one_head_without_blanks_before_its_colons() -> None:
    for wire, expected in HEADS.items():
        body = b"a : b\r\n\r\nHTTP/1.1 103 x\r\n\r\nc : d"
        assert ResponseEnd().feed(wire + body) == expected + body
        end = ResponseEnd()
        passed = [end.feed(part) for part in in_bytes(wire + body)]
        assert [part for part in passed if part] == [expected, *in_bytes(body)]


def test_a_header_with_a_blank_before_its_colon_frames_the_body_for_both_parsers() -> None:
    assert fed(b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok").is_exact
    assert fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n").is_exact


def test_what_cannot_be_a_response_is_named() -> None:
    for name, (wire, fact) in FAULTS.items():
        for parts in ([wire], in_bytes(wire)):
            with pytest.raises(ValueError, match=fact):
                fed(*parts)
            assert name
