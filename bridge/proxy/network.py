"""Connections to the web server for httpcore: plain non-blocking sockets, on asyncio and trio.

httpcore's own backends send a request to its end before they read: the answer of a server that does not read all of it
is lost, or both sides wait for each other. These streams listen while they send. They also record what happened on the
wire, which decides whether a failed request may be repeated. They belong to no event loop.
"""

from __future__ import annotations

import errno
import math
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel

from bridge._httpx import httpcore
from bridge.proxy.response_end import ResponseEnd

__all__ = ["CURRENT_ATTEMPT", "Attempt", "Network", "SocketStream"]

# The pause before the next try, in seconds, when a UNIX socket's backlog is full: the kernel does not say when there is
# room again.
_BACKLOG_PAUSE = 0.005

# anyio 4.7 renamed them.
_IS_NEW = hasattr(anyio, "wait_readable")
_wait_readable = anyio.wait_readable if _IS_NEW else anyio.wait_socket_readable
_wait_writable = anyio.wait_writable if _IS_NEW else anyio.wait_socket_writable


class Attempt:
    """The record of one request on the wire. The transport makes it, and the request's connection fills it in.

    `max_idle`: for how long a connection may have been idle to be used for it, in seconds. `connected`: a new
    connection was made for it. `written`: bytes handed to the kernel. `received`: bytes of the response. `end`: whether
    they are all of it.
    """

    __slots__ = ("connected", "end", "max_idle", "received", "written")

    def __init__(self, method: str = "GET", *, max_idle: float = math.inf) -> None:
        self.max_idle = max_idle
        self.connected = False
        self.written = self.received = 0
        self.end = ResponseEnd(has_body=method != "HEAD")


CURRENT_ATTEMPT: ContextVar[Attempt | None] = ContextVar("bridge_attempt", default=None)


