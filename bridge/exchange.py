"""One exchange of a handler: the way of an event through the transport, and back as a result or a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bridge._messages import WHOLE_RESPONSE, CompleteResponse, InProcess, PassedEvent, replace_headers
from bridge.asgi.cancellation import without_owner
from bridge.errors import InvalidMessage, MalformedEvent, ResultTooLarge
from bridge.init_phase import current_runtime
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
from bridge.sources import Source, find_source, select_source
from bridge.sources._decode import checked_sources, decode_event
from bridge.sources._size import MAX_RESULT, check_size, may_exceed

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import Event, EventFunction, Result
    from bridge.compression import Compression
    from bridge.environment import Environment
    from bridge.events import Events
    from bridge.settings import Settings

__all__ = ["Exchange", "Parts", "streamed"]


class Parts:
    """The parts of a handler that its exchanges share. None of them changes.

    Raises ConfigurationError for `sources` that are not sources.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        environment: Environment,
        sources: Iterable[Source],
        on_event: EventFunction | None,
        settings: Settings,
        exchange: Callable[..., Exchange] | None = None,
    ) -> None:
        self.transport, self.environment = transport, environment
        self.sources = checked_sources(sources)
        # Looked up once: most sources are modules, and to find that a module lacks a name costs 700 ns.
        self.max_results = {id(source): source.max_result for source in self.sources if hasattr(source, "max_result")}
        self.on_event, self.settings = on_event, settings
        self.compression: Compression | None = None
        if settings.compression:
            from bridge.compression import compression_of  # most functions compress nothing

            self.compression = compression_of(settings)
        # Makes an exchange of these parts, an event and a context.
        self.exchange: Callable[..., Exchange] = exchange or Exchange

    @cached_property
    def events(self) -> Events:
        from bridge.events import Events  # most functions get HTTP requests alone

        return Events(self.settings, self.on_event)

    def source_of(self, event: Event) -> Source:
        """Return the source of any event. Raises UnsupportedEvent for one that must not reach the application."""
        source = find_source(event, self.sources)
        return self.events.checked(event) if source is None else source

    def check_status(self, response: CompleteResponse) -> None:
        """Raise ErrorStatus for a whole response whose status is set to fail the invocation."""
        if response.status_code in self.settings.error_status_codes:
            raise error_status(response)

    def encode(
        self,
        source: Source,
        response: CompleteResponse,
        event: Event,
        request: httpx.Request | None = None,
        *,
        limit: int | None = MAX_RESULT,
        sent: Callable[[CompleteResponse], None] | None = None,
    ) -> Result:
        """Return the result. `limit`: its size in bytes, where the source has none; None if the caller checks that.

        `request`: None for a response of our own. `sent` is called with the response that the result was made of.
        Raises ErrorStatus.
        """
        if isinstance(request, PassedEvent):  # its answer is not a response to a client
            result = source.encode(response, event, self.settings)
            if sent is not None:
                sent(response)
            return result
        self.check_status(response)
        if self.compression is not None and request is not None:
            response = self.compression.whole(response, request)
        limit = self.max_results.get(id(source), limit)
        try:
            result = source.encode(response, event, self.settings)
            if limit is not None and may_exceed(response, limit):
                check_size(current_runtime().result_size(result), limit)
        except (InvalidMessage, ResultTooLarge) as exc:
            response = failed_response(exc, request)
            self.check_status(response)
            result = source.encode(response, event, self.settings)
        if sent is not None:
            sent(response)
        return result


