"""The decoder of AWS's event streams, beside botocore's own."""

import pytest

from bridge.testing.event_stream import EventMessage, EventStreamDecoder, InvalidEventStream
from tests.cases import every_case
from tests.testing.event_streams import chunk, complete, message

STREAM = b"".join([chunk(b"one"), chunk(b""), chunk(bytes(range(256)) * 300), complete()])


def decoded(data: bytes, step: int) -> list[EventMessage]:
    decoder = EventStreamDecoder()
    found = [found for start in range(0, len(data), step) for found in decoder.feed(data[start : start + step])]
    decoder.finish()
    return found


def test_a_stream_is_decoded_whatever_pieces_it_comes_in() -> None:
    whole = decoded(STREAM, len(STREAM))
    assert [len(found.payload) for found in whole] == [3, 0, 76_800, 2]
    assert whole[0].headers == {
        ":message-type": "event",
        ":event-type": "PayloadChunk",
        ":content-type": "application/octet-stream",
    }
    for step in (1000, 7, 1) if len(STREAM) < 10_000 else (1000, 7):
        assert decoded(STREAM, step) == whole


def test_headers_of_every_type_are_passed_over() -> None:
    values = [(0, b""), (1, b""), (2, b"a"), (3, b"ab"), (4, b"abcd"), (5, b"a" * 8), (6, b"\0\3abc"), (8, b"a" * 8)]
    values += [(9, b"a" * 16), (7, b"\0\2ok")]
    headers = b"".join(b"\2h%d" % kind + bytes([kind]) + value for kind, value in values)
    assert decoded(message(headers, b"body"), 5) == [EventMessage({"h7": "ok"}, b"body")]


def broken(position: int) -> bytes:
    data = bytearray(chunk(b"one"))
    data[position] ^= 1
    return bytes(data)


@every_case(
    ("data", "fact"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "checksum of its lengths"),
        (broken(0), "checksum of its lengths"),
        (broken(9), "checksum of its lengths"),
        (broken(20), "checksum of a message"),
        (broken(-1), "checksum of a message"),
        (chunk(b"one")[:-1], "ended in the middle"),
        (message(b"", b"", length=1 << 30), "1073741824 bytes"),
        (message(b"", b"", length=3), "3 bytes"),
        (message(b"\2h7\7\0\xffshort", b""), "longer than all headers"),
        (message(b"\2h7", b""), "cannot be read"),
        (message(b"\2h7\x63", b""), "cannot be read"),
        (message(b"\2\xff\xff\7\0\0", b""), "cannot be read"),
    ],
)
def test_what_is_not_an_event_stream_is_an_error(data: bytes, fact: str) -> None:
    with pytest.raises(InvalidEventStream, match=fact):
        decoded(data, 64)