class SocketStream:
    """One connection: an httpcore.AsyncNetworkStream."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._attempt = Attempt()
        self._active_at = _now()
        self._unsent: deque[memoryview] = deque()
        self._is_closed = self._is_waited_for = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next bytes, b"" at the end. Meanwhile send the rest of the request.

        A head is returned once all of it has arrived.
        """
        while True:
            data = await self._receive(max_bytes, timeout)
            self._attempt.received += len(data)
            try:
                passed = self._attempt.end.feed(data)
            except ValueError as exc:
                raise httpcore().RemoteProtocolError(f"The response has {exc}.") from None
            if passed:
                return passed
            if not data:
                self._check_end()
                return data

    def _check_end(self) -> None:
        if self._attempt.received and not self._attempt.end.has_head:
            raise httpcore().RemoteProtocolError("The server disconnected before the end of its response's head.")

    async def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        try:
            data = self._socket.recv(max_bytes)
            await anyio.lowlevel.checkpoint()  # a large body must leave turns to others, and to a deadline
        except BlockingIOError:
            data = await self._receive_later(max_bytes, timeout)
            self._active_at = _now()  # it has just arrived. What was here already may be old.
        except OSError as exc:
            raise httpcore().ReadError(str(exc)) from exc
        return data

    async def _receive_later(self, max_bytes: int, timeout: float | None) -> bytes:
        with self._waiting(timeout, httpcore().ReadTimeout, httpcore().ReadError):
            while True:
                if self._unsent:
                    await self._wait_for_either()
                else:
                    await _wait_readable(self._socket)
                try:
                    self._send()
                except OSError:  # the server reads no more, but its answer may have arrived
                    self._unsent.clear()
                with suppress(BlockingIOError):
                    return self._socket.recv(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send. Return once all is sent, or once there is something to read: `read` sends the rest."""
        if not buffer:
            return
        attempt = CURRENT_ATTEMPT.get()
        if attempt is not None and attempt is not self._attempt:
            self._attempt, self._active_at = attempt, _now()
        self._unsent.append(memoryview(buffer))
        try:
            self._send()
        except OSError as exc:
            raise httpcore().WriteError(str(exc)) from exc
        if self._unsent:
            with self._waiting(timeout, httpcore().WriteTimeout, httpcore().WriteError):
                while self._unsent and not self._is_readable():
                    await self._wait_for_either()
                    self._send()

    def _send(self) -> None:
        """Give the kernel as much as it accepts."""
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent[0])
            except BlockingIOError:
                return
            self._attempt.written += sent
            rest = self._unsent.popleft()[sent:]
            if rest:
                self._unsent.appendleft(rest)

    async def _wait_for_either(self) -> None:
        """Wait until the socket accepts data or has some."""

        async def wait(ready: Callable[[Any], Any]) -> None:
            await ready(self._socket)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(wait, _wait_readable)
            group.start_soon(wait, _wait_writable)

    @contextmanager
    def _waiting(self, timeout: float | None, timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
        """Keep the socket open while this task waits for it, even if another task closes the connection meanwhile."""
        self._is_waited_for = True
        try:
            with _failures(timeout, timed_out, failed):
                yield
                if self._is_closed:
                    raise OSError("The connection was closed.")
        finally:
            self._is_waited_for = False
            if self._is_closed:
                self._socket.close()

    async def aclose(self) -> None:
        self._is_closed = True
        if self._is_waited_for:
            # By another task, which wakes up and closes it. Until then no other socket may get its number.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        else:
            self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # httpcore asks for it before it uses an idle connection again, and closes that if so
            return bool(self._unsent) or not self._attempt.end.is_exact or self._is_too_old() or self._is_readable()
        return self._socket if info == "socket" else None

    def _is_too_old(self) -> bool:
        """Return whether the server may have been idle for longer than the request that asks allows, on any clock."""
        asking = CURRENT_ATTEMPT.get()
        if asking is None or asking.max_idle == math.inf:
            return False
        return any(now - then > asking.max_idle for now, then in zip(_now(), self._active_at, strict=True))

    def _is_readable(self) -> bool:
        """Return whether there are bytes, the end of the connection or an error to read."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except OSError as exc:
            return not isinstance(exc, BlockingIOError)
        return True


def _now() -> tuple[float, float]:
    """Return the time on both clocks: after a snapshot or a freeze one of them may not show all that has passed."""
    return time.monotonic(), time.time()


class Network:
    """The maker of connections: an httpcore.AsyncNetworkBackend."""

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, **_: Any) -> SocketStream:
        with _failures(timeout, httpcore().ConnectTimeout, httpcore().ConnectError):
            return _connected(await _connect_to_any(host, port))

    async def connect_unix_socket(self, path: str, timeout: float | None = None, **_: Any) -> SocketStream:
        with _failures(timeout, httpcore().ConnectTimeout, httpcore().ConnectError):
            return _connected(await _connect(socket.AF_UNIX, path))


@contextmanager
def _failures(timeout: float | None, timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Translate exceptions into httpcore's own."""
    try:
        with anyio.fail_after(timeout):
            yield
    except TimeoutError as exc:
        raise timed_out(f"Nothing happened for {timeout} s.") from exc
    except OSError as exc:
        raise failed(str(exc)) from exc


def _connected(sock: socket.socket) -> SocketStream:
    attempt = CURRENT_ATTEMPT.get()
    if attempt is not None:
        attempt.connected = True
    return SocketStream(sock)


async def _connect_to_any(host: str, port: int) -> socket.socket:
    """Connect to the first address of `host` that answers. Raises the OSError of the last one."""
    error = OSError(f"The host {host!r} has no address.")
    for family, _, _, _, address in await _addresses(host, port):
        try:
            return await _connect(family, address)
        except OSError as exc:
            error = exc
    raise error


async def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    try:  # an IP address needs no thread that asks a name server
        return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)]
    except socket.gaierror:
        return [*await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except UnicodeError as exc:
        raise OSError(f"The host {host!r:.200} is not a host name: {exc}") from exc


async def _connect(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family != socket.AF_UNIX:
            # Head and body are two writes, and the second must not wait for the first one's acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        while family == socket.AF_UNIX and code == errno.EAGAIN:  # the backlog is full
            await anyio.sleep(_BACKLOG_PAUSE)
            code = sock.connect_ex(address)
        if code == errno.EINPROGRESS:
            await _wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
