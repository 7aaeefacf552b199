"""The encoding of InvokeWithResponseStream's answer: from bytes to messages, without any I/O.

https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream: a message is its own
length and that of its headers (each 4 bytes), a CRC-32 of these 8 bytes, the headers, the payload, and a CRC-32 of all
before it. Numbers are big-endian.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, error
from typing import NoReturn
from zlib import crc32

__all__ = ["EventMessage", "EventStreamDecoder", "InvalidEventStream"]

_PRELUDE = Struct(">III")
_CRC = Struct(">I")
_SHORT = Struct(">H")

# The lengths of header values by type, in bytes: true, false, byte, short, integer, long, timestamp, UUID. Byte arrays
# (6) and strings (7) tell their length.
_LENGTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7

# AWS's limit for a message is 24 MB: what claims to be longer is not one, and is not waited for.
_MAX_LENGTH = 24 << 20


class InvalidEventStream(ValueError):
    """Raised for bytes that are not an event stream, or that were damaged on the way."""


@dataclass(frozen=True)
class EventMessage:
    """One message. `headers`: those with text as value, such as `:event-type`."""

    headers: dict[str, str]
    payload: bytes


class EventStreamDecoder:
    """A decoder of one stream, which takes its bytes in pieces of any size."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[EventMessage]:
        """Yield the messages that `data` completes. Raises InvalidEventStream."""
        self._received += data
        start = 0
        try:
            while len(self._received) - start >= _PRELUDE.size:
                length = self._length(start)
                if len(self._received) - start < length:
                    break
                message = bytes(self._received[start : start + length])
                start += length
                yield _decoded(message)
        finally:
            del self._received[:start]

    def _length(self, start: int) -> int:
        length, headers, checksum = _PRELUDE.unpack_from(self._received, start)
        if crc32(self._received[start : start + 8]) != checksum:
            _refuse("the checksum of its lengths is wrong")
        if not _PRELUDE.size + headers + _CRC.size <= length <= _MAX_LENGTH:
            _refuse(f"a message of {length} bytes with headers of {headers} bytes cannot be")
        return int(length)

    def finish(self) -> None:
        """Raise InvalidEventStream if the stream ended in the middle of a message."""
        if self._received:
            _refuse(f"it ended in the middle of a message, of which {len(self._received)} bytes came")


def _decoded(message: bytes) -> EventMessage:
    body = memoryview(message)[: -_CRC.size]
    if crc32(body) != _CRC.unpack_from(message, len(body))[0]:
        _refuse("the checksum of a message is wrong")
    _, length, _ = _PRELUDE.unpack_from(message)
    end = _PRELUDE.size + length
    return EventMessage(_headers(message[_PRELUDE.size : end]), message[end : len(body)])


def _headers(data: bytes) -> dict[str, str]:
    headers = {}
    position = 0
    try:
        while position < len(data):
            start = position + 1
            end = start + data[position]
            name, kind = data[start:end].decode("utf-8"), data[end]
            start = end + 1
            if kind in (_BYTES, _STRING):
                (length,) = _SHORT.unpack_from(data, start)
                start += _SHORT.size
            else:
                length = _LENGTHS[kind]
            position = start + length
            if position > len(data):
                _refuse("a header is longer than all headers together")
            if kind == _STRING:
                headers[name] = data[start:position].decode("utf-8")
    except InvalidEventStream:
        raise
    except (IndexError, KeyError, ValueError, error):
        _refuse("the headers of a message cannot be read")
    return headers


def _refuse(reason: str) -> NoReturn:
    raise InvalidEventStream(f"The answer is not an event stream of AWS: {reason}.")
