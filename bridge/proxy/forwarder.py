"""What Proxy does around a socket: waits for the web server, keeps to the deadline, says whose fault a failure is."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from bridge._httpx import httpx
from bridge._messages import WHOLE_RESPONSE, CompleteResponse, EventRequest, header_pairs, replace_headers
from bridge.errors import (
    MalformedEvent,
    OriginBroken,
    OriginTimeout,
    OriginUnreachable,
    SnapshotHookFailed,
)
from bridge.proxy.context_headers import context_headers, without_context_headers
from bridge.proxy.server import HookGuard, Origin
from bridge.proxy.transport import ConnectionPolicy, SocketTransport
from bridge.settings import initialization_type
from bridge.snapstart import RestoreWatch
from bridge.sources._path import quoted

if TYPE_CHECKING:
    from bridge._types import HeaderPairs
    from bridge.proxy.server import Address, OriginProcess, OriginSettings

__all__ = ["Forwarder", "for_web_server"]

logger = logging.getLogger("bridge")

T = TypeVar("T")

# How long before the invocation's deadline the client is answered, in seconds: time to encode the answer and to post
# it, before Lambda ends the environment.
DEADLINE_MARGIN = 0.25

# How long the server has for what it does around a snapshot, in seconds: Lambda Web Adapter's limit.
HOOK_LIMIT = 60.0


class Forwarder(httpx.AsyncBaseTransport):
    """A handler's transport to a web server, and that server's whole life in this environment.

    `prepare` makes of a decoded event what goes out.
    """

    def __init__(
        self,
        settings: OriginSettings,
        process: OriginProcess | None,
        *,
        prepare: Callable[[httpx.Request], Awaitable[httpx.Request]],
        watch: RestoreWatch | None = None,
    ) -> None:
        self.watch = watch or RestoreWatch()
        # Under SnapStart no connection outlives its request, from the first one on: a snapshot may come at any time.
        idle_timeout = 0.0 if initialization_type() == "snap-start" else settings.pool_idle_timeout
        policy = ConnectionPolicy(idle_timeout=idle_timeout, restored=self.watch.check)
        self.transport = _transport(settings.address, policy)
        self._single = _transport(settings.address, ConnectionPolicy(idle_timeout=0))
        if settings.readiness_address == settings.address:
            probe = self._single
        else:
            probe = _transport(settings.readiness_address, ConnectionPolicy(idle_timeout=0))
        self.origin = Origin(settings, process, probe)
        self._settings = settings
        self._guard = HookGuard(settings.before_checkpoint_path, settings.after_restore_path)
        self._prepare = prepare

    async def handle_buffered_request(
        self, request: httpx.Request, finished: Callable[[CompleteResponse], None] | None = None
    ) -> CompleteResponse:
        """The whole response; nothing is left to do behind it.

        Raises OriginError for what the web server did wrong, and OriginLost.
        """
        request = await self._prepare(request)
        if self._guard.refuses(_target(request)):
            return _forbidden(request)
        async with _Limits(self.origin, request):
            return await self._send(self.transport.handle_buffered_request, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response as soon as its head has arrived. Reading its body raises the same errors."""
        if request.extensions.get(WHOLE_RESPONSE):
            return await self.handle_buffered_request(request)
        request = await self._prepare(request)
        if self._guard.refuses(_target(request)):
            return _forbidden(request)
        limits = _Limits(self.origin, request)
        async with limits:
            response = await self._send(self.transport.handle_async_request, request)
        response.stream = _LimitedBody(cast("httpx.AsyncByteStream", response.stream), limits)
        return response

    async def _send(self, send: Callable[[httpx.Request], Awaitable[T]], request: httpx.Request) -> T:
        """Send it to a server that is ready; once more to the next one, if there was none to connect to any more."""
        await self.origin.ready()
        try:
            return await send(request)
        except httpx.ConnectError:
            await self.origin.check_after_failure()
            if self.origin.is_ready:
                raise
        await self.origin.ready()
        return await send(request)

    async def before_snapshot(self) -> None:
        """Raises SnapshotHookFailed."""
        await self._call_hook(self._settings.before_checkpoint_path)

    async def after_restore(self) -> None:
        """New connections first, then the server's own hook, then readiness. Raises OriginError."""
        self.watch.tell("the runtime said so")
        await self._call_hook(self._settings.after_restore_path)
        await self.origin.wait_again()

    async def _call_hook(self, path: str) -> None:
        if not path:
            return
        host = self._settings.address.authority.encode("ascii", "replace")
        headers = [(b"host", host), (b"content-length", b"0")]
        request = EventRequest("POST", path.encode("ascii"), headers, b"", {})
        try:
            with anyio.fail_after(HOOK_LIMIT):
                response = await self._single.handle_buffered_request(request)
        except TimeoutError:
            raise SnapshotHookFailed(f"POST {path}: the web server gave no answer in {HOOK_LIMIT:g} s.") from None
        except httpx.HTTPError as exc:
            raise SnapshotHookFailed(f"POST {path}: {_reason(exc)}") from exc
        if not 200 <= response.status_code < 300:
            raise SnapshotHookFailed(f"POST {path}: expected a 2xx answer, but got {response.status_code}.")

    # To a handler, the web server's life is what an application's lifespan is.
    state: dict[str, Any] | None = None
    is_lost = False  # a server outlives event loops
    is_here = True

    async def startup(self) -> None:
        """Raises OriginNotStarted."""
        await self.origin.startup()

    async def shutdown(self) -> None:
        """Close the idle connections, and stop the server, if it is ours."""
        await self.transport.aclose()
        await self.origin.shutdown()


