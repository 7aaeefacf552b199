"""The handler: it turns an event into a request, sends that through a transport, and returns the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from bridge._arguments import checked_on_event, checked_settings, checked_tracing, checked_transport
from bridge._httpx import httpx
from bridge._messages import CompleteResponse, InProcess
from bridge.asgi.lifespan import TransportLifespan
from bridge.environment import Environment
from bridge.exchange import Parts, streamed
from bridge.init_phase import current_runtime, is_function_process, register_snapshot_hooks
from bridge.responses import StreamedResponse, plain, prelude_of
from bridge.settings import Settings, warn_of_unknown_variables
from bridge.sources import DEFAULT_SOURCES, Source, find_source
from bridge.sources._event_fields import event_line
from bridge.time_limit import TimeLimits

if TYPE_CHECKING:
    from bridge._settings_arguments import SettingsArguments
    from bridge._types import Event, EventFunction, Lifespan, Result, SnapshotMode, TracingHook
    from bridge.observer import Observer

__all__ = ["Handler"]

T = TypeVar("T")


class Handler:
    """A Lambda handler, `handler(event, context)`, in front of any httpx transport.

    `transport`: an `httpx.AsyncBaseTransport`, such as `httpx.ASGITransport(app)`, `httpx.MockTransport(function)`, or
    one of your own. It gets an `httpx.Request` for each event, with the event's own Host in its URL, and is opened and
    closed with the handler. `sources`, `on_event`, `settings` and each setting: as those of `Bridge`.

    `tracing`: a function that gets an `Observation` for each request and returns a context manager, whose block the
    request is answered in.

    Concurrent invocations share the handler: it holds no state of any of them. Raises ConfigurationError.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        sources: Iterable[Source] = DEFAULT_SOURCES,
        on_event: EventFunction | None = None,
        settings: Settings | None = None,
        tracing: TracingHook | None = None,
        _new_lifespan: Callable[[], Lifespan] | None = None,
        _snapshot: SnapshotMode = "keep-lifespan",
        **arguments: Unpack[SettingsArguments],
    ) -> None:
        # Decorators of handlers read what every function has: functools.wraps, Powertools' tracer and idempotency.
        self.__name__ = self.__qualname__ = type(self).__name__
        warn_of_unknown_variables()
        self._limits = TimeLimits()
        transport = checked_transport(transport)
        self._environment = Environment(_new_lifespan or (lambda: TransportLifespan(transport)))
        checked = checked_settings(self, settings, arguments)
        exchange = _observer(checked, tracing)
        self._parts = Parts(transport, self._environment, sources, checked_on_event(on_event), checked, exchange)
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
        # Decoding and encoding need no event loop: the fewer coroutines, the less an invocation costs.
        exchange = self._parts.exchange(self._parts, event, context)
        request = exchange.request
        if isinstance(request, CompleteResponse):
            return exchange.encode(request)
        may_wait = exchange.may_wait(request)
        response = self._limits.run(environment.loop, request, exchange.respond(request), may_wait=may_wait)
        return exchange.encode(response)

    async def handle(self, event: Event, context: Any) -> Result:
        """Answer one invocation, on the caller's event loop. `context` may be anything; it is the application's.

        The application runs in a task of its own, which ends with the call. Concurrent calls need a task each.

        Raises StartupFailed, and what a source of your own raises in its encode(). Everything else that goes wrong with
        an HTTP request is logged and answered: 400 for a broken event, 500 for a broken application. Any other event
        raises UnsupportedEvent, EventFailed, and what the application, `on_event` or the transport raises. SystemExit,
        KeyboardInterrupt and a cancellation from outside pass through.
        """
        await self._environment.ready()
        exchange = self._parts.exchange(self._parts, event, context)
        request = exchange.request
        if isinstance(request, CompleteResponse):
            return exchange.encode(request)
        return exchange.encode(await self._limits.wait(request, lambda: exchange.respond(request)))

    async def _answer(self, event: Event, context: Any, result: asyncio.Future[Result]) -> None:
        """Answer one invocation as `handle` does, with an application that may work on after its answer.

        `result` gets the result of `handle`, or the exception of its encoding, as soon as the application has sent its
        last message. The call returns when the application has ended; an exception after its answer is logged.
        The application runs in the caller's task, which needs a TaskOwner.
        """
        await self._environment.ready()
        await self._parts.exchange(self._parts, event, context).answer(result)

    def _can_stream(self, event: Event) -> bool:
        """Return whether the service that sent `event` accepts a stream. Others need one result in any mode."""
        return bool(getattr(find_source(event, self._parts.sources), "streams", False))

    def _describe(self, event: Event) -> str:
        """Return the method and the path of an event for a log line, and the service of one that is not a request."""
        source = find_source(event, self._parts.sources)
        return event_line(event) if source is not None else self._parts.events.describe(event, self._parts.settings)

    def _substitute(self, event: Event, status_code: int, text: str = "") -> Result | None:
        """Return a result in place of the application's own: 504 when time is over, 500 if its own is too large.

        None for an event that is not an HTTP request, whose invocation fails. Raises ErrorStatus if that status is set
        to fail the invocation, and what a source of your own raises in its encode().
        """
        source = find_source(event, self._parts.sources)
        return None if source is None else self._parts.encode(source, plain(status_code, text), event)

    def _substitute_stream(self, status_code: int, text: str = "") -> tuple[Result, bytes]:
        """Return the same as the prelude and the body of a stream. Raises ErrorStatus."""
        response = plain(status_code, text)
        self._parts.check_status(response)
        return prelude_of(response), response.body

    def stream(self, event: Event, context: Any) -> AbstractAsyncContextManager[StreamedResponse]:
        """Return the response while the application sends it: `async with handler.stream(event, context) as response`.

        Leaving the block early tells the application that its reader has left; leaving it after the last part waits
        for the application to end. Raises as `handle` does, and UnsupportedEvent for all that is not an HTTP request.
        """
        return streamed(self._parts, event, context)

    def _stream(
        self, event: Event, context: Any, result: asyncio.Future[Result]
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        """Do the same for a runtime, which sets `result` if it gives the invocation up."""
        return streamed(self._parts, event, context, result)

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
        return isinstance(self._parts.transport, InProcess)

    def _import_streams(self) -> None:
        """Import what only streams of an application in this process need."""
        if isinstance(self._parts.transport, InProcess):
            self._parts.transport.import_streams()

    def close(self) -> None:
        """Run the application's shutdown on the handler's own event loop, and close that loop. Idempotent.

        Raises ShutdownFailed, and RunningLoopError inside a running event loop. A lifespan that `async with handler`
        or `await handler.handle(...)` started belongs to that event loop, and `async with` ends it.
        """
        self._environment.close()


def _observer(settings: Settings, tracing: TracingHook | None) -> Observer | None:
    if not settings.access_log and tracing is None:
        return None
    from bridge.observer import Observer  # both are off by default

    return Observer(access_log=settings.access_log, hook=checked_tracing(tracing))
