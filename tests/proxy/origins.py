"""Web servers of a few lines, each with one behaviour: a thread for each connection, over plain sockets.

Every byte that comes and goes is in a test's hands, and no event loop's: the same origin serves asyncio and trio.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, NamedTuple, Self

import anyio
import pytest

from bridge._httpx import httpx
from bridge._messages import WHOLE_RESPONSE, CompleteResponse, EventRequest, header_pairs
from bridge._types import HeaderPairs
from bridge.proxy.transport import SocketTransport

# Seconds that anything here may wait for anything: only a broken test gets that far.
LIMIT = 30.0

both_loops = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])

both_networks = pytest.mark.parametrize("network", ["tcp", "unix"])

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Gone(Exception):
    """The client has left: a script may just let it pass."""


class WireRequest(NamedTuple):
    """One request as it came over the wire; chunks are put together."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]


class Peer:
    """One connection, as the origin sees it. `number`: counted from 1. `received`: every byte of it."""

    def __init__(self, sock: socket.socket, number: int, origin: Origin) -> None:
        sock.settimeout(LIMIT)
        self.socket = sock
        self.number = number
        self.received = bytearray()
        self.requests: list[WireRequest] = []
        self.gone = threading.Event()  # the client has closed it
        self._origin = origin
        self._unread = b""

    def receive(self) -> bytes:
        """Return the next bytes. Raises Gone at the end."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.gone.set()
            raise Gone
        self.received += data
        return data

    def read_until(self, end: bytes) -> bytes:
        data = b""
        while end not in data:
            data += self.receive()
        found, _, rest = data.partition(end)
        self._unread = rest
        return found

    def read_exactly(self, size: int) -> bytes:
        parts = []
        while size > 0:
            data = self.receive()
            parts.append(data[:size])
            self._unread = data[size:]
            size -= len(data)
        return b"".join(parts)

    def read_head(self) -> WireRequest:
        """Read request line and headers, and leave the body unread."""
        line, *lines = self.read_until(b"\r\n\r\n").split(b"\r\n")
        headers = [(name, value.strip()) for name, _, value in (each.partition(b":") for each in lines)]
        return WireRequest(line, headers, b"")

    def read_request(self) -> WireRequest:
        """Return the next request with its body. Raises Gone if the client leaves before its end."""
        head = self.read_head()
        if head.values(b"transfer-encoding"):
            body = self._read_chunks()
        else:
            body = self.read_exactly(int((head.values(b"content-length") or [b"0"])[0]))
        request = head._replace(body=body)
        self.requests.append(request)
        self._origin.requests.append(request)
        return request

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.read_until(b"\r\n"), 16):
            parts.append(self.read_exactly(size))
            assert self.read_exactly(2) == b"\r\n"
        assert self.read_until(b"\r\n") == b""
        return b"".join(parts)

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except ConnectionError:
            self.gone.set()
            raise Gone from None

    def wait_until_gone(self) -> None:
        """Read on to the client's close."""
        while True:
            self.receive()

    def wait_until_read(self) -> None:
        """Wait until the client's socket has all that was sent, even if the client has not read it."""
        import fcntl
        import termios

        unsent = bytearray(4)
        while fcntl.ioctl(self.socket, termios.TIOCOUTQ, unsent) or any(unsent):
            self._origin.ended.wait(0.001)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Close with a reset instead of an orderly end. A UNIX socket does so if something was left unread."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Peer], None]


