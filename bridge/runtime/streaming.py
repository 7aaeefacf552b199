"""A response that is posted while the application still sends it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming

    POST .../response                                  Transfer-Encoding: chunked, and two announced trailers
    {"statusCode": 200, ...} and 8 NUL bytes           the prelude: at once, also if no body follows
    the body                                           each part as the application sends it
    trailers with an error's type and document         only if the application failed: with them it is no whole stream
"""

from __future__ import annotations

import asyncio
import json
import socket
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import h11

from bridge.errors import ClientDisconnected, RuntimeApiGone
from bridge.runtime.connection import gone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.runtime.api import Invocation
    from bridge.runtime.connection import Connection
    from bridge.runtime.wire import Pairs, Reply

__all__ = ["MAX_TRAILER", "StreamedAnswer"]

_ERROR_TYPE = b"Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = b"Lambda-Runtime-Function-Error-Body"

# The trailers are announced, or the API does not read them.
_HEADERS: Pairs = [
    (b"Transfer-Encoding", b"chunked"),
    (b"Lambda-Runtime-Function-Response-Mode", b"streaming"),
    (b"Content-Type", b"application/vnd.awslambda.http-integration-response"),
    (b"Trailer", _ERROR_TYPE),
    (b"Trailer", _ERROR_BODY),
]

_DELIMITER = bytes(8)

# How long the document of an error may be, in bytes. In base64 it has to fit into a trailer, and the API's HTTP library
# takes no more than 4 KiB of trailers together ("suspiciously long trailer after chunked body", Go's net/http).
MAX_TRAILER = 2800

# Of a message that is too long for that, in characters: each can be six bytes of JSON.
MAX_MESSAGE = 300


class StreamedAnswer:
    """The stream of one invocation. Its parts go out whole, whoever is cancelled in the middle of one."""

    def __init__(self, connection: Connection, invocation: Invocation) -> None:
        self._connection = connection
        self._invocation = invocation
        self._loop = asyncio.get_running_loop()
        self._http: h11.Connection
        # What the socket has not taken yet. The loop's callbacks write it, whatever becomes of the tasks that wait.
        self._pending = bytearray()
        self._is_writing = False
        self._waiter: asyncio.Future[None] | None = None
        self._when_gone: Callable[[], object] = _nothing
        self.is_started = False
        self.is_over = False  # nothing may be sent any more
        self.is_gone = False  # nobody reads any more

    def when_gone(self, callback: Callable[[], object]) -> None:
        """Have `callback` called once nobody reads any more."""
        self._when_gone = callback

    async def start(self, prelude: Mapping[str, Any]) -> None:
        """Send the head and the prelude. Raises RuntimeApiGone."""
        self._check_open()
        self.is_started = True
        head: Pairs = [*_HEADERS, *self._invocation.echo]
        try:
            self._pending += self._connection.head(b"POST", self._invocation.response_path, head)
        except OSError as exc:
            raise gone(exc) from exc
        self._http = self._connection.open()
        self._loop.add_reader(self._connection.sock.fileno(), self._answered_early)
        await self.send(json.dumps(prelude).encode("ascii") + _DELIMITER)

    async def send(self, part: bytes) -> None:
        """Send a part of the body, as one chunk; returns when the socket has taken it.

        Raises ClientDisconnected if nobody reads any more.
        """
        self._check_open()
        self._put(h11.Data(data=part))
        await self._drained()

    def _check_open(self) -> None:
        if self.is_over or self.is_gone:
            raise ClientDisconnected("The stream of this invocation is over.")

    async def finish(self) -> Reply:
        """The clean end. Raises RuntimeApiGone, and ClientDisconnected if nobody reads any more."""
        self._check_open()
        self.is_over = True
        return await self._end(h11.EndOfMessage())

    async def fail(self, document: dict[str, Any]) -> Reply:
        """The end that says that this was not all. `document`: that of the error. Raises as `finish`."""
        from bridge.runtime import reports

        self.is_over = True
        error_type = reports.error_type_header(document["errorType"]).encode("ascii")
        body = reports.encode_document(_shortened(document, reports.encode_document))
        trailers = [(_ERROR_TYPE, error_type), (_ERROR_BODY, b64encode(body))]
        return await self._end(h11.EndOfMessage(headers=trailers))

    async def _end(self, event: h11.EndOfMessage) -> Reply:
        try:
            self._put(event)
            await self._drained()
            self._stop_listening()
            return await self._connection.reply()
        finally:
            self.close()

    async def early_reply(self) -> Reply | None:
        """What the API said instead of reading on; None if it said nothing."""
        try:
            return await self._connection.reply()
        except RuntimeApiGone:
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Break off, if it is not at its end. AWS wants the connection closed after a stream in any case."""
        self.is_over = True
        if self._connection.is_open:
            self._stop_listening()
            self._stop_writing()
            self._connection.close()

    def _put(self, event: h11.Data | h11.EndOfMessage) -> None:
        if not self.is_gone:
            self._pending += self._http.send(event) or b""
            self._write()

    def _write(self) -> None:
        """Give the socket what it takes; the loop calls again when it takes more."""
        try:
            while self._pending:
                del self._pending[: self._connection.sock.send(self._pending)]
        except BlockingIOError:
            if not self._is_writing:
                self._is_writing = True
                self._loop.add_writer(self._connection.sock.fileno(), self._write)
        except OSError:
            self._lose()
        else:
            self._stop_writing()

    def _stop_writing(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self._loop.remove_writer(self._connection.sock.fileno())
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _drained(self) -> None:
        while self._pending and not self.is_gone:
            if self._waiter is None or self._waiter.done():
                self._waiter = self._loop.create_future()
            await asyncio.wait([self._waiter])  # cancelling one of two that wait is not to cancel what both wait for
        if self.is_gone:
            raise ClientDisconnected("The caller of this invocation has gone.")

    def _answered_early(self) -> None:
        """The socket can be read although the request is not at its end: a reply, or the end of the connection."""
        try:
            self._connection.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            pass
        self._lose()

    def _lose(self) -> None:
        if self.is_gone:
            return
        self.is_gone = True
        self._pending.clear()
        self._stop_listening()
        self._stop_writing()
        self._when_gone()

    def _stop_listening(self) -> None:
        self._loop.remove_reader(self._connection.sock.fileno())


def _shortened(document: dict[str, Any], encode: Callable[[dict[str, Any]], bytes]) -> dict[str, Any]:
    """As much of an error's document as a trailer takes: of a long one the innermost calls, which come last."""
    if len(encode(document)) <= MAX_TRAILER:
        return document
    short = document | {"errorMessage": document["errorMessage"][:MAX_MESSAGE], "stackTrace": []}
    for line in reversed(document["stackTrace"]):
        longer = short | {"stackTrace": [line, *short["stackTrace"]]}
        if len(encode(longer)) > MAX_TRAILER:
            break
        short = longer
    return short


def _nothing() -> None:
    """Nobody wants to know."""
