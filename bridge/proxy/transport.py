"""httpx over a connection to a web server on this machine, TCP or UNIX."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from bridge._httpx import httpcore, httpx
from bridge._messages import CompleteResponse, header_pairs
from bridge.asgi.tasks import LoopReference
from bridge.proxy.headers import checked_method, framed, request_headers, response_headers, response_length
from bridge.proxy.network import CURRENT_ATTEMPT, Attempt, Network

if TYPE_CHECKING:
    from bridge._types import HeaderPairs

__all__ = ["ConnectionPolicy", "SocketTransport"]

logger = logging.getLogger("bridge")

# RFC 9110, 9.2.2: to send one of these twice is as good as once.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class ConnectionPolicy:
    """The seam that decides whether a request may use a connection that an earlier one left behind.

    `idle_timeout`: how long such a connection may have been idle, in seconds; 0 is never. `restored`: whether the
    process was restored from a snapshot: from then on every request gets a connection of its own, because nobody can
    tell any more how old a connection is.
    """

    __slots__ = ("_restored", "idle_timeout")

    def __init__(self, *, idle_timeout: float, restored: Callable[[], bool] = bool) -> None:
        self.idle_timeout = idle_timeout
        self._restored = restored

    def may_reuse(self) -> bool:
        """Asked once for every request."""
        return self.idle_timeout > 0 and not self._restored()


class SocketTransport(httpx.AsyncBaseTransport):
    """Forwards requests to a web server: an httpx transport, and a handler's.

    `host` and `port`, or `uds`: where it listens. The request-target goes out byte for byte as
    `request.extensions["target"]` has it, Host as the client sent it, and no hop-by-hop header does, either way.

    A request on a used connection that fails before one byte of the response came is sent once more, on a new
    connection, if that is safe: its method is idempotent, or the connection failed before any of its body was sent.

    Raises httpx's exceptions: ConnectError, ReadError, RemoteProtocolError for a response that is none or is cut
    short, LocalProtocolError for a request that may not be sent.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 80, uds: str | None = None, policy: ConnectionPolicy
    ) -> None:
        self._url = httpx.URL(scheme="http", host=host, port=port)
        self._host = self._url.netloc.decode("ascii")
        self._policy = policy
        self._uds = uds
        self._single = _Pool(uds=uds, idle_timeout=0)
        # One for each event loop, because httpcore's locks are a loop's own; a handler has one loop, mostly.
        self._pools: list[tuple[LoopReference, _Pool]] = []
        # The pools of the time before a restore. Nobody knows what their sockets lead to: they are closed at the end.
        self._dropped: list[_Pool] = []
        self._pid = os.getpid()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response as soon as its head has arrived."""
        wire = self._wire(request)
        status_code, headers, body, extensions = await self._respond(wire)
        return httpx.Response(status_code, headers=headers, stream=body, extensions=extensions)

    async def handle_buffered_request(self, request: httpx.Request) -> CompleteResponse:
        """The whole response."""
        wire = self._wire(request)
        status_code, headers, body, _ = await self._respond(wire)
        try:
            return CompleteResponse(status_code, headers, b"".join([part async for part in body]))
        finally:
            await body.aclose()

    async def check_connection(self) -> None:
        """Connect and leave at once. Raises ConnectError if nobody listens."""
        try:
            if self._uds is not None:
                stream = await Network().connect_unix_socket(self._uds)
            else:
                stream = await Network().connect_tcp(self._url.host, self._url.port or 80)
        except httpcore().ConnectError as exc:
            raise httpx.ConnectError(str(exc)) from exc
        await stream.aclose()

    def _wire(self, request: httpx.Request) -> _WireRequest:
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError(f"Expected a request with an asynchronous body, but got {type(request.stream).__name__}.")
        body = _whole(request)
        headers = request_headers(header_pairs(request), host=self._host)
        return _WireRequest(self._url, request, framed(headers, None if body is None else len(body)), body)

    async def _respond(self, wire: _WireRequest) -> tuple[int, HeaderPairs, _Body, dict[str, Any]]:
        response, attempt = await self._exchange(wire)
        raw = response.headers.raw
        try:
            headers = response_headers(raw)
        except httpx.RemoteProtocolError:
            await response.aclose()
            raise
        body = _Body(response, attempt, response_length(wire.method, response.status_code, headers))
        return response.status_code, headers, body, response.extensions

    async def _exchange(self, wire: _WireRequest) -> tuple[httpx.Response, Attempt]:
        """The response, and what is known of the connection it comes from."""
        if not self._policy.may_reuse():
            if self._pools:
                self._drop_pools()
            return await _attempt(self._single, wire, Attempt())
        if self._pid != os.getpid():  # a forked process: its parent goes on with these connections
            self._drop_pools()
            self._pid = os.getpid()
        pool = next((pool for loop, pool in self._pools if loop.is_here), None) or await self._new_pool()
        attempt = Attempt()
        try:
            return await _attempt(pool, wire, attempt)
        except (httpx.NetworkError, httpx.RemoteProtocolError) as exc:
            if isinstance(exc, httpx.ConnectError) or not _may_repeat(attempt, wire):
                raise
            logger.debug("Repeating %s on a new connection: the used one failed: %r", wire.method, exc)
        return await _attempt(self._single, wire, Attempt())

    async def _new_pool(self) -> _Pool:
        """For a loop that has none yet. What loops have left behind that are over is closed."""
        pool = _Pool(uds=self._uds, idle_timeout=self._policy.idle_timeout)
        over = [entry for entry in self._pools if entry[0].is_over]
        self._pools = [*(entry for entry in self._pools if entry not in over), (LoopReference(), pool)]
        for _, left in over:
            await left.aclose()
        return pool

    def _drop_pools(self) -> None:
        self._dropped += [pool for _, pool in self._pools]
        self._pools = []

    async def aclose(self) -> None:
        """Close the idle connections. Requests after that open new ones."""
        self._drop_pools()
        pools, self._dropped = self._dropped, []
        for pool in pools:
            await pool.aclose()


def _whole(request: httpx.Request) -> bytes | None:
    """The body, if it is there; None for a stream, which can be sent once."""
    try:
        return request.content
    except httpx.RequestNotRead:
        return None


def _may_repeat(attempt: Attempt, wire: _WireRequest) -> bool:
    """Whether the server cannot have acted on the request, or may well act on it twice."""
    if attempt.connected or attempt.received or not isinstance(wire.stream, _Whole):
        return False
    has_body = any(name == b"content-length" and value != b"0" for name, value in wire.headers.raw)
    return wire.method in _IDEMPOTENT or not attempt.written or (has_body and not attempt.sent_body)


async def _attempt(pool: _Pool, wire: _WireRequest, attempt: Attempt) -> tuple[httpx.Response, Attempt]:
    token = CURRENT_ATTEMPT.set(attempt)
    try:
        response = await pool.handle_async_request(wire)
    finally:
        CURRENT_ATTEMPT.reset(token)
    if not attempt.received:
        # It was there before the request: the rest of an earlier response, and nobody's answer.
        await response.aclose()
        raise httpx.RemoteProtocolError("The web server sent more than its last response announced.")
    return response, attempt


class _Pool(httpx.AsyncHTTPTransport):
    """httpx's transport over our own connections, as many at once as there are requests. `idle_timeout`: seconds."""

    def __init__(self, *, uds: str | None, idle_timeout: float) -> None:
        # Not the stock constructor: it loads TLS certificates for 20 ms, and has no argument for the network. `_pool`
        # is the one thing that it sets, in every release of httpx and httpx2 that we are tested with.
        self._pool = httpcore().AsyncConnectionPool(
            max_connections=None,
            max_keepalive_connections=None if idle_timeout else 0,
            keepalive_expiry=idle_timeout,
            uds=uds,
            network_backend=Network(),
        )


