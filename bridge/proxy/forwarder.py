"""Proxy's transport: it waits for the web server, keeps to the deadline, and names the cause of a failure."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio

from bridge import invocation
from bridge._httpx import httpx
from bridge._messages import (
    WHOLE_RESPONSE,
    CompleteResponse,
    EventRequest,
    replace_headers,
    request_line,
    request_target,
)
from bridge.context_headers import headers_with_context
from bridge.deadline import remaining_seconds, time_left
from bridge.errors import MalformedEvent, OriginBroken, OriginLost, OriginTimeout, OriginUnreachable, SnapshotHookFailed
from bridge.path_guard import PathGuard
from bridge.proxy.server import Origin
from bridge.proxy.transport import SocketTransport
from bridge.responses import plain
from bridge.settings import initialization_type
from bridge.snapstart import RestoreWatch
from bridge.sources._path import quoted, unquoted

if TYPE_CHECKING:
    from bridge.proxy.process import OriginProcess
    from bridge.proxy.settings import OriginSettings

__all__ = ["Forwarder", "for_web_server"]

logger = logging.getLogger("bridge")

# How long the server has for its hooks around a snapshot, in seconds: Lambda Web Adapter's limit.
HOOK_LIMIT = 60.0


class Forwarder(httpx.AsyncBaseTransport):
    """A transport to a web server, and the owner of that server's life in this environment.

    `prepare` turns a decoded request into the one that goes out.
    """

    def __init__(
        self,
        settings: OriginSettings,
        process: OriginProcess | None,
        *,
        prepare: Callable[[httpx.Request], Awaitable[httpx.Request]],
    ) -> None:
        self.watch = RestoreWatch()
        # Under SnapStart no connection outlives its request, from the first one on: a snapshot may come at any time.
        idle_timeout = 0 if initialization_type() == "snap-start" else settings.pool_idle_timeout
        address = settings.address._asdict()
        self.transport = SocketTransport(**address, idle_timeout=idle_timeout, restored=self.watch.check)
        self._single = SocketTransport(**address)
        probe = SocketTransport(**settings.readiness_address._asdict())
        self.origin = Origin(settings, process, server=self._single, probe=probe)
        self._settings = settings
        self._guard = PathGuard(settings.before_checkpoint_path, settings.after_restore_path)
        self._prepare = prepare

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response as soon as its head has arrived; whole, if the request asks for that.

        Raises OriginError for a fault of the web server, MalformedEvent, and OriginLost. Reading the body raises the
        same.
        """
        request = await self._prepare(request)
        if self._guard.refuses(request_target(request)):
            logger.warning("%s: This is a hook path, which no client may ask for: 403.", request_line(request))
            return plain(403)
        limits = _Limits(self.origin, request)
        async with limits:
            response = await self._send(request)
        if not isinstance(response, CompleteResponse):
            limits.has_started = True
            response.stream = _LimitedBody(cast("httpx.AsyncByteStream", response.stream), limits)
        return response

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Send the request to a server that is ready; if that ends before there is a connection, to the next one."""
        await self.origin.ready()
        try:
            return await self.transport.handle_async_request(request)
        except httpx.ConnectError:
            await self.origin.check_after_failure()
            if self.origin.is_ready:
                raise
        await self.origin.ready()
        return await self.transport.handle_async_request(request)

    async def before_snapshot(self) -> None:
        """Call the server's hook before a snapshot. Raises SnapshotHookFailed."""
        await self._call_hook(self._settings.before_checkpoint_path)

    async def after_restore(self) -> None:
        """Stop using old connections, call the server's own hook, and wait until it is ready. Raises OriginError."""
        self.watch.tell("the runtime said so")
        await self._call_hook(self._settings.after_restore_path)
        await self.origin.wait_again()

    async def _call_hook(self, path: str) -> None:
        if not path:
            return
        host = self._settings.address.authority.encode("ascii", "replace")
        headers = [(b"host", host), (b"content-length", b"0")]
        request = EventRequest("POST", path.encode("ascii"), headers, b"", {})
        request.extensions[WHOLE_RESPONSE] = True
        try:
            with anyio.fail_after(HOOK_LIMIT):
                response = await self._single.handle_async_request(request)
        except TimeoutError:
            raise SnapshotHookFailed(f"POST {path}: the web server gave no answer in {HOOK_LIMIT:g} s.") from None
        except httpx.HTTPError as exc:
            raise SnapshotHookFailed(f"POST {path}: {exc}") from exc
        if not 200 <= response.status_code < 300:
            raise SnapshotHookFailed(f"POST {path}: expected a 2xx answer, but got {response.status_code}.")

    # The interface of a lifespan: startup starts the web server, shutdown stops it.
    state: dict[str, Any] | None = None
    is_lost = False  # a server outlives event loops
    is_here = True

    async def startup(self) -> None:
        """Start the web server, and wait until it is ready. Raises OriginNotStarted."""
        await self.origin.startup()

    async def shutdown(self) -> None:
        """Close the idle connections, and stop the server, if it is ours."""
        await self.transport.aclose()
        await self.origin.shutdown()


