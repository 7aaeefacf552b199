"""A streamed response, which is posted while the application still sends it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming

    POST .../response                                  Transfer-Encoding: chunked, and two announced trailers
    {"statusCode": 200, ...} and 8 NUL bytes           the prelude: immediately, also if no body follows
    the body                                           each part as the application sends it
    trailers with an error's type and document         only if the application failed: the stream is not whole then
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from bridge.errors import ClientDisconnected
from bridge.runtime.api.connection import gone
from bridge.runtime.api.http import BrokenReply, chunk, last_chunk, read_reply
from bridge.runtime.invocations.stream_format import STREAM_HEADERS, encode_prelude, error_trailers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.runtime.api.connection import Connection
    from bridge.runtime.api.http import Pairs, Reply
    from bridge.runtime.api.vocabulary import Invocation

__all__ = ["StreamedAnswer"]

_CHUNK = 65536


class StreamedAnswer:
    """The stream of one invocation, from its head to the API's reply.

    Callbacks of the event loop write and read it. So a part whose sending has begun goes out whole, and an end is sent
    whole, even if the sending task is cancelled meanwhile.
    """

    def __init__(self, connection: Connection, invocation: Invocation) -> None:
        self._connection = connection
        self._invocation = invocation
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None  # while the connection is this stream's
        self._pending: list[bytes | memoryview] = []  # not accepted by the socket yet; no item is empty
        self._is_writing = False
        self._reader = read_reply()
        self._waiter: asyncio.Future[None] | None = None
        self._when_gone: Callable[[], object] = _nothing
        self.size = 0  # the bytes of the body so far
        self.is_started = False
        self.is_over = False  # its end is on the way, or it was broken off: nothing more may be sent
        self.is_gone = False  # its reader
        self._is_broken_off = False  # before its end
        self.reply: Reply | None = None  # of the API; if the reader has gone, it says why

    def when_gone(self, callback: Callable[[], object]) -> None:
        """Call `callback` once the reader has gone."""
        self._when_gone = callback

    async def start(self, prelude: Mapping[str, Any]) -> None:
        """Send the head and the prelude.

        Raises ResultTooLarge before anything was sent, RuntimeApiGone, and ClientDisconnected as `send`.
        """
        self._check_open()
        first = encode_prelude(prelude)
        try:
            if self._connection.is_open and _has_ended(self._connection.sock):
                self._connection.close()  # while the application took its time
            headers = [*STREAM_HEADERS, *self._invocation.echo]
            head = self._connection.head(b"POST", self._invocation.response_path, headers)
        except OSError as exc:
            raise gone(exc) from exc
        self.is_started = True
        self._socket = self._connection.sock
        next(self._reader)
        self._loop.add_reader(self._socket.fileno(), self._hear)
        self._put(head, *chunk(first))
        await self._drained()

    async def send(self, part: bytes) -> None:
        """Send a part of the body as one chunk, and wait until the socket has accepted it.

        Raises ClientDisconnected if the reader has gone.
        """
        self._check_open()
        if part:  # an empty chunk would be the end
            self.size += len(part)
            self._put(*chunk(part))
            await self._drained()

    async def finish(self) -> Reply:
        """Send the clean end. Raises ClientDisconnected if the reader has gone."""
        self._check_open()
        self._end([])
        return await self.replied()

    async def fail(self, document: dict[str, Any]) -> Reply:
        """End the stream as broken off, unless it has ended. `document`: that of the error.

        Raises ClientDisconnected if the reader has gone.
        """
        if not self.is_over:
            self._end(error_trailers(document))
        return await self.replied()

    async def replied(self) -> Reply:
        """Wait for the reply to the end. Raises ClientDisconnected if there is none."""
        while self.reply is None and self._socket is not None and not self.is_gone:
            await self._changed()
        self.close()  # as AWS asks for after a stream
        self._check_whole()
        assert self.reply is not None
        return self.reply

    def close(self) -> None:
        """Break the stream off, if it is not at its end. Idempotent."""
        self.is_over = True
        if self._socket is not None:
            self._is_broken_off = self.reply is None
            self._stop()
            self._socket = None
            self._connection.close()
            self._wake()

    def _check_open(self) -> None:
        self._check_whole()
        if self.is_over:
            raise ClientDisconnected("The stream of this invocation is over.")

    def _check_whole(self) -> None:
        if self.is_gone:
            raise ClientDisconnected("The caller of this invocation has gone.")
        if self._is_broken_off:
            raise ClientDisconnected("The stream of this invocation was broken off.")

    # Out.

    def _end(self, trailers: Pairs) -> None:
        self.is_over = True
        self._put(last_chunk(trailers))

    def _put(self, *pieces: bytes) -> None:
        if self._socket is not None and not self.is_gone:
            self._pending += pieces
            self._write()

    def _write(self) -> None:
        """Write as much as the socket accepts; the loop calls again when it accepts more."""
        assert self._socket is not None
        try:
            while self._pending:
                self._drop(self._socket.sendmsg(self._pending))
        except BlockingIOError:
            if not self._is_writing:
                self._is_writing = True
                self._loop.add_writer(self._socket.fileno(), self._write)
        except OSError:
            self._hear()  # why, if the API has said so
            self._lose()
        else:
            self._stop_writing()
            self._wake()

    def _drop(self, sent: int) -> None:
        while sent and sent >= len(self._pending[0]):
            sent -= len(self._pending.pop(0))
        if sent:
            self._pending[0] = memoryview(self._pending[0])[sent:]

    def _stop_writing(self) -> None:
        if self._is_writing and self._socket is not None:
            self._is_writing = False
            self._loop.remove_writer(self._socket.fileno())

    # In.

    def _hear(self) -> None:
        """Read a part of the reply, or the end of the connection."""
        assert self._socket is not None
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            self._reader.send(data)
        except StopIteration as done:
            self.reply = done.value
        except BrokenReply:
            pass
        else:
            return  # the rest follows
        if self.reply is None or not self.is_over:
            self._lose()
        else:  # it is the one to the end
            self._stop()
            self._wake()

    def _lose(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self._stop()
            self._wake()
            self._when_gone()

    # Either.

    def _stop(self) -> None:
        assert self._socket is not None
        self._pending.clear()
        self._stop_writing()
        self._loop.remove_reader(self._socket.fileno())

    async def _drained(self) -> None:
        while self._pending:
            await self._changed()
        self._check_whole()

    async def _changed(self) -> None:
        if self._waiter is None or self._waiter.done():
            self._waiter = self._loop.create_future()
        await asyncio.wait([self._waiter])  # if one task that waits is cancelled, the others wait on

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _has_ended(sock: socket.socket) -> bool:
    """Return whether the API has closed a connection or sent data unasked: then it cannot be used again."""
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _nothing() -> None:
    """Do nothing."""
