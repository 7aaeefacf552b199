"""The frames that API Gateway refuses."""

from collections.abc import Iterable, Iterator
from struct import pack

from wsproto.frame_protocol import FrameProtocol

from bridge.local.websocket.frames import FrameFilter
from tests.cases import every_case

HANDSHAKE = b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n"
TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9
K = 1024


def frame(payload: bytes, opcode: int = TEXT, *, is_last: bool = True) -> bytes:
    """Return a client's frame, with a mask of zeros."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        length = b"\xfe" + pack(">H", size) if size < 1 << 16 else b"\xff" + pack(">Q", size)
    return bytes([(0x80 if is_last else 0) | opcode]) + length + bytes(4) + payload


def fragments(*payloads: bytes) -> bytes:
    return b"".join(
        frame(payload, 0 if number else TEXT, is_last=number == len(payloads) - 1)
        for number, payload in enumerate(payloads)
    )


def parts(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def passed(data: Iterable[bytes]) -> bytes:
    each = FrameFilter()
    return b"".join(map(each.passed, data))


def code(close_frame: bytes) -> int:
    """Return the code of a client's close frame, as wsproto reads it."""
    protocol = FrameProtocol(client=False, extensions=[])
    protocol.receive_bytes(close_frame)
    (found,) = protocol.received_frames()
    assert isinstance(found.payload, tuple)
    return int(found.payload[0])


ACCEPTED = {
    "nothing": b"",
    "short": frame(b"hi") + frame(b"") + frame(b"there"),
    "a long frame": frame(b"a" * 32 * K),
    "a long message": fragments(*[b"a" * 32 * K] * 4) + frame(b"hi"),
    "two long messages": fragments(*[b"a" * 32 * K] * 4) * 2,
    "a ping between fragments": frame(b"a", is_last=False) + frame(b"", PING) + frame(b"b", 0),
    "a close": frame(pack(">H", 1000), CLOSE),
}

REFUSED = {
    "binary": (b"", frame(b"hi", BINARY), 1003),
    "empty and binary": (frame(b"hi"), frame(b"", BINARY), 1003),
    "a frame": (frame(b"hi"), frame(b"a" * (32 * K + 1)), 1009),
    "a very long frame": (b"", frame(b"a" * 100 * K), 1009),
    "a later frame": (frame(b"a", is_last=False), frame(b"a" * (32 * K + 1), 0), 1009),
    "a message": (fragments(*[b"a" * 32 * K] * 4, b"")[: -len(frame(b"", 0))], frame(b"a", 0), 1009),
}


@every_case(("name", "size"), [(name, size) for name in ACCEPTED for size in (1, 7, 1 << 20)])
def test_what_is_accepted_passes_unchanged_in_whatever_parts_it_comes(name: str, size: int) -> None:
    data = HANDSHAKE + ACCEPTED[name]
    assert passed(parts(data, size)) == data


@every_case(("name", "size"), [(name, size) for name in REFUSED for size in (1, 1000, 1 << 20)])
def test_a_close_frame_takes_the_place_of_a_refused_frame_and_of_all_after_it(name: str, size: int) -> None:
    before, refused, expected = REFUSED[name]
    found = passed(parts(HANDSHAKE + before + refused + frame(b"after"), size))
    assert found.startswith(HANDSHAKE + before)
    assert code(found.removeprefix(HANDSHAKE + before)) == expected


def test_a_client_gets_its_close_frame_when_it_has_sent_the_refused_one() -> None:
    each, refused = FrameFilter(), frame(b"a" * 100 * K)
    each.passed(HANDSHAKE)
    assert each.passed(refused[:-1]) == b""
    assert code(each.passed(refused[-1:])) == 1009


def test_a_handshake_that_comes_in_parts() -> None:
    for at in range(len(HANDSHAKE) + 1):
        each = FrameFilter()
        assert each.passed(HANDSHAKE[:at]) + each.passed(HANDSHAKE[at:] + frame(b"hi")) == HANDSHAKE + frame(b"hi")
        assert code(each.passed(frame(b"", BINARY))) == 1003
