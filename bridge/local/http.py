"""A small HTTP/1.1 server for the Runtime API: with trailers, which ASGI does not have, and polls that may take days.

h11 does the protocol; it comes with uvicorn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import h11

__all__ = ["Disconnected", "HttpServer", "Reply", "Request"]

_READ_SIZE = 64 << 10

# In bytes: awslambdaric describes an error in a header of up to 1 MiB.
_MAX_HEAD = 2 << 20


class Disconnected(Exception):
    """Raised when the client closed its connection in the middle of a request."""


@dataclass(frozen=True)
class Reply:
    """A reply with a whole body. Header names are in lower case."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)


class Request:
    """One request. `headers` and `trailers` by name in lower case; trailers are known after the body."""

    def __init__(self, connection: _Connection, head: h11.Request) -> None:
        self._connection = connection
        self.method = head.method.decode("ascii")
        self.path = head.target.decode("latin-1").partition("?")[0]
        self.headers = _mapping(head.headers)
        self.trailers: dict[str, str] = {}
        self.is_read = False

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the parts of the body as they come. Raises Disconnected."""
        while not self.is_read:
            event = await self._connection.event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.trailers, self.is_read = _mapping(event.headers), True
            else:
                raise Disconnected

    async def body(self) -> bytes:
        return b"".join([part async for part in self.parts()])

    async def wait_until_gone(self) -> None:
        """Return when the client closes its connection. Only after the body."""
        await self._connection.wait_until_gone()


def _mapping(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


Handle = Callable[[Request], Awaitable[Reply]]


class HttpServer:
    """A server on a free loopback port, from `start` to `close`. `handle` returns the reply to a request."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.address = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_READ_SIZE)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await _Connection(reader, writer).serve(self._handle)
        except (Disconnected, ConnectionError, asyncio.CancelledError):
            pass  # of `close` alone, which is all that has the task
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)

    async def serve(self, handle: Handle) -> None:
        while isinstance(head := await self.event(), h11.Request):
            request = Request(self, head)
            reply = await handle(request)
            async for _ in request.parts():
                pass  # what a refusal left unread
            await self._send(reply)
            if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
                return
            self._h11.start_next_cycle()

    async def _send(self, reply: Reply) -> None:
        headers = [*reply.headers, ("content-length", str(len(reply.body)))]
        head = h11.Response(status_code=reply.status, headers=[(n.encode(), v.encode("latin-1")) for n, v in headers])
        for event in (head, h11.Data(data=reply.body), h11.EndOfMessage()):
            self._writer.write(self._h11.send(event) or b"")
        await self._writer.drain()

    async def event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Raises Disconnected for what is not HTTP, or ends too early."""
        while (event := self._next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._h11.send(go_on) or b"")
            self._h11.receive_data(await self._read())
        return event

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(_READ_SIZE)
        except ConnectionError as exc:
            raise Disconnected from exc

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as exc:
            raise Disconnected from exc

    async def wait_until_gone(self) -> None:
        with suppress(ConnectionError):
            while data := await self._reader.read(_READ_SIZE):
                self._h11.receive_data(data)  # the next request, early
