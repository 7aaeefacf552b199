"""One keep-alive connection to the Runtime API, over a plain socket.

Each exchange is a generator that yields READ or WRITE when the socket is not ready. Its caller waits on the event
loop, or blocks if there is nothing else to do.

There is no time limit: the environment may be frozen for hours while a request for the next invocation is open. The
environment's proxy settings are ignored: the API is on this machine.
"""

from __future__ import annotations

import asyncio
import re
import select
import socket
from typing import TYPE_CHECKING, Any

from bridge.errors import RuntimeApiGone
from bridge.runtime.api.http import BrokenReply, Reply, read_reply, request_head

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bridge.runtime.api.http import Pairs

    Block = Callable[[socket.socket, int], None]
    Rest = Callable[[socket.socket, int], bool]

__all__ = ["READ", "WRITE", "Connection", "gone", "parse_address"]

READ, WRITE = select.POLLIN, select.POLLOUT

# In seconds, as in AWS's own clients: the API listens on this machine before this process starts.
CONNECT_TIMEOUT = 1.0

# In milliseconds: how long a wait without an event loop lasts before the interpreter checks for signals. One that
# arrives between its last check and the system call does not end that call, and the snapshot may take minutes.
SIGNAL_CHECK_INTERVAL = 100

_CHUNK = 65536

MAX_PORT = 65535


def parse_address(address: str) -> tuple[str, int]:
    """Return the host and the port of "127.0.0.1:9001". Raises RuntimeApiGone."""
    host, _, port = address.rpartition(":")
    is_host = host.isascii() and host.isprintable() and host != ""
    if not is_host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > MAX_PORT:
        names = "AWS_LAMBDA_RUNTIME_API or AWS_LWA_LAMBDA_RUNTIME_API_PROXY"
        raise RuntimeApiGone(f"Expected {names} to be 'host:port', but got {address!r:.100}.")
    return host.strip("[]"), int(port)


class Connection:
    """A connection for one exchange at a time. It connects on first use, and again after the API has closed it."""

    def __init__(self, address: tuple[str, int], *, user_agent: str) -> None:
        self._address, self._user_agent = address, user_agent
        host, port = address
        # RFC 9112, 3.2: a numeric IPv6 address needs brackets.
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._always: Pairs = [(b"host", authority.encode("ascii")), (b"user-agent", user_agent.encode("ascii"))]
        self._socket: socket.socket | None = None
        self._has_begun = False  # whether a part of the reply to the current request was read
        # `rest(socket, want)` may wait in the place of the event loop, where that has nothing to do; returns whether.
        self.rest: Rest | None = None

    def another(self) -> Connection:
        """Return a new connection to the same API."""
        return Connection(self._address, user_agent=self._user_agent)

    async def request(self, method: bytes, target: bytes, headers: Pairs, body: bytes = b"") -> Reply:
        """Make a request and return its reply, on the event loop. Raises RuntimeApiGone."""
        steps = self._exchange(method, target, headers, body)
        try:
            while True:
                want = next(steps)
                if self.rest is None or not self.rest(self.sock, want):
                    await self._ready(want)
        except StopIteration as done:
            reply: Reply = done.value
            return reply
        except BaseException:
            self.close()  # cancelled, or broken
            raise

    def request_blocking(
        self, method: bytes, target: bytes, headers: Pairs, body: bytes = b"", *, block: Block | None = None
    ) -> Reply:
        """Make a request and return its reply, without an event loop. Raises RuntimeApiGone.

        `block(socket, want)` waits for the socket; by default for the socket alone.
        """
        return self._run(self._exchange(method, target, headers, body), block or _block)

    def send_blocking(self, method: bytes, target: bytes, headers: Pairs) -> None:
        """Send a request whose reply is never read. Raises RuntimeApiGone."""
        try:
            self._connect()
            for want in self._send(request_head(method, target, [*self._always, *headers])):
                _block(self.sock, want)
        except OSError as exc:
            self.close()
            raise gone(exc) from exc

    def _run(self, steps: Generator[int, None, Reply], block: Block) -> Reply:
        try:
            while True:
                want = next(steps)
                block(self.sock, want)
        except StopIteration as done:
            reply: Reply = done.value
            return reply
        except BaseException:  # interrupted, or broken
            self.close()
            raise

    def _exchange(self, method: bytes, target: bytes, headers: Pairs, body: bytes) -> Generator[int, None, Reply]:
        """Send a request and read its reply; try once more on a new connection if a used one is dead."""
        data = request_head(method, target, [*self._always, *headers]) + body
        may_be_dead = self._socket is not None
        while True:
            try:
                self._connect()
                yield from self._send(data)
                return (yield from self._read_reply())
            except (OSError, BrokenReply) as exc:
                self.close()
                if not may_be_dead or self._has_begun:
                    raise gone(exc) from exc
                may_be_dead = False

    def _connect(self) -> None:
        self._has_begun = False
        if self._socket is None:
            try:
                self._socket = socket.create_connection(self._address, CONNECT_TIMEOUT)
            except UnicodeError as exc:  # a part of the host's name is empty or too long
                raise OSError(f"it cannot be at {self._address[0]:.100}: {exc}") from None
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setblocking(False)

    def _send(self, data: bytes) -> Generator[int, None, None]:
        """Send the request. Raises OSError."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self.sock.send(rest) :]
            except BlockingIOError:
                yield WRITE

    def _read_reply(self) -> Generator[int, None, Reply]:
        """Read the reply. Raises OSError and BrokenReply."""
        reader = read_reply()
        next(reader)
        while True:
            try:
                data = self.sock.recv(_CHUNK)
            except BlockingIOError:
                yield READ
                continue
            self._has_begun = self._has_begun or bool(data)
            try:
                reader.send(data)
            except StopIteration as done:
                reply: Reply = done.value
                if not reply.keeps_alive:
                    self.close()
                return reply

    def head(self, method: bytes, target: bytes, headers: Pairs) -> bytes:
        """Connect, and return the head of a request for a caller that sends it and reads the reply. Raises OSError."""
        self._connect()
        return request_head(method, target, [*self._always, *headers])

    @property
    def sock(self) -> socket.socket:
        """The socket of an open connection. Raises ConnectionResetError for one that is closed."""
        if self._socket is None:
            raise ConnectionResetError("the connection is closed")
        return self._socket

    @property
    def has_data(self) -> bool:
        """True if a part of the reply has arrived, even if it was not read yet."""
        try:
            return self._has_begun or self.sock.recv(1, socket.MSG_PEEK) != b""
        except OSError:  # nothing yet, or never
            return False

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def _ready(self, want: int) -> None:
        """Wait on the event loop until the socket can be read or written."""
        loop = asyncio.get_running_loop()
        fd = self.sock.fileno()
        waiter: asyncio.Future[None] = loop.create_future()
        add, remove = (loop.add_reader, loop.remove_reader) if want == READ else (loop.add_writer, loop.remove_writer)
        add(fd, _wake, waiter)
        try:
            await waiter
        finally:
            remove(fd)

    def close(self) -> None:
        """Close the connection. The next request connects again. Idempotent."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()


def _block(sock: socket.socket, want: int) -> None:
    poll = select.poll()
    poll.register(sock, want)
    while not poll.poll(SIGNAL_CHECK_INTERVAL):
        pass


def _wake(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def gone(exc: Exception) -> RuntimeApiGone:
    """Return the error for a connection that failed."""
    return RuntimeApiGone(f"The Runtime API is gone: {str(exc) or type(exc).__name__}.")
