"""An httpx transport to a web server on this machine, over TCP or a UNIX socket."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bridge._httpx import httpcore, httpx
from bridge._messages import (
    WHOLE_RESPONSE,
    CompleteResponse,
    async_body,
    header_pairs,
    read_whole,
    request_line,
    request_target,
)
from bridge.asgi.tasks import LoopReference
from bridge.proxy.headers import checked_method, checked_target, framed, request_headers, response_headers
from bridge.proxy.network import CURRENT_ATTEMPT, Attempt, Network

__all__ = ["SocketTransport"]

logger = logging.getLogger("bridge")

# RFC 9110, 9.2.2: to send one of these twice has the same effect as once.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})

# How long the connection of a request that cannot be repeated may have been idle, in seconds. The server must not be
# about to close it: common servers do so after 2 s (gunicorn) or more.
FRESH = 1.0

# The longest text of an exception, in characters: some quote what the server has sent.
_MAX_TEXT = 300


class SocketTransport(httpx.AsyncBaseTransport):
    """An httpx transport that sends requests to a web server through httpcore's connection pool.

    `host` and `port`, or `uds`: the server's address. The request-target goes out byte for byte as
    `request.extensions["target"]` has it, and Host as the client sent it. Hop-by-hop headers are not passed on, in
    either direction.

    `idle_timeout`: how long a connection may have been idle and be used again, in seconds; 0 gives every request a
    connection of its own. So does `restored`, once it returns True: it is asked once for each request. After a restore
    from a snapshot the age of a connection is not known (see `bridge.snapstart`).

    A request on a used connection that fails before a byte of the response arrives is sent once more, on a new
    connection, if its method is idempotent (RFC 9110, 9.2.2) and its body is bytes, or if not one byte of it had been
    sent. Any other request must not be sent twice. So that it does not fail either, it gets a connection that has been
    idle for less than FRESH seconds, or a new one.

    Raises httpx's exceptions: ConnectError, ReadError, RemoteProtocolError for a response that is invalid, cut short or
    too large to be read whole, LocalProtocolError for a request that may not be sent.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 80,
        uds: str | None = None,
        idle_timeout: float = 0,
        restored: Callable[[], bool] = bool,
    ) -> None:
        self._url = httpx.URL(scheme="http", host=host, port=port)
        self._uds = uds
        self._idle_timeout = idle_timeout
        self._restored = restored
        self._single = self._make_pool(0)
        # One for each event loop, because httpcore's locks belong to a loop. A handler usually has one loop.
        self._pools: list[tuple[LoopReference, Any]] = []
        # The pools from before a restore. The state of their sockets is unknown: they are closed at the end.
        self._dropped: list[Any] = []
        self._pid = os.getpid()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response as soon as its head has arrived; whole, if the request asks for that."""
        response, attempt = await self._exchange(request)
        body = _Body(response, attempt, request)
        try:
            headers = response_headers(response.headers)
        except httpx.RemoteProtocolError:
            await body.aclose()
            raise
        if not request.extensions.get(WHOLE_RESPONSE):
            return httpx.Response(response.status, headers=headers, stream=body, extensions=response.extensions)
        try:
            return CompleteResponse(response.status, headers, await read_whole(body))
        finally:
            await body.aclose()

    async def check_connection(self) -> None:
        """Connect, and close the connection. Raises ConnectError if nothing listens."""
        with _httpx_errors():
            if self._uds is not None:
                stream = await Network().connect_unix_socket(self._uds)
            else:
                stream = await Network().connect_tcp(self._url.host, self._url.port or 80)
        await stream.aclose()

    def _wire(self, request: httpx.Request) -> Any:
        """Return the httpcore.Request that goes out. Raises LocalProtocolError."""
        stream = async_body(request)
        try:
            body: bytes | None = request.content
        except httpx.RequestNotRead:  # a stream, which can be sent once
            body = None
        headers = request_headers(header_pairs(request), host=self._url.netloc)
        url = httpcore().URL(
            scheme=b"http",
            host=self._url.raw_host,
            port=self._url.port,
            target=checked_target(request.method, request_target(request)),
        )
        timeout = request.extensions.get("timeout")
        return httpcore().Request(
            checked_method(request.method),
            url,
            headers=framed(headers, None if body is None else len(body)),
            content=stream if body is None else _Whole(body),
            extensions={} if timeout is None else {"timeout": timeout},
        )

    async def _exchange(self, request: httpx.Request) -> tuple[Any, Attempt]:
        """Send the request. Return the httpcore.Response, and the record of the wire."""
        wire = self._wire(request)
        if not self._idle_timeout or self._restored():
            self._drop_pools()
            return await _attempt(self._single, wire)
        is_repeatable = wire.method in _IDEMPOTENT and isinstance(wire.stream, _Whole)
        attempt = Attempt(wire.method.decode("ascii"), max_idle=math.inf if is_repeatable else FRESH)
        try:
            return await _attempt(await self._pool(), wire, attempt)
        except (httpx.NetworkError, httpx.RemoteProtocolError) as exc:
            if isinstance(exc, httpx.ConnectError) or attempt.connected or attempt.received:
                raise
            if not is_repeatable and (attempt.written or not isinstance(wire.stream, _Whole)):
                raise
            logger.debug("%s: Repeated on a new connection: the used one failed: %r", request_line(request), exc)
        return await _attempt(self._single, wire)

    async def _pool(self) -> Any:
        """Return the pool of this event loop. Those of loops that are over are closed."""
        if self._pid != os.getpid():  # a forked process: its parent goes on with these connections
            self._drop_pools()
            self._pid = os.getpid()
        for loop, pool in self._pools:
            if loop.is_here:
                return pool
        over = [entry for entry in self._pools if entry[0].is_over]
        pool = self._make_pool(self._idle_timeout)
        self._pools = [*(entry for entry in self._pools if entry not in over), (LoopReference(), pool)]
        for _, left in over:
            await left.aclose()
        return pool

    def _make_pool(self, idle_timeout: float) -> Any:
        """Return an httpcore.AsyncConnectionPool with as many connections as there are requests."""
        return httpcore().AsyncConnectionPool(
            max_connections=None,
            max_keepalive_connections=None if idle_timeout else 0,
            keepalive_expiry=idle_timeout,
            uds=self._uds,
            network_backend=Network(),
        )

    def _drop_pools(self) -> None:
        self._dropped += [pool for _, pool in self._pools]
        self._pools = []

    async def aclose(self) -> None:
        """Close the idle connections. Requests after that open new ones."""
        self._drop_pools()
        pools, self._dropped = self._dropped, []
        for pool in pools:
            await pool.aclose()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Translate httpcore's exceptions: httpx has the same names. Each has a text."""
    core = httpcore()
    try:
        yield
    except (core.NetworkError, core.ProtocolError, core.TimeoutException, core.UnsupportedProtocol) as exc:
        name = type(exc).__name__
        raise getattr(httpx, name)(str(exc)[:_MAX_TEXT] or name) from exc


