"""One keep-alive connection to the Runtime API: HTTP/1.1 with h11 over a plain socket.

Each exchange is one generator that yields what it waits for. Whoever runs it waits as it likes: on the event loop,
or by blocking, where nothing else is to be done.

No time limit: the environment may be frozen for hours while a request for the next invocation is open. And no proxy,
whatever the environment says: the API is on this machine.
"""

from __future__ import annotations

import asyncio
import select
import socket
from typing import TYPE_CHECKING, NamedTuple

import h11

from bridge.errors import RuntimeApiGone

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Block = Callable[[socket.socket, int], None]

__all__ = ["READ", "WRITE", "Connection", "Reply", "parse_address"]

READ, WRITE = select.POLLIN, select.POLLOUT

# In seconds, as AWS's own clients have it: the API listens on this machine before this process starts.
CONNECT_TIMEOUT = 1.0

# In bytes. The headers of an invocation carry the client context, of 3,583 bytes at most, and the trace.
MAX_HEAD = 65536

_CHUNK = 65536

Pairs = list[tuple[bytes, bytes]]


class Reply(NamedTuple):
    """What the API said. `headers`: lower-case names."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def parse_address(address: str) -> tuple[str, int]:
    """ "127.0.0.1:9001" taken apart. Raises RuntimeApiGone."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise RuntimeApiGone(f"Expected AWS_LAMBDA_RUNTIME_API to be 'host:port', but got {address!r:.100}.")
    return host.strip("[]"), int(port)


class Connection:
    """Connects when it is used, and again when the API has closed it meanwhile. One exchange at a time."""

    def __init__(self, address: tuple[str, int], *, user_agent: str) -> None:
        self._address = address
        host, port = address
        # RFC 9112, 3.2: what a numeric IPv6 address needs brackets for.
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._always: Pairs = [(b"host", authority.encode("ascii")), (b"user-agent", user_agent.encode("ascii"))]
        self._socket: socket.socket | None = None
        self._http: h11.Connection

    async def request(self, method: bytes, target: bytes, headers: Pairs, body: bytes = b"") -> Reply:
        """One exchange, on the event loop. Raises RuntimeApiGone."""
        return await self._run(self._exchange(method, target, headers, body))

    async def reply(self) -> Reply:
        """The reply to a request that went out in parts. Raises RuntimeApiGone."""
        try:
            return await self._run(self.read_reply())
        except (OSError, h11.RemoteProtocolError) as exc:
            raise gone(exc) from exc

    async def _run(self, steps: Generator[int, None, Reply]) -> Reply:
        try:
            while True:
                await self._ready(next(steps))
        except StopIteration as done:
            reply: Reply = done.value
            return reply
        except BaseException:
            self.close()  # cancelled in the middle of it, or broken
            raise
        finally:
            steps.close()

    def request_blocking(
        self, method: bytes, target: bytes, headers: Pairs, body: bytes = b"", *, block: Block | None = None
    ) -> Reply:
        """One exchange, without an event loop. `block(socket, want)` waits in its own way. Raises RuntimeApiGone."""
        steps = self._exchange(method, target, headers, body)
        try:
            while True:
                want = next(steps)
                (block or _block)(self.sock, want)
        except StopIteration as done:
            reply: Reply = done.value
            return reply
        except BaseException:
            self.close()
            raise
        finally:
            steps.close()

    def send_blocking(self, method: bytes, target: bytes, headers: Pairs) -> None:
        """Send a request whose reply nobody waits for. Raises RuntimeApiGone."""
        try:
            head = self.head(method, target, headers)
            self._http.send(h11.EndOfMessage())
            for want in self.send(head):
                _block(self.sock, want)
        except OSError as exc:
            raise gone(exc) from exc

    def _exchange(self, method: bytes, target: bytes, headers: Pairs, body: bytes) -> Generator[int, None, Reply]:
        """Send a request and read its reply; once more on a new connection, if a used one turns out to be dead."""
        is_used = self._socket is not None
        try:
            return (yield from self._once(method, target, headers, body))
        except (OSError, h11.RemoteProtocolError) as exc:
            self.close()
            if not is_used:
                raise gone(exc) from exc
        try:
            return (yield from self._once(method, target, headers, body))
        except (OSError, h11.RemoteProtocolError) as exc:
            raise gone(exc) from exc

    def _once(self, method: bytes, target: bytes, headers: Pairs, body: bytes) -> Generator[int, None, Reply]:
        http = self.open()
        request = h11.Request(method=method, target=target, headers=[*self._always, *headers])
        data = http.send(request) or b""
        if body:
            data += http.send(h11.Data(data=body)) or b""
        http.send(h11.EndOfMessage())
        yield from self.send(data)
        return (yield from self.read_reply())

    def open(self) -> h11.Connection:
        """The state of a connection that can take a request. Raises OSError."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, CONNECT_TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setblocking(False)
            self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        return self._http

    def head(self, method: bytes, target: bytes, headers: Pairs) -> bytes:
        """The head of a request whose body is to follow in parts. Raises OSError."""
        request = h11.Request(method=method, target=target, headers=[*self._always, *headers])
        return self.open().send(request) or b""

    def send(self, data: bytes | bytearray) -> Generator[int, None, None]:
        """Raises OSError."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                yield WRITE

    def read_reply(self) -> Generator[int, None, Reply]:
        """Raises OSError, and h11.RemoteProtocolError for what is no whole reply."""
        response: h11.Response | None = None
        parts: list[bytes] = []
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                yield from self._receive()
            elif type(event) is h11.Data:
                parts.append(event.data)
            elif type(event) is h11.Response:
                response = event
            elif type(event) is h11.EndOfMessage:
                break
            elif type(event) is h11.ConnectionClosed:
                raise ConnectionResetError("it closed the connection without an answer")
        assert response is not None  # h11 gives no end without a beginning
        self._finish()
        return Reply(response.status_code, dict(response.headers), parts[0] if len(parts) == 1 else b"".join(parts))

    def _receive(self) -> Generator[int, None, None]:
        while True:
            try:
                data = self.sock.recv(_CHUNK)
            except BlockingIOError:
                yield READ
            else:
                self._http.receive_data(data)
                return

    def _finish(self) -> None:
        """After a reply: ready for the next request, if both sides let it."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.close()

    @property
    def sock(self) -> socket.socket:
        """The socket of an open connection."""
        if self._socket is None:
            raise ConnectionResetError("the connection is closed")
        return self._socket

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def _ready(self, want: int) -> None:
        """Wait on the event loop until the socket can be read or written."""
        loop = asyncio.get_running_loop()
        fd = self.sock.fileno()
        waiter = loop.create_future()
        add, remove = (loop.add_reader, loop.remove_reader) if want == READ else (loop.add_writer, loop.remove_writer)
        add(fd, _wake, waiter)
        try:
            await waiter
        finally:
            remove(fd)

    def close(self) -> None:
        """Idempotent; the next request connects again."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()


def _block(sock: socket.socket, want: int) -> None:
    poll = select.poll()
    poll.register(sock, want)
    poll.poll()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def gone(exc: Exception) -> RuntimeApiGone:
    """The error for a connection that failed."""
    return RuntimeApiGone(f"The Runtime API is gone: {str(exc) or type(exc).__name__}.")
