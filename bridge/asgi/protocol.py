"""The order of messages in one ASGI HTTP exchange, and the checks of their values.

https://asgi.readthedocs.io/en/latest/specs/www.html#http

    state       message the application may send        next state
    WAITING     http.response.start                     STARTED
    STARTED     http.response.body, more_body true      STARTED
    STARTED     http.response.body, more_body false     COMPLETE
    COMPLETE    none

Every other message is an UnexpectedMessage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import IncompleteResponse, InvalidMessage, NoResponse, ProtocolError, UnexpectedMessage

if TYPE_CHECKING:
    from bridge._types import HeaderPairs, Message

__all__ = ["COMPLETE", "STARTED", "WAITING", "ResponseState"]


# The states of a response. Constants, because an Enum is slow to make and to look up.
WAITING = "'http.response.start'"
STARTED = "'http.response.body'"
COMPLETE = "nothing more, because its response is complete"


class ResponseState:
    """The state of one response, and its status and headers once they have been sent.

    `violation`: the first message that broke the protocol, also if the application swallowed what send() raised.
    """

    __slots__ = ("headers", "state", "status_code", "violation")

    status_code: int
    headers: HeaderPairs

    def __init__(self) -> None:
        self.state = WAITING
        self.violation: ProtocolError | None = None

    def accept(self, message: Message) -> bytes:
        """Check one message, move to the next state, and return the message's part of the body.

        Raises UnexpectedMessage or InvalidMessage.
        """
        try:
            kind = message.get("type")
            if kind == "http.response.body" and self.state is STARTED:
                body = message.get("body", b"")
                if type(body) is not bytes:
                    body = _checked_body(body)
                if not message.get("more_body", False):
                    self.state = COMPLETE
                return body
            if kind == "http.response.start" and self.state is WAITING:
                self.status_code = _checked_status(message.get("status"))
                self.headers = _checked_headers(message.get("headers", ()))
                self.state = STARTED
                return b""
            raise UnexpectedMessage(expected=self.state, actual=kind)
        except ProtocolError as exc:
            self.violation = self.violation or exc
            raise

    def take_violation(self) -> ProtocolError:
        """Return `violation` and forget it: its traceback refers to this object, and would keep it alive."""
        violation, self.violation = self.violation, None
        assert violation is not None
        try:
            return violation
        finally:
            del violation

    def check_finished(self) -> None:
        """Check the response after the application returned. Raises NoResponse, IncompleteResponse or `violation`."""
        if self.violation is not None:
            raise self.take_violation()
        if self.state is WAITING:
            raise NoResponse()
        if self.state is STARTED:
            raise IncompleteResponse()


def _checked_status(status: object) -> int:
    if isinstance(status, int) and 100 <= status <= 999:
        return int(status)  # http.HTTPStatus is an int too
    raise InvalidMessage(f"Expected 'status' to be an integer from 100 to 999, but got {_shown(status)}.")


def _shown(value: object) -> str:
    try:
        return f"{value!r:.200}"
    except ValueError:  # an integer of more digits than Python prints
        return f"an enormous {type(value).__name__}"


def _checked_headers(headers: object) -> HeaderPairs:
    try:
        return [
            (name, value) if type(name) is bytes and type(value) is bytes else (_to_bytes(name), _to_bytes(value))
            for name, value in headers  # type: ignore[attr-defined]
        ]
    except (TypeError, ValueError):
        raise InvalidMessage(f"Expected 'headers' to be pairs of bytes, but got {headers!r:.200}.") from None


def _to_bytes(value: object) -> bytes:
    if isinstance(value, str):  # ASGI forbids this, but httpx's own transport accepts it, and httpx's tests send it.
        return value.encode("latin-1")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError


def _checked_body(body: object) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise InvalidMessage(f"Expected 'body' to be bytes, but got {type(body).__name__}.")
