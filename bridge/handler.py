"""The handler: it turns an event into a request, sends that through a transport, and returns the result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from bridge._arguments import checked_on_event, checked_settings, checked_transport
from bridge._httpx import httpx
from bridge._messages import WHOLE_RESPONSE, CompleteResponse, InProcess, PassedEvent
from bridge.asgi.cancellation import without_owner
from bridge.asgi.lifespan import TransportLifespan
from bridge.environment import Environment
from bridge.errors import InvalidMessage, MalformedEvent, ResultTooLarge
from bridge.init_phase import current_runtime, is_function_process, register_snapshot_hooks
from bridge.responses import (
    BodyParts,
    StreamedResponse,
    cancel_response,
    close_response,
    error_status,
    failed_response,
    plain,
    prelude_of,
    started_error,
    started_response,
    whole_response,
)
from bridge.settings import Settings, warn_of_unknown_variables
from bridge.sources import DEFAULT_SOURCES, Source, find_source, select_source
from bridge.sources._decode import checked_sources, decode_event
from bridge.sources._size import MAX_RESULT, check_size, may_exceed
from bridge.time_limit import TimeLimits

if TYPE_CHECKING:
    from bridge._types import Event, EventFunction, Lifespan, Result, SnapshotMode
    from bridge.compression import Compression
    from bridge.events import Events

__all__ = ["Handler"]

T = TypeVar("T")


class Handler:
    """A Lambda handler, `handler(event, context)`, in front of any httpx transport.

    `transport`: an `httpx.AsyncBaseTransport`, such as `httpx.ASGITransport(app)`, `httpx.MockTransport(function)`, or
    one of your own. It gets an `httpx.Request` for each event, with the event's own Host in its URL, and is opened and
    closed with the handler. `sources`: the event sources to try, in this order. `on_event`: gets the events that are
    not HTTP requests, as that of `Bridge`. `settings`: `Settings()` by default, which reads the environment.

    Concurrent invocations share the handler: it holds no state of any of them. Raises ConfigurationError.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        sources: Iterable[Source] = DEFAULT_SOURCES,
        on_event: EventFunction | None = None,
        settings: Settings | None = None,
        _new_lifespan: Callable[[], Lifespan] | None = None,
        _snapshot: SnapshotMode = "keep-lifespan",
    ) -> None:
        # Decorators of handlers read what every function has: functools.wraps, Powertools' tracer and idempotency.
        self.__name__ = self.__qualname__ = type(self).__name__
        warn_of_unknown_variables()
        self._transport = checked_transport(transport)
        self._sources = checked_sources(sources)
        # Looked up once: most sources are modules, and to find that a module lacks a name costs 700 ns.
        self._max_results = {id(source): source.max_result for source in self._sources if hasattr(source, "max_result")}
        self._settings = checked_settings(settings)
        self._on_event = checked_on_event(on_event)
        self._compression: Compression | None = None
        if self._settings.compression:
            from bridge.compression import compression_of  # most functions compress nothing

            self._compression = compression_of(self._settings)
        self._limits = TimeLimits()
        self._environment = Environment(_new_lifespan or (lambda: TransportLifespan(transport)))
        if is_function_process():
            owner = self._environment if _snapshot == "restart-lifespan" else transport
            register_snapshot_hooks(owner, self._environment.run_around_snapshot)
            self._environment.start_in_init_phase(current_runtime())

    def __call__(self, event: Event, context: Any) -> Result:
        """Answer one invocation, on the handler's own event loop. Calls from several threads take turns there.

        Raises as `handle` does, RunningLoopError inside a running event loop, and LoopClosedError after `close()`.
        """
        environment = self._environment
        environment.ready_on_own_loop()
        source = self._source_of(event)
        # Decoding and encoding need no event loop: the fewer coroutines, the less an invocation costs.
        request = self._decode(source, event, context)
        if isinstance(request, CompleteResponse):
            return self._encode(source, request, event)
        return self._encode(source, self._limits.run(environment.loop, request, self._respond(request)), event, request)

    async def handle(self, event: Event, context: Any) -> Result:
        """Answer one invocation, on the caller's event loop. `context` may be anything; it is the application's.

        The application runs in a task of its own, which ends with the call. Concurrent calls need a task each.

        Raises StartupFailed, and what a source of your own raises in its encode(). Everything else that goes wrong with
        an HTTP request is logged and answered: 400 for a broken event, 500 for a broken application. Any other event
        raises UnsupportedEvent, EventFailed, and what the application, `on_event` or the transport raises. SystemExit,
        KeyboardInterrupt and a cancellation from outside pass through.
        """
        await self._environment.ready()
        source = self._source_of(event)
        request = self._decode(source, event, context)
        if isinstance(request, CompleteResponse):
            return self._encode(source, request, event)
        response = await self._limits.wait(request, lambda: self._respond(request))
        return self._encode(source, response, event, request)

    async def _answer(self, event: Event, context: Any, result: asyncio.Future[Result]) -> None:
        """Answer one invocation as `handle` does, with an application that may work on after its answer.

        `result` gets the result of `handle`, or the exception of its encoding, as soon as the application has sent its
        last message. The call returns when the application has ended; an exception after its answer is logged.
        The application runs in the caller's task, which needs a TaskOwner.
        """
        await self._environment.ready()
        source = self._source_of(event)
        request = self._decode(source, event, context)

        def finish(response: CompleteResponse) -> None:
            if result.done():
                return
            try:
                sent = None if isinstance(request, CompleteResponse) else request
                # The runtime that awaits it measures every result, and knows what to do with a large one.
                result.set_result(self._encode(source, response, event, sent, limit=None))
            except Exception as exc:  # not the application's, whose send() this is called in
                result.set_exception(exc)

        if isinstance(request, CompleteResponse):
            finish(request)
        else:
            # Early only without a transport around it, which may change the response that it gets.
            kind = type(self._transport)
            is_last = issubclass(kind, InProcess) and kind.answers_early
            try:
                finish(await self._respond(request, finish if is_last else None))
            finally:
                # It refers to the request: together they would be garbage that only a collection finds.
                request.extensions.pop(WHOLE_RESPONSE, None)  # a transport may have removed it

    def _can_stream(self, event: Event) -> bool:
        """Return whether the service that sent `event` accepts a stream. Others need one result in any mode."""
        return bool(getattr(find_source(event, self._sources), "streams", False))

    def _substitute(self, event: Event, status_code: int, text: str = "") -> Result | None:
        """Return a result in place of the application's own: 504 when time is over, 500 if its own is too large.

        None for an event that is not an HTTP request, whose invocation fails. Raises ErrorStatus if that status is set
        to fail the invocation, and what a source of your own raises in its encode().
        """
        source = find_source(event, self._sources)
        return None if source is None else self._encode(source, plain(status_code, text), event)

    def _substitute_stream(self, status_code: int, text: str = "") -> tuple[Result, bytes]:
        """Return the same as the prelude and the body of a stream. Raises ErrorStatus."""
        response = plain(status_code, text)
        self._check_status(response)
        return prelude_of(response), response.body

    def _encode(
        self,
        source: Source,
        response: CompleteResponse,
        event: Event,
        request: httpx.Request | None = None,
        *,
        limit: int | None = MAX_RESULT,
    ) -> Result:
        """Return the result. `limit`: its size in bytes, where the source has none; None if the caller checks that."""
        if isinstance(request, PassedEvent):  # its answer is not a response to a client
            return source.encode(response, event, self._settings)
        self._check_status(response)
        if self._compression is not None and request is not None:
            response = self._compression.whole(response, request)
        limit = self._max_results.get(id(source), limit)
        try:
            result = source.encode(response, event, self._settings)
            if limit is not None and may_exceed(response, limit):
                check_size(current_runtime().result_size(result), limit)
            return result
        except (InvalidMessage, ResultTooLarge) as exc:
            failed = failed_response(exc, request)
        self._check_status(failed)
        return source.encode(failed, event, self._settings)

    def _check_status(self, response: CompleteResponse) -> None:
        if response.status_code in self._settings.error_status_codes:
            raise error_status(response)

    def _respond(
        self, request: httpx.Request, finished: Callable[[CompleteResponse], None] | None = None
    ) -> Coroutine[Any, Any, CompleteResponse]:
        if isinstance(request, PassedEvent):
            return self._events.respond(self._transport, request)
        request.extensions[WHOLE_RESPONSE] = finished or True
        return whole_response(self._transport, request)

    def _source_of(self, event: Event) -> Source:
        """Return the source of any event. Raises UnsupportedEvent for one that must not reach the application."""
        source = find_source(event, self._sources)
        return self._events.checked(event) if source is None else source

    @cached_property
    def _events(self) -> Events:
        from bridge.events import Events  # most functions get HTTP requests alone

        return Events(self._settings, self._on_event)

    def _decode(self, source: Source, event: Event, context: Any) -> httpx.Request | CompleteResponse:
        """Return the request, or the response to a broken event."""
        try:
            request = decode_event(source, event, self._settings)
        except MalformedEvent as exc:
            return plain(exc.status_code)
        scope = request.extensions["asgi"]
        scope["aws.event"] = event
        scope["aws.context"] = context
        lifespan = self._environment.lifespan
        if lifespan is not None and lifespan.state is not None:
            scope["state"] = lifespan.state.copy()
        return request

    def stream(self, event: Event, context: Any) -> AbstractAsyncContextManager[StreamedResponse]:
        """Return the response while the application sends it: `async with handler.stream(event, context) as response`.

        Leaving the block early tells the application that its reader has left; leaving it after the last part waits
        for the application to end. Raises as `handle` does, and UnsupportedEvent for all that is not an HTTP request.
        """
        return self._stream(event, context)

    @asynccontextmanager
    async def _stream(self, event: Event, context: Any) -> AsyncIterator[StreamedResponse]:
        with without_owner():
            await self._environment.ready()
            request = self._decode(select_source(event, self._sources), event, context)
            if isinstance(request, CompleteResponse):
                self._check_status(request)
                yield StreamedResponse(prelude_of(request), BodyParts(request, ""))
                return
            response, prelude = await started_response(self._transport, request)
            try:
                if response.status_code in self._settings.error_status_codes:
                    raise await started_error(response, request)
                body: AsyncIterator[bytes] = BodyParts(response, request.method)
                if self._compression is not None:
                    prelude, body = self._compression.streamed(response, request, body)
                yield StreamedResponse(prelude, body)
            except asyncio.CancelledError:
                cancel_response(response)
                raise
            finally:
                await close_response(response, request)

    async def __aenter__(self) -> Self:
        """Run the application's startup on the caller's event loop, if it was not run yet."""
        await self._environment.ready()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Run the application's shutdown, on the event loop that ran its startup."""
        await self._environment.stop()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` to its end on the handler's own event loop."""
        return self._environment.loop.run(coroutine)

    @property
    def _runs_in_process(self) -> bool:
        """True if the application is called in this process, and not over a socket."""
        return isinstance(self._transport, InProcess)

    def _import_streams(self) -> None:
        """Import what only streams of an application in this process need."""
        if isinstance(self._transport, InProcess):
            self._transport.import_streams()

    def close(self) -> None:
        """Run the application's shutdown on the handler's own event loop, and close that loop. Idempotent.

        Raises ShutdownFailed, and RunningLoopError inside a running event loop. A lifespan that `async with handler`
        or `await handler.handle(...)` started belongs to that event loop, and `async with` ends it.
        """
        self._environment.close()
