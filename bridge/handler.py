"""The spine: a Lambda event to an httpx request, through a transport, and the httpx response to a Lambda result."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from bridge._httpx import httpx
from bridge._messages import CompleteResponse, EventRequest, header_pairs, replace_headers
from bridge.asgi import DirectTransport
from bridge.asgi.lifespan import make_lifespan
from bridge.environment import Environment
from bridge.errors import (
    ApplicationCancelled,
    ConfigurationError,
    InvalidMessage,
    MalformedEvent,
    UnsupportedEvent,
)
from bridge.responses import (
    BodyParts,
    StreamedResponse,
    cancel_response,
    close_response,
    completed,
    error_status,
    failed_response,
    plain,
)
from bridge.settings import Settings, in_lambda
from bridge.sources import DEFAULT_SOURCES, Source, select_source
from bridge.sources._response import encode_prelude

if TYPE_CHECKING:
    from bridge._types import ASGIApp, Event, Lifespan, LifespanMode, Result, SnapshotMode, Transport
    from bridge.proxy.forwarder import Forwarder

__all__ = ["Bridge", "Handler"]

logger = logging.getLogger("bridge")

T = TypeVar("T")

# As much of a reason as tells something; more could be the client's own text.
_MAX_REASON = 200


class Handler:
    """A Lambda handler: `handler(event, context)`. Shared by concurrent invocations, and holds nothing of any."""

    def __init__(
        self,
        transport: Transport,
        *,
        new_lifespan: Callable[[], Lifespan],
        sources: Iterable[Source],
        settings: Settings | None,
        snapshot: SnapshotMode = "keep-lifespan",
    ) -> None:
        self._transport = transport
        self._sources = _checked_sources(sources)
        self._settings = _checked_settings(settings)
        self._environment = Environment(new_lifespan)
        if in_lambda():
            self._register_snapshot_hooks(snapshot)
            self._environment.start_in_init_phase()

    def _register_snapshot_hooks(self, snapshot: SnapshotMode) -> None:
        """Whoever has something to do around a snapshot does it on the handler's own event loop."""
        owner = self._environment if snapshot == "restart-lifespan" else self._transport
        before, after = (getattr(owner, name, None) for name in ("before_snapshot", "after_restore"))
        if before is None or after is None:
            return
        from bridge.snapstart import register_hooks

        run = self._environment.run_around_snapshot
        register_hooks(before_snapshot=lambda: run(before), after_restore=lambda: run(after))

    def __call__(self, event: Event, context: Any) -> Result:
        """Answer one invocation, on the handler's own event loop. From several threads at once, calls overlap there.

        Raises as `handle` does, RunningLoopError inside a running event loop, and LoopClosedError after `close()`.
        """
        environment = self._environment
        loop = environment.loop
        loop.check_callable()
        if environment.lifespan is None or environment.lifespan.is_lost:
            loop.run(environment.start())
        source = select_source(event, self._sources)
        # Decoding and encoding need no event loop: the fewer coroutines, the less an invocation costs.
        response = self._decode(source, event, context)
        if not isinstance(response, CompleteResponse):
            response = loop.run(self._respond(response))
        return self._encode(source, response, event)

    async def handle(self, event: Event, context: Any) -> Result:
        """Answer one invocation, on the caller's event loop. `context` may be anything; it is the application's.

        The application runs in the caller's task: a context variable that it sets stays set for the caller, and calls
        that are to go on side by side need a task each.

        Raises UnsupportedEvent for an event that is no HTTP request, StartupFailed, and what a source of your own
        raises in its encode(). Everything else that goes wrong is logged and answered: 400 for a broken event, 500 for
        a broken application. What is no Exception passes through.
        """
        await self._started()
        source = select_source(event, self._sources)
        response = self._decode(source, event, context)
        if not isinstance(response, CompleteResponse):
            response = await self._respond(response)
        return self._encode(source, response, event)

    async def _answer(self, event: Event, context: Any, result: asyncio.Future[Result]) -> None:
        """Answer one invocation as `handle` does, with an application that may work on after its answer.

        `result` gets what `handle` returns, or raises once it encodes that, as soon as the application has sent its
        last message. The call returns when the application has ended; what it raises after its answer is logged.
        """

        def finish(response: CompleteResponse) -> None:
            if result.done():
                return
            try:
                result.set_result(self._encode(source, response, event))
            except Exception as exc:  # not the application's, whose send() this is called in
                result.set_exception(exc)

        await self._started()
        source = select_source(event, self._sources)
        response = self._decode(source, event, context)
        if not isinstance(response, CompleteResponse):
            response = await self._respond(response, finish)
        finish(response)

    def _can_stream(self, event: Event) -> bool:
        """Whether the service that sent `event` takes a stream; others want one result, whatever the mode is."""
        try:
            return bool(getattr(select_source(event, self._sources), "streams", False))
        except UnsupportedEvent:
            return False

    def _substitute(self, event: Event, status_code: int, text: str = "") -> Result:
        """The result that stands for the application's own: 504 when time is over, 500 if that is too large.

        Raises UnsupportedEvent, ErrorStatus if that status is set to fail the invocation, and what a source of your
        own raises in its encode().
        """
        return self._encode(select_source(event, self._sources), plain(status_code, text), event)

    def _substitute_stream(self, status_code: int, text: str = "") -> tuple[Result, bytes]:
        """The same as the prelude and the body of a stream. Raises ErrorStatus."""
        response = plain(status_code, text)
        self._check_status(response)
        return encode_prelude(response.status_code, response.raw_headers), response.body

    def _encode(self, source: Source, response: CompleteResponse, event: Event) -> Result:
        self._check_status(response)
        try:
            return source.encode(response, event, self._settings)
        except InvalidMessage as exc:
            failed = failed_response(exc)
        self._check_status(failed)
        return source.encode(failed, event, self._settings)

    def _check_status(self, response: CompleteResponse) -> None:
        if response.status_code in self._settings.error_status_codes:
            raise error_status(response)

    async def _respond(
        self, request: httpx.Request, finished: Callable[[CompleteResponse], None] | None = None
    ) -> CompleteResponse:
        try:
            return await self._transport.handle_buffered_request(request, finished)
        except Exception as exc:
            return failed_response(exc)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # From inside the application: it awaited a task that somebody cancelled. Out of here it would end the
            # whole process, because awslambdaric takes no CancelledError for an answer.
            return failed_response(ApplicationCancelled())

    def _decode(self, source: Source, event: Event, context: Any) -> httpx.Request | CompleteResponse:
        """The request, or the response to a broken event."""
        try:
            request = source.decode(event, self._settings)
        except MalformedEvent as exc:
            logger.error("A malformed %s event: %s", source.name, exc)
            return plain(exc.status_code)
        except Exception as exc:
            _log_undecoded(source, exc)
            return plain(400)
        if not isinstance(request, EventRequest):
            _check_request(request, source)
        if self._settings.authorization_source:
            _move_authorization(request, self._settings.authorization_source.encode("ascii"))
        scope = request.extensions["asgi"] = request.extensions.get("asgi") or {}
        scope["aws.event"] = event
        scope["aws.context"] = context
        lifespan = self._environment.lifespan
        if lifespan is not None and lifespan.state is not None:
            scope["state"] = lifespan.state.copy()
        return request

    def stream(self, event: Event, context: Any) -> AbstractAsyncContextManager[StreamedResponse]:
        """`async with handler.stream(event, context) as response`: the response while the application sends it.

        Leaving the block early tells the application that its reader has gone; leaving it after the last part waits
        for the application to end. Raises as `handle` does.
        """
        return self._stream(event, context)

    @asynccontextmanager
    async def _stream(self, event: Event, context: Any) -> AsyncIterator[StreamedResponse]:
        await self._started()
        source = select_source(event, self._sources)
        response, prelude, method = await self._open(source, event, context)
        try:
            if response.status_code in self._settings.error_status_codes:
                try:
                    whole = await completed(response)
                except Exception as exc:
                    whole = failed_response(exc)
                raise error_status(whole)
            yield StreamedResponse(prelude, BodyParts(response, method))
        except asyncio.CancelledError:
            cancel_response(response)
            raise
        finally:
            await close_response(response)

    async def _open(self, source: Source, event: Event, context: Any) -> tuple[httpx.Response, dict[str, Any], str]:
        request = self._decode(source, event, context)
        if isinstance(request, CompleteResponse):
            return request, encode_prelude(request.status_code, request.raw_headers), ""
        try:
            response = await self._transport.handle_async_request(request)
        except Exception as exc:
            failed = failed_response(exc)
            return failed, encode_prelude(failed.status_code, failed.raw_headers), request.method
        try:
            return response, encode_prelude(response.status_code, header_pairs(response)), request.method
        except InvalidMessage as exc:
            await close_response(response)
            failed = failed_response(exc)
            return failed, encode_prelude(failed.status_code, failed.raw_headers), request.method

    async def __aenter__(self) -> Self:
        """Run the application's startup on the caller's event loop, if it was not run yet."""
        await self._started()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Run the application's shutdown, on the event loop that ran its startup."""
        await self._environment.stop()

    async def _started(self) -> None:
        environment = self._environment
        if environment.lifespan is None or environment.lifespan.is_lost:
            await environment.start()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` to its end on the handler's own event loop: for a runtime that answers many events there."""
        return self._environment.loop.run(coroutine)

    @property
    def _runs_in_process(self) -> bool:
        """Whether the application is called in this process, or reached over a socket."""
        return isinstance(self._transport, DirectTransport)

    def _start_in_worker(self) -> None:
        """In a process that was forked since the handler was made, and that serves from now on: its startup.

        Raises StartupFailed.
        """
        self._environment.start_in_worker()

    def close(self) -> None:
        """Run the application's shutdown on the handler's own event loop, and close that loop. Idempotent.

        Raises ShutdownFailed, and RunningLoopError inside a running event loop. A lifespan that `async with handler`
        or `await handler.handle(...)` started belongs to that event loop, and `async with` ends it.
        """
        self._environment.close()


class Bridge(Handler):
    """Any ASGI application as a Lambda handler, in the function's own process.

    `lifespan`: "auto" runs the application's lifespan if it has one, "on" insists on it, "off" leaves it out. In
    Lambda startup runs here, in the init phase; elsewhere before the first request. `snapshot`: "restart-lifespan"
    shuts the application down before a SnapStart snapshot and starts it again after each restore, so that no
    connection that it opened itself can be stale then; "keep-lifespan" leaves it running. `sources`: the event sources
    to try, in this order. `settings`: `Settings()` by default, which reads the environment.

    Raises ConfigurationError, and in Lambda StartupFailed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lifespan: LifespanMode = "auto",
        snapshot: SnapshotMode = "keep-lifespan",
        sources: Iterable[Source] = DEFAULT_SOURCES,
        settings: Settings | None = None,
    ) -> None:
        if not callable(app):
            raise ConfigurationError(
                f"Expected an ASGI application, but got {type(app).__name__}, which is no callable."
            )
        if lifespan not in ("auto", "on", "off"):
            raise ConfigurationError(f"The argument lifespan is {lifespan!r}; expected 'auto', 'on' or 'off'.")
        if snapshot not in ("keep-lifespan", "restart-lifespan"):
            raise ConfigurationError(
                f"The argument snapshot is {snapshot!r}; expected 'keep-lifespan' or 'restart-lifespan'."
            )
        self.app = app
        settings = _checked_settings(settings)
        forwarder = _forwarder(app, lifespan) if settings.mode == "proxy" else None
        super().__init__(
            DirectTransport(app) if forwarder is None else forwarder,
            new_lifespan=lambda: make_lifespan(app, lifespan) if forwarder is None else forwarder,
            sources=sources,
            settings=settings,
            snapshot=snapshot,
        )


def _forwarder(app: ASGIApp, lifespan: LifespanMode) -> Forwarder | None:
    """What forwards to a child process that serves `app`; None in that child itself."""
    from bridge.proxy import remote  # and all that a socket needs, only in this mode

    place = remote.place_of(sys._getframe())
    return None if remote.offer(place, app) else remote.forwarder_to_child(place, lifespan)


def _log_undecoded(source: Source, exc: Exception) -> None:
    """One line for a shape that none of our sources expects; a source of the user's may have a fault of its own."""
    if source in DEFAULT_SOURCES:
        reason = f"{type(exc).__name__}: {exc}"[:_MAX_REASON]
        logger.error("A malformed %s event, which could not be decoded: %s", source.name, reason)
    else:
        logger.error("A malformed %s event, which could not be decoded.", source.name, exc_info=exc)


def _check_request(request: object, source: Source) -> None:
    """What a source of the user's must give; ours give nothing else. Raises TypeError, which fails the invocation."""
    if not isinstance(request, httpx.Request) or not isinstance(request.stream, httpx.AsyncByteStream):
        raise TypeError(
            f"Expected the source {source.name!r} to decode to an {httpx.__name__}.Request with a body of bytes "
            f"or of an async iterable, but got {type(request).__module__}.{type(request).__name__}."
        )


def _checked_settings(settings: Settings | None) -> Settings:
    if settings is None:
        return Settings()
    if isinstance(settings, Settings):
        return settings
    raise ConfigurationError(f"Expected settings to be a bridge.Settings, but got {type(settings).__name__}.")


def _checked_sources(sources: Iterable[Source]) -> tuple[Source, ...]:
    try:
        checked = tuple(sources)
    except TypeError:
        raise ConfigurationError(f"Expected a list of sources, but got {sources!r:.200}.") from None
    for source in checked:
        if not all(hasattr(source, member) for member in ("name", "matches", "decode", "encode")):
            raise ConfigurationError(f"Expected a source with name, matches, decode and encode, but got {source!r}.")
    if not checked:
        raise ConfigurationError("Expected at least one source, but got none: no event could ever be answered.")
    return checked


def _move_authorization(request: httpx.Request, source: bytes) -> None:
    """The value of the header `source` becomes authorization. A request without it keeps the one it has."""
    pairs = header_pairs(request)
    values = [value for name, value in pairs if name == source]
    if not values:
        logger.warning("The request has no header %s, which authorization should come from.", source.decode("ascii"))
        return
    kept = [pair for pair in pairs if pair[0] not in (source, b"authorization")]
    replace_headers(request, [*kept, (b"authorization", values[0])])