class Origin:
    """Runs `script` for every connection, and closes it afterwards. A script that fails makes the test fail."""

    def __init__(
        self, script: Script, network: str = "tcp", *, host: str = "127.0.0.1", receive_buffer: int | None = None
    ) -> None:
        self.peers: list[Peer] = []
        self.requests: list[WireRequest] = []
        self.ended = threading.Event()
        self._script = script
        self._network = network
        self._receive_buffer = receive_buffer
        self._host = host
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    @property
    def connections(self) -> int:
        return len(self.peers)

    async def peer(self, index: int) -> Peer:
        """Return a connection, which the client may have made a moment before it is accepted here."""
        with anyio.fail_after(LIMIT):
            while len(self.peers) <= index:
                await anyio.to_thread.run_sync(self.ended.wait, 0.001)
        return self.peers[index]

    def transport(self, *, idle_timeout: float = 4.0, restored: Callable[[], bool] = bool) -> SocketTransport:
        where: dict[str, Any] = (
            {"uds": self.path} if self._network == "unix" else {"host": self._host, "port": self.port}
        )
        return SocketTransport(**where, idle_timeout=idle_timeout, restored=restored)

    def __enter__(self) -> Self:
        if self._network == "unix":
            self._folder = tempfile.mkdtemp()
            self.path = os.path.join(self._folder, "origin.sock")
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self.path)
        else:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            self._listener = socket.create_server((self._host, 0), family=family)
            self.port = self._listener.getsockname()[1]
        if self._receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self._listener.listen(256)
        self._start(self._accept)
        return self

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(sock, len(self.peers) + 1, self)
            self.peers.append(peer)
            self._start(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        try:
            self._script(peer)
        except Gone:
            pass
        except BaseException as exc:
            if not self.ended.is_set():
                self._failures.append(exc)
        finally:
            peer.close()

    def refuse(self) -> None:
        """Listen no longer."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        self.ended.set()
        self.refuse()
        for peer in self.peers:
            with suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LIMIT)
        if self._network == "unix":
            shutil.rmtree(self._folder)
        if exc is None and self._failures:
            raise self._failures[0]


@asynccontextmanager
async def serving(
    script: Script,
    network: str = "tcp",
    *,
    host: str = "127.0.0.1",
    receive_buffer: int | None = None,
    **arguments: Any,
) -> AsyncIterator[tuple[Origin, SocketTransport]]:
    """An origin and a transport to it, which is made with `arguments` and closed first."""
    with Origin(script, network, host=host, receive_buffer=receive_buffer) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport(**arguments)) as transport:
            yield origin, transport


def answering(*answers: bytes) -> Script:
    """Answer a connection's requests with `answers` in order, and all later ones with the last."""

    def script(peer: Peer) -> None:
        for number in range(10_000):
            peer.read_request()
            peer.send(answers[min(number, len(answers) - 1)])

    return script


def response(body: bytes = b"", *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """Return a response on the wire, framed by content-length; `length`: another one than the body has."""
    size = len(body) if length is None else length
    return b"\r\n".join([b"HTTP/1.1 " + status, b"content-length: %d" % size, *headers, b"", body])


class Answer(NamedTuple):
    """A whole response, as a caller has it."""

    status_code: int
    headers: HeaderPairs
    body: bytes


OK_ANSWER = Answer(200, [(b"content-length", b"2")], b"ok")

_HOST: HeaderPairs = [(b"host", b"app.test")]


def make_request(
    method: str = "GET",
    target: bytes = b"/",
    headers: Sequence[tuple[bytes, bytes]] = _HOST,
    body: bytes = b"",
    *,
    timeout: float | None = None,
) -> EventRequest:
    """Return a request as a source decodes it: with a content-length where there is a body."""
    pairs = [*headers]
    if body:
        pairs.append((b"content-length", b"%d" % len(body)))
    request = EventRequest(method, target, pairs, body, {})
    if timeout is not None:
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    return request


Ask = Callable[..., Coroutine[Any, Any, Answer]]  # `send` and `stream`


async def send(transport: SocketTransport, request: httpx.Request | None = None, **fields: Any) -> Answer:
    """Send one request, and return its whole response."""
    request = request or make_request(**fields)
    request.extensions[WHOLE_RESPONSE] = True
    result = await transport.handle_async_request(request)
    assert isinstance(result, CompleteResponse)
    return Answer(result.status_code, result.raw_headers, result.body)


async def stream(transport: SocketTransport, request: httpx.Request | None = None, **fields: Any) -> Answer:
    """Send one request, and return its streamed response, read to its end and closed."""
    result = await transport.handle_async_request(request or make_request(**fields))
    try:
        body = b"".join([part async for part in parts_of(result)])
    finally:
        await result.aclose()
    return Answer(result.status_code, header_pairs(result), body)


def parts_of(result: httpx.Response) -> AsyncIterator[bytes]:
    assert isinstance(result.stream, httpx.AsyncByteStream)
    return aiter(result.stream)


async def seen(event: threading.Event) -> None:
    """Wait for an origin's event. Fails if it never comes."""
    assert await anyio.to_thread.run_sync(event.wait, LIMIT)