class _Limits:
    """One request's deadline, and the names of its failures. Entered for its head and for each part of its body."""

    __slots__ = ("_deadline", "_origin", "_request", "_scope")

    def __init__(self, origin: Origin, request: httpx.Request) -> None:
        self._origin = origin
        self._request = request
        self._deadline = _deadline(request)

    async def __aenter__(self) -> None:
        self._scope = anyio.CancelScope(deadline=self._deadline)
        self._scope.__enter__()

    async def __aexit__(self, exc_type: Any, exc: BaseException | None, traceback: Any) -> None:
        self._scope.__exit__(exc_type, exc, traceback)
        if self._scope.cancelled_caught:
            raise OriginTimeout(f"{self._what} had no answer in time: the invocation's deadline is near.") from None
        if isinstance(exc, httpx.HTTPError):
            if not isinstance(exc, httpx.LocalProtocolError | httpx.ConnectError):
                with anyio.CancelScope(deadline=self._deadline):
                    await self._origin.check_after_failure()
            raise self._named(exc) from exc

    def _named(self, exc: httpx.HTTPError) -> Exception:
        if isinstance(exc, httpx.LocalProtocolError):
            return MalformedEvent(f"{self._what} cannot be sent: {exc}")
        if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
            return OriginUnreachable(f"{self._what}: no connection to {self._origin.settings.address}: {_reason(exc)}")
        return OriginBroken(f"{self._what}: {self._origin.settings.address} broke off: {_reason(exc)}")

    @property
    def _what(self) -> str:
        path = _target(self._request).partition(b"?")[0][:100].decode("latin-1")
        return f"{self._request.method[:20]} {path}"


class _LimitedBody(httpx.AsyncByteStream):
    """The parts of a body, each within the request's limits."""

    def __init__(self, stream: httpx.AsyncByteStream, limits: _Limits) -> None:
        self._stream = stream
        self._parts = aiter(stream)
        self._limits = limits

    # Not a generator: nobody closes one that its reader left early.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        async with self._limits:
            return await anext(self._parts)

    async def aclose(self) -> None:
        with suppress(httpx.HTTPError):  # nobody reads what it still had to say
            await self._stream.aclose()


async def for_web_server(request: httpx.Request) -> httpx.Request:
    """What a web server gets: its own part of the path, and headers for what an ASGI scope would tell.

    A stage or mapping is no part of the application's paths, and a web server has no root_path to say so. It is taken
    off and goes into x-forwarded-prefix. Clients' copies of these headers are dropped.
    """
    scope = request.extensions.get("asgi") or {}
    prefix = quoted(scope.get("root_path") or "")
    pairs = without_context_headers(_without_nominated(header_pairs(request)))
    target = _target(request)
    if prefix and target.startswith(prefix) and target[len(prefix) :][:1] in (b"/", b"?", b""):
        rest = target[len(prefix) :]
        request.extensions["target"] = rest if rest.startswith(b"/") else b"/" + rest
        pairs.append((b"x-forwarded-prefix", prefix))
    pairs += context_headers(scope.get("aws.event") or {}, scope.get("aws.context"))
    replace_headers(request, pairs)
    return request


def _without_nominated(pairs: HeaderPairs) -> HeaderPairs:
    """Without what the client's Connection names, before ours are added: it must not name those."""
    named = {item.strip().lower() for name, value in pairs if name == b"connection" for item in value.split(b",")}
    if not named:
        return pairs
    named = {b"connection", *named} - {b"content-length", b"host"}
    return [pair for pair in pairs if pair[0] not in named]


def _transport(address: Address, policy: ConnectionPolicy) -> SocketTransport:
    if address.uds is not None:
        return SocketTransport(uds=address.uds, policy=policy)
    return SocketTransport(host=address.host, port=address.port, policy=policy)


def _target(request: httpx.Request) -> bytes:
    target: bytes = request.extensions.get("target") or request.url.raw_path
    return target


def _deadline(request: httpx.Request) -> float:
    """When the client must be answered, on anyio's clock; infinity without a deadline."""
    context = (request.extensions.get("asgi") or {}).get("aws.context")
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    milliseconds = remaining() if callable(remaining) else None
    if not isinstance(milliseconds, int | float):
        return math.inf
    return anyio.current_time() + milliseconds / 1000 - DEADLINE_MARGIN


def _forbidden(request: httpx.Request) -> CompleteResponse:
    logger.warning("A client asked for a hook path: %.200r was answered with 403.", _target(request))
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"9")]
    return CompleteResponse(403, headers, b"Forbidden")


def _reason(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