async def _attempt(pool: Any, wire: Any, attempt: Attempt | None = None) -> tuple[Any, Attempt]:
    attempt = attempt or Attempt(wire.method.decode("ascii"))
    token = CURRENT_ATTEMPT.set(attempt)
    try:
        with _httpx_errors():
            return await pool.handle_async_request(wire), attempt
    finally:
        CURRENT_ATTEMPT.reset(token)


class _Whole(httpx.AsyncByteStream):
    """A body in one part. httpx's own is a generator, which httpcore leaves open when the connection breaks."""

    __slots__ = ("_part",)

    def __init__(self, body: bytes) -> None:
        self._part: bytes | None = body or None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Whole(self._part or b"")  # from the start: the request may be sent once more

    async def __anext__(self) -> bytes:
        part, self._part = self._part, None
        if part is None:
            raise StopAsyncIteration
        return part


class _Body(httpx.AsyncByteStream):
    """The body as it arrives. Owns the response: closing it returns the connection to the pool, or closes that."""

    def __init__(self, response: Any, attempt: Attempt, request: httpx.Request) -> None:
        self._response = response
        self._attempt = attempt
        self._request = request
        self._parts: AsyncIterator[bytes] | None = None
        self._ended = False

    # Not a generator, which would not be closed when its reader leaves early.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._parts is None:
            self._parts = aiter(self._response.stream)
        try:
            with _httpx_errors():
                return await anext(self._parts)
        except BaseException as exc:
            self._ended = True
            if isinstance(exc, StopAsyncIteration) and self._attempt.end.has_surplus:
                what = request_line(self._request)
                logger.warning("%s: The web server sent more than its response announced: it was dropped.", what)
            raise

    async def aclose(self) -> None:
        await self._response.aclose()
        parts, self._parts = self._parts, None
        if parts is None or self._ended:
            return
        # httpcore's generators are nested, and only the outermost could be closed: on a closed connection all of them
        # come to their own end.
        with suppress(StopAsyncIteration, httpx.HTTPError, RuntimeError), _httpx_errors():
            while True:
                await anext(parts)
