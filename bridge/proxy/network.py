"""Connections to the web server, as httpcore wants them: plain sockets that do not block, on asyncio and trio.

httpcore's own backends write a request to its end before they look for a response: an answer that came before that is
lost, or both sides wait for each other. These streams listen while they write, and tell what happened on the wire,
which decides whether a failed request may be repeated. They belong to no event loop.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel

from bridge._httpx import httpcore

__all__ = ["CURRENT_ATTEMPT", "Attempt", "Network", "SocketStream"]

# RFC 9112, 2.2 and 6: what ends the head of a message.
_END_OF_HEAD = b"\r\n\r\n"

# RFC 9112, 7.1: what ends a body in chunks.
_LAST_CHUNK = b"0\r\n\r\n"

# How long to wait, in seconds, before the next try when a UNIX socket's backlog is full: the kernel does not say when
# there is room again.
_BACKLOG_PAUSE = 0.005

_EARLY_BYTES = 65536

# How many times in a row a connection may be read without waiting. Then others have their turn, and a deadline too.
MAX_READS = 4

# Before anyio 4.7 there were other names.
_WAITABLE = getattr(anyio, "wait_readable", None)
_wait_readable = anyio.wait_readable if _WAITABLE else anyio.wait_socket_readable
_wait_writable = anyio.wait_writable if _WAITABLE else anyio.wait_socket_writable


class Attempt:
    """What happened on the wire to one request: made by the transport, filled in by the connection that takes it.

    `connected`: a new connection was made for it. `written`: bytes handed to the kernel, of which `head` are the
    request line and headers. `received`: bytes of the response.
    """

    __slots__ = ("connected", "head", "received", "stream", "written")

    def __init__(self) -> None:
        self.connected = False
        self.head = self.written = self.received = 0
        self.stream: SocketStream | None = None

    @property
    def sent_body(self) -> bool:
        return self.written > self.head


CURRENT_ATTEMPT: ContextVar[Attempt | None] = ContextVar("bridge_attempt", default=None)


class SocketStream:
    """One connection: httpcore's AsyncNetworkStream."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._attempt: Attempt | None = None
        self._without_wait = 0  # reads in a row
        self._is_closed = self._is_waited_for = False
        self._early: list[bytes] = []  # what was received while a request was being sent
        self._head: bytes | None = b""  # what came of the response's head; None once it has ended
        self.head_length: int | None = None  # of the response, once its head has ended; None if that was not found
        self._informational = 0  # the length of informational responses before it
        self._tail = b""  # the last bytes that were read
        self._last = b""
        self._is_answered = False
        self._unsent: memoryview | None = None  # of a request that was answered before it was sent
        self._parser: Any = None  # of what came while a request was being sent
        # What this connection still has to say belongs to no request: it must not be used again.
        self.is_spoilt = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._early.pop(0) if self._early else await self._receive(max_bytes, timeout)
        if self._attempt is not None:
            self._attempt.received += len(data)
        if self._head is not None:
            self._find_end_of_head(data)
        self._tail, self._last = self._last[-len(_LAST_CHUNK) + 1 :], data
        return data

    @property
    def has_unread(self) -> bool:
        """Whether more was received than was read."""
        return bool(self._early)

    @property
    def ends_with_chunks(self) -> bool:
        """Whether what was read last ends where its first last chunk ends. Not sure means no."""
        window = self._tail + self._last
        end = window.find(_LAST_CHUNK)
        return end >= 0 and end + len(_LAST_CHUNK) == len(window)

    async def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        try:
            data = self._socket.recv(max_bytes)
        except BlockingIOError:
            self._without_wait = 0
            return await self._receive_later(max_bytes, timeout)
        except OSError as exc:
            raise httpcore().ReadError(str(exc)) from exc
        self._without_wait += 1
        if self._without_wait % MAX_READS == 0:
            await anyio.lowlevel.checkpoint()
        return data

    async def _receive_later(self, max_bytes: int, timeout: float | None) -> bytes:
        try:
            with anyio.fail_after(timeout), _Wait(self):
                if self._unsent:
                    await self._receive_while_sending()
                while True:
                    await _wait_readable(self._socket)
                    try:
                        return self._socket.recv(max_bytes)
                    except BlockingIOError:
                        continue
        except TimeoutError as exc:
            raise httpcore().ReadTimeout(f"Nothing was received for {timeout} s.") from exc
        except (OSError, anyio.ClosedResourceError) as exc:
            raise httpcore().ReadError(str(exc)) from exc

    def _find_end_of_head(self, data: bytes) -> None:
        """For the transport, which compares the length of the whole response with what it announced."""
        head = self._head + data if self._head else data
        end = head.find(_END_OF_HEAD)
        if 0 <= head.find(b"\n\n") < end or 0 <= head.find(b"\n\r\n") < end:
            self._head = None  # it ended before that, with line ends of another kind
            return
        if end < 0:
            self._head = head
            return
        end += len(_END_OF_HEAD)
        if head[9:10] == b"1" and head[9:12] != b"101":  # an informational response: the next head comes behind it
            self._informational += end
            self._head = b""
            self._find_end_of_head(head[end:])
            return
        self._head, self.head_length = None, self._informational + end

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises WriteError also if a response came and the rest is not wanted: httpcore then reads it."""
        if not buffer:
            return
        attempt = CURRENT_ATTEMPT.get()
        if attempt is not self._attempt:
            self._begin(attempt, len(buffer))
        try:
            sent = self._socket.send(buffer)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            raise httpcore().WriteError(str(exc)) from exc
        if self._attempt is not None:
            self._attempt.written += sent
        if sent < len(buffer):
            await self._write_rest(memoryview(buffer)[sent:], timeout)

    def _begin(self, attempt: Attempt | None, head: int) -> None:
        """A new request on this connection, whose head is the first that is written."""
        self._attempt = attempt
        self._head, self.head_length, self._informational = b"", None, 0
        self._parser, self._is_answered, self._unsent = None, False, None
        if attempt is not None:
            attempt.stream, attempt.head = self, head

    async def _write_rest(self, rest: memoryview, timeout: float | None) -> None:
        """Raises WriteError once an answer comes: what is left to send then goes out while that is read."""
        try:
            with anyio.fail_after(timeout), _Wait(self):
                while rest:
                    await self._wait_until_writable()
                    if self._is_answered:
                        self._unsent = rest
                        raise httpcore().WriteError("The web server answers before it has read the request.")
                    rest = rest[self._send(rest) :]
        except TimeoutError as exc:
            raise httpcore().WriteTimeout(f"Nothing could be sent for {timeout} s.") from exc
        except (OSError, anyio.ClosedResourceError) as exc:
            raise httpcore().WriteError(str(exc)) from exc

    def _send(self, data: memoryview) -> int:
        """How much the kernel took. Raises OSError."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return 0
        if self._attempt is not None:
            self._attempt.written += sent
        return sent

    async def _wait_until_writable(self) -> None:
        """Until there is room, or an answer. Raises WriteError if the web server has closed the connection."""
        while not self._is_answered and not await self._wait_for_either():
            try:
                data = self._socket.recv(_EARLY_BYTES)
            except BlockingIOError:
                continue
            except OSError as exc:
                raise httpcore().WriteError(str(exc)) from exc
            if not data:
                raise httpcore().WriteError("The web server closed the connection before it had read the request.")
            self._early.append(data)
            self._look_for_an_answer(data)

    def _look_for_an_answer(self, data: bytes) -> None:
        """Is it one, or only an informational response, after which the server reads on?"""
        import h11  # beneath httpcore, so it is there

        if self._parser is None:
            self._parser = h11.Connection(h11.CLIENT)
            self._parser.send(h11.Request(method="POST", target="/", headers=[("host", "a"), ("content-length", "0")]))
            self._parser.send(h11.EndOfMessage())
        try:
            self._parser.receive_data(data)
            while not self._is_answered:
                event = self._parser.next_event()
                if event is h11.NEED_DATA:
                    return
                self._is_answered = event is h11.PAUSED or isinstance(event, h11.Response)
        except h11.RemoteProtocolError:
            self._is_answered = True

    async def _wait_for_either(self) -> bool:
        """Until the socket takes data (True) or has some (False)."""
        writable = False

        async def watch() -> None:
            await _wait_readable(self._socket)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await _wait_writable(self._socket)
            writable = True
            group.cancel_scope.cancel()
        return writable

    async def _receive_while_sending(self) -> None:
        """Until there is something to receive, or nothing left to send. Both sides may be in the middle of a body."""
        while self._unsent and not self._is_readable():
            if not await self._wait_for_either():
                return
            try:
                self._unsent = self._unsent[self._send(self._unsent) :]
            except OSError:  # it reads no more; its answer may be here all the same
                self._unsent = None

    async def aclose(self) -> None:
        self._is_closed = True
        if self._is_waited_for:
            # Another task waits for it: it wakes up, and closes it. Until then its number may be no other socket's.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        else:
            self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self.is_spoilt or self._is_readable()
        if info == "socket":
            return self._socket
        if info == "client_addr":
            return self._socket.getsockname()
        if info == "server_addr":
            return self._socket.getpeername()
        return None

    def _is_readable(self) -> bool:
        """Whether an idle connection has something to say, which can only be that it is over."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


class _Wait:
    """As long as a task waits for the socket, it stays open. Raises ClosedResourceError if it was closed meanwhile."""

    __slots__ = ("_stream",)

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        self._stream._is_waited_for = True

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: object) -> None:
        stream = self._stream
        stream._is_waited_for = False
        if stream._is_closed:
            stream._socket.close()
            if exc is None:
                raise anyio.ClosedResourceError


class Network:
    """httpcore's AsyncNetworkBackend: makes the connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> SocketStream:
        try:
            with anyio.fail_after(timeout):
                return _connected(await _connect_to_any(host.strip("[]"), port))
        except TimeoutError as exc:
            raise httpcore().ConnectTimeout(f"No connection within {timeout} s.") from exc
        except OSError as exc:
            raise httpcore().ConnectError(str(exc)) from exc

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> SocketStream:
        try:
            with anyio.fail_after(timeout):
                return _connected(await _connect_to_path(path))
        except TimeoutError as exc:
            raise httpcore().ConnectTimeout(f"No connection within {timeout} s.") from exc
        except OSError as exc:
            raise httpcore().ConnectError(str(exc)) from exc

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