class Exchange:
    """One event, its source, and its request. `request` is the response instead, if the event is broken.

    `is_stream`: accept nothing but an HTTP request. Raises UnsupportedEvent.
    """

    __slots__ = ("_event", "_parts", "_source", "request")

    def __init__(self, parts: Parts, event: Event, context: Any, *, is_stream: bool = False) -> None:
        self._parts, self._event = parts, event
        self._source = select_source(event, parts.sources) if is_stream else parts.source_of(event)
        self.request = self._decoded(context)

    def _decoded(self, context: Any) -> httpx.Request | CompleteResponse:
        try:
            request = decode_event(self._source, self._event, self._parts.settings)
        except MalformedEvent as exc:
            return plain(exc.status_code)
        scope = request.extensions["asgi"]
        scope["aws.event"] = self._event
        scope["aws.context"] = context
        if self._parts.settings.context_headers:
            from bridge.context_headers import headers_with_context  # most functions read the scope

            replace_headers(request, headers_with_context(request))
        lifespan = self._parts.environment.lifespan
        if lifespan is not None and lifespan.state is not None:
            scope["state"] = lifespan.state.copy()
        return request

    def respond(
        self, request: httpx.Request, finished: Callable[[CompleteResponse], None] | None = None
    ) -> Coroutine[Any, Any, CompleteResponse]:
        """Return the response to `request`. `finished` is called with it before the application ends, if it can be."""
        if isinstance(request, PassedEvent):
            return self._parts.events.respond(self._parts.transport, request)
        request.extensions[WHOLE_RESPONSE] = finished or True
        return whole_response(self._parts.transport, request)

    def may_wait(self, request: httpx.Request) -> bool:
        """Return whether `respond` may wait for something, and so needs an event loop."""
        transport = self._parts.transport
        return not isinstance(transport, InProcess) or transport.may_wait(request) or isinstance(request, PassedEvent)

    async def answer(self, result: asyncio.Future[Result]) -> None:
        """Set `result` as soon as the application has sent its last message. Return when it has ended."""

        def finish(response: CompleteResponse) -> None:
            if result.done():
                return
            try:
                # The runtime that awaits it measures every result, and knows what to do with a large one.
                result.set_result(self.encode(response, limit=None))
            except Exception as exc:  # not the application's, whose send() this is called in
                result.set_exception(exc)

        request = self.request
        if isinstance(request, CompleteResponse):
            return finish(request)
        # Early only without a transport around it, which may change the response that it gets.
        kind = type(self._parts.transport)
        is_last = issubclass(kind, InProcess) and kind.answers_early
        try:
            finish(await self.respond(request, finish if is_last else None))
        finally:
            # It refers to the request: together they would be garbage that only a collection finds.
            request.extensions.pop(WHOLE_RESPONSE, None)  # a transport may have removed it

    def encode(self, response: CompleteResponse, *, limit: int | None = MAX_RESULT) -> Result:
        """Return the result, as `Parts.encode` does."""
        request = None if isinstance(self.request, CompleteResponse) else self.request
        return self._parts.encode(self._source, response, self._event, request, limit=limit, sent=self._sent)

    # For an exchange that is observed.

    _sent: Callable[[CompleteResponse], None] | None = None

    def streaming(self, result: asyncio.Future[Result] | None) -> AbstractContextManager[None]:
        """Return the block in which a response streams. `result` is done once the runtime has given it up."""
        return nullcontext()

    def started(self, prelude: dict[str, Any], body: AsyncIterator[bytes]) -> StreamedResponse:
        """Return a stream for its reader."""
        return StreamedResponse(prelude, body)


@asynccontextmanager
async def streamed(
    parts: Parts, event: Event, context: Any, result: asyncio.Future[Result] | None = None
) -> AsyncIterator[StreamedResponse]:
    """Yield the response once it has started, and then wait for the application, which ends with its reader.

    Raises UnsupportedEvent for all that is not an HTTP request.
    """
    with without_owner():
        await parts.environment.ready()
        exchange = parts.exchange(parts, event, context, is_stream=True)
        request = exchange.request
        with exchange.streaming(result):
            if isinstance(request, CompleteResponse):
                parts.check_status(request)
                yield exchange.started(prelude_of(request), BodyParts(request, ""))
                return
            response, prelude = await started_response(parts.transport, request)
            try:
                if response.status_code in parts.settings.error_status_codes:
                    raise await started_error(response, request)
                body: AsyncIterator[bytes] = BodyParts(response, request.method)
                if parts.compression is not None:
                    prelude, body = parts.compression.streamed(response, request, body)
                yield exchange.started(prelude, body)
            except asyncio.CancelledError:
                cancel_response(response)
                raise
            finally:
                await close_response(response, request)
