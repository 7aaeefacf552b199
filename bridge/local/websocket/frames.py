"""The frames that API Gateway accepts from a client: text alone, and no long ones. No I/O.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-binary-media-types.html
"""

from __future__ import annotations

from struct import pack

from bridge.testing.services.websocket import MAX_FRAME, MAX_MESSAGE

__all__ = ["FrameFilter"]

# RFC 6455, 5.2 and 7.4.1.
_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0x0, 0x1, 0x2, 0x8
_UNSUPPORTED_DATA, _MESSAGE_TOO_BIG = 1003, 1009


class FrameFilter:
    """The bytes of one client, from its handshake on. A close frame takes the place of a frame that is refused.

    A web server echoes the code of a client's close frame, and ends the connection. So the client of a frame that is
    refused gets the code that API Gateway sends. The refused frame is read to its end first: a client that still sends
    gets no close frame.
    """

    def __init__(self) -> None:
        self._is_handshake = True
        self._held = b""  # the handshake or the header of a frame, as far as it is known
        self._left = 0  # how many bytes of the frame's payload come next
        self._message = 0  # the size of the message until now
        self._closing = b""  # what is passed on at the end of a refused frame
        self._is_closed = False

    def passed(self, data: bytes) -> bytes:
        """Return the bytes to pass on for the next ones of the client."""
        if self._is_handshake:
            return self._handshake(data)
        passed, at = bytearray(), 0
        while at < len(data) and not self._is_closed:
            if not self._left:
                at = self._header(data, at, passed)
            else:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if not self._closing:
                    passed += piece
            if self._closing and not self._left:
                passed += self._closing
                self._is_closed = True
        return bytes(passed)

    def _handshake(self, data: bytes) -> bytes:
        """The web server has parsed the request, and repeats it. Frames follow."""
        searched = self._held + data
        end = searched.find(b"\r\n\r\n")
        if end < 0:
            self._held = searched[-3:]
            return data
        self._is_handshake, here = False, end + 4 - len(self._held)
        self._held = b""
        return data[:here] + self.passed(data[here:])

    def _header(self, data: bytes, at: int, passed: bytearray) -> int:
        """Read bytes of a header, and look at the frame when it is whole. Return the position after them."""
        needed = _header_size(self._held) - len(self._held)
        piece = data[at : at + needed]
        self._held += piece
        if len(self._held) == _header_size(self._held):
            self._frame(self._held)
            if not self._closing:
                passed += self._held
            self._held = b""
        return at + len(piece)

    def _frame(self, header: bytes) -> None:
        opcode, self._left = header[0] & 0x0F, _payload_size(header)
        if opcode == _BINARY:
            self._closing = _close_frame(_UNSUPPORTED_DATA, "Binary frames are not supported")
        elif opcode in (_CONTINUATION, _TEXT):
            self._message = self._left + (self._message if opcode == _CONTINUATION else 0)
            if self._left > MAX_FRAME or self._message > MAX_MESSAGE:
                self._closing = _close_frame(_MESSAGE_TOO_BIG, "Message too big")


def _header_size(header: bytes) -> int:
    """Return the size of a header of which at least the first bytes are known, as far as they tell."""
    if len(header) < 2:
        return 2
    extended = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    return 2 + extended + (4 if header[1] & 0x80 else 0)


def _payload_size(header: bytes) -> int:
    size = header[1] & 0x7F
    if size < 126:
        return size
    return int.from_bytes(header[2 : 4 if size == 126 else 10], "big")


def _close_frame(code: int, reason: str) -> bytes:
    """Return a client's close frame, masked with zeros."""
    payload = pack(">H", code) + reason.encode()
    return bytes([0x80 | _CLOSE, 0x80 | len(payload)]) + bytes(4) + payload