class _RawHeaders:
    """What a transport reads of `httpx.Headers`: the pairs as they go out."""

    __slots__ = ("raw",)

    def __init__(self, raw: HeaderPairs) -> None:
        self.raw = raw


class _Whole(httpx.AsyncByteStream):
    """A body in one part. httpx's own is a generator, which httpcore leaves behind when the connection breaks."""

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


class _WireRequest(httpx.Request):
    """What goes out: the parts of `httpx.Request` that httpx's transport reads, and no more."""

    def __init__(self, url: httpx.URL, request: httpx.Request, headers: HeaderPairs, body: bytes | None) -> None:
        self.method = checked_method(request.method)
        self.url = url
        self.headers: Any = _RawHeaders(headers)
        self.stream = request.stream if body is None else _Whole(body)
        self.extensions = {"target": request.extensions.get("target") or request.url.raw_path}
        timeout = request.extensions.get("timeout")
        if timeout is not None:
            self.extensions["timeout"] = timeout


class _Body(httpx.AsyncByteStream):
    """The body as it comes. Owns the response: closing it gives the connection back, or ends it."""

    def __init__(self, response: httpx.Response, attempt: Attempt, length: int | None) -> None:
        self._response = response
        self._attempt = attempt
        self._length = length
        self._parts: AsyncIterator[bytes] | None = None
        self._ended = False

    # Not a generator: nobody closes one that its reader left early.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._parts is None:
            self._parts = aiter(cast("httpx.AsyncByteStream", self._response.stream))
        try:
            return await anext(self._parts)
        except BaseException as exc:
            self._ended = True
            if isinstance(exc, StopAsyncIteration):
                self._check_end()
            raise

    def _check_end(self) -> None:
        """What came behind the end of this response must not be taken for the next request's."""
        stream = self._attempt.stream
        if stream is None or stream.is_spoilt:
            return
        if stream.head_length is None:  # with line ends of another kind
            stream.is_spoilt = True
        elif self._length is not None:
            stream.is_spoilt = stream.has_unread or self._attempt.received > stream.head_length + self._length
        else:
            stream.is_spoilt = stream.has_unread or not stream.ends_with_chunks
        if stream.is_spoilt and self._length is not None:
            logger.warning(
                "The web server sent more than the %d bytes that its response announced: they were dropped.",
                self._length,
            )

    async def aclose(self) -> None:
        await self._response.aclose()
        parts, self._parts = self._parts, None
        if parts is None or self._ended:
            return
        # httpcore's generators are nested, and only the outermost could be closed: on a closed connection all of them
        # come to their own end.
        with suppress(StopAsyncIteration, httpx.HTTPError, RuntimeError):
            while True:
                await anext(parts)