class _Limits:
    """One request's deadline, and the names of its failures. Entered for its head and for each part of its body.

    Under `python -m bridge.runtime` the runtime alone gives the invocation up and answers it. Then this only logs
    which request had no answer. Elsewhere it raises OriginTimeout.
    """

    __slots__ = ("_deadline", "_kept_by_runtime", "_origin", "_request", "_scope", "has_started")

    def __init__(self, origin: Origin, request: httpx.Request) -> None:
        self._origin = origin
        self._request = request
        self.has_started = False  # the response: an exception after that must itself name the request
        deadline = invocation.deadline.get()
        self._kept_by_runtime = deadline is not None
        self._deadline = _deadline(request, origin.settings.deadline_margin) if deadline is None else deadline

    async def __aenter__(self) -> None:
        self._scope = anyio.CancelScope(deadline=math.inf if self._kept_by_runtime else self._deadline)
        self._scope.__enter__()

    async def __aexit__(self, exc_type: Any, exc: BaseException | None, traceback: Any) -> None:
        self._scope.__exit__(exc_type, exc, traceback)
        if self._scope.cancelled_caught:
            raise OriginTimeout(self._what(_LATE)) from None
        if isinstance(exc, httpx.HTTPError):
            if not isinstance(exc, httpx.LocalProtocolError | httpx.ConnectError):
                await self._check_server()
            raise self._named(exc) from exc
        if isinstance(exc, OriginLost):
            self._log(_LOST)
        is_cancelled = isinstance(exc, anyio.get_cancelled_exc_class())
        if self._kept_by_runtime and is_cancelled and anyio.current_time() >= self._deadline:
            self._log(_LATE)

    async def _check_server(self) -> None:
        """Raise OriginLost if the request failed because the server ended for good."""
        try:
            with anyio.CancelScope(deadline=self._deadline):
                await self._origin.check_after_failure()
        except OriginLost:
            self._log(_LOST)
            raise

    def _log(self, text: str) -> None:
        logger.error("%s: %s", request_line(self._request), text)

    def _named(self, exc: httpx.HTTPError) -> Exception:
        if isinstance(exc, httpx.LocalProtocolError):
            return MalformedEvent(f"The request cannot be sent: {exc}")
        address = self._origin.settings.address
        if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
            return OriginUnreachable(f"There is no connection to {address}: {exc}")
        return OriginBroken(self._what(f"{address} gave no whole and valid response: {exc}"))

    def _what(self, text: str) -> str:
        return f"{request_line(self._request)}: {text}" if self.has_started else text


_LATE = "The web server had no answer in time: the invocation's deadline is near."
_LOST = "There is no answer, because the web server has ended."


class _LimitedBody(httpx.AsyncByteStream):
    """The parts of a body, each within the request's limits."""

    def __init__(self, stream: httpx.AsyncByteStream, limits: _Limits) -> None:
        self._stream = stream
        self._parts = aiter(stream)
        self._limits = limits

    # Not a generator, which would not be closed when its reader leaves early.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        async with self._limits:
            return await anext(self._parts)

    async def aclose(self) -> None:
        with suppress(httpx.HTTPError):  # the rest of the response is not wanted
            await self._stream.aclose()


async def for_web_server(request: httpx.Request, *, with_context: bool = True) -> httpx.Request:
    """Give `request` the path and headers for a web server, which gets no ASGI scope. `with_context`: the context too.

    A stage or mapping is not a part of the application's paths, and HTTP has no root_path for it. It is removed from
    the path and goes into x-forwarded-prefix. Clients' copies of the context headers are dropped.
    """
    root_path = (request.extensions.get("asgi") or {}).get("root_path")
    pairs = headers_with_context(request, with_context=with_context)
    if root_path and (rest := _below(root_path, request_target(request))) is not None:
        request.extensions["target"] = rest
        pairs.append((b"x-forwarded-prefix", quoted(root_path)))
    replace_headers(request, pairs)
    return request


def _below(root_path: str, target: bytes) -> bytes | None:
    """Return `target` without its first segments, if these spell `root_path`, percent-encoded as the client likes."""
    path, mark, query = target.partition(b"?")
    count = root_path.count("/") + 1
    *segments, rest = [*path.split(b"/", count), b""][: count + 1]
    if unquoted(b"/".join(segments).decode("latin-1")) != root_path:
        return None
    return b"/" + rest + mark + query


def _deadline(request: httpx.Request, margin: float) -> float:
    """Return when the client must be answered, on anyio's clock; infinity without a deadline."""
    seconds = remaining_seconds((request.extensions.get("asgi") or {}).get("aws.context"))
    return math.inf if seconds is None else anyio.current_time() + time_left(seconds, margin)[0]