def _connected(sock: socket.socket) -> SocketStream:
    attempt = CURRENT_ATTEMPT.get()
    if attempt is not None:
        attempt.connected = True
    return SocketStream(sock)


async def _connect_to_any(host: str, port: int) -> socket.socket:
    """The first address of `host` that answers. Raises the OSError of the last one."""
    family = _literal_family(host)
    if family is not None:
        return await _connect_tcp(family, (host, port))
    error: OSError = OSError(f"The host {host!r} has no address.")
    for found, _, _, _, address in await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            return await _connect_tcp(found, address)
        except OSError as exc:
            error = exc
    raise error


def _literal_family(host: str) -> socket.AddressFamily | None:
    """The family of an IP address; None for a name, which must be looked up first."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return family
    return None


async def _connect_tcp(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # A head and a body are two writes, and the second must not wait for the first one's acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(address)
        except BlockingIOError:
            if not _is_connected(sock):
                await _wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code)) from None
    except BaseException:
        sock.close()
        raise
    return sock


def _is_connected(sock: socket.socket) -> bool:
    """On loopback it is at once, and need not wait for a turn of the event loop."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


async def _connect_to_path(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(path)
                return sock
            except BlockingIOError:  # the backlog is full
                await anyio.sleep(_BACKLOG_PAUSE)
    except BaseException:
        sock.close()
        raise
