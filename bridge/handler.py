"""The spine: a Lambda event to an httpx request, through a transport, and the httpx response to a Lambda result."""

from __future__ import annotations

import atexit
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import anyio

from bridge._httpx import httpx
from bridge._loop import OwnLoop
from bridge._messages import CompleteResponse, header_pairs
from bridge.errors import (
    ConfigurationError,
    InvalidMessage,
    LoopClosedError,
    MalformedEvent,
    ProtocolError,
    RunningLoopError,
)
from bridge.lifespan import make_lifespan
from bridge.settings import Settings, in_lambda
from bridge.sources import DEFAULT_SOURCES, Source, select_source
from bridge.sources._prelude import encode_prelude
from bridge.sources._response import has_body
from bridge.transports import InProcessTransport

if TYPE_CHECKING:
    from bridge._types import ASGIApp, Event, Lifespan, LifespanMode, Result, Transport

__all__ = ["Bridge", "Handler", "StreamedResponse"]

logger = logging.getLogger("bridge")


class StreamedResponse:
    """A response under way. `prelude`: statusCode, headers and cookies, for JSON. `body`: its parts, as they come.

    Iterating `body` raises what the application raised in the middle of it: then the stream is broken, not complete.
    """

    __slots__ = ("body", "prelude")

    def __init__(self, prelude: dict[str, Any], body: AsyncIterator[bytes]) -> None:
        self.prelude = prelude
        self.body = body


class Handler:
    """A Lambda handler: `handler(event, context)`. Shared by concurrent invocations, and holds nothing of any."""

    def __init__(
        self,
        transport: Transport,
        *,
        new_lifespan: Callable[[], Lifespan],
        sources: Iterable[Source],
        settings: Settings | None,
    ) -> None:
        self._transport = transport
        self._new_lifespan = new_lifespan
        self._sources = _checked_sources(sources)
        self._settings = Settings() if settings is None else settings
        self._own_loop = OwnLoop()
        # The environment's lifespan, from the end of startup to shutdown, and the startup under way, if one is.
        self._lifespan: Lifespan | None = None
        self._lifespan_is_ours = False  # on the handler's own loop, not on a caller's
        self._starting: threading.Event | None = None
        self._start_guard = threading.Lock()
        self._startup_failure: Exception | None = None
        self._closed = False
        if in_lambda():
            self._start_in_init_phase()

    def _start_in_init_phase(self) -> None:
        """Startup belongs to the import: there CPU is not throttled, and SnapStart takes its snapshot after it."""
        if not _is_in_async_code():
            try:
                self._own_loop.run(self._start())
            except BaseException:
                self._own_loop.close()
                raise
        atexit.register(self.close)
        # SIGTERM ends a Lambda environment, and Python's own answer is to die at once. Somebody else's handler stays;
        # another bridge handler's is called after ours.
        previous = signal.getsignal(signal.SIGTERM)
        ours = getattr(previous, "__func__", None) is Handler._terminate
        if threading.current_thread() is threading.main_thread() and (ours or previous is signal.SIG_DFL):
            self._previous_terminate = previous
            signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, signum: int, frame: FrameType | None) -> None:
        """Run the shutdown here and now: from Python 3.13 on, atexit waits first for threads such as awslambdaric's.

        In the middle of an invocation the loop is busy: there SystemExit ends the invocation, and atexit does the rest.
        """
        if not self._own_loop.is_driven:
            try:
                self.close()
            except Exception as exc:
                logger.error("The application's shutdown failed.", exc_info=exc)
        if callable(self._previous_terminate):
            self._previous_terminate(signum, frame)
        raise SystemExit(0)

    def __call__(self, event: Event, context: Any) -> Result:
        """Answer one invocation, on the handler's own event loop. From several threads at once, calls overlap there.

        Raises UnsupportedEvent for an event that is no HTTP request, StartupFailed, and RunningLoopError inside a
        running event loop.
        """
        loop = self._own_loop
        loop.check_callable()
        if self._lifespan is None or self._lifespan.is_lost:
            loop.run(self._start())
        source = select_source(event, self._sources)
        # Decoding and encoding need no event loop: the fewer coroutines, the less an invocation costs.
        response = self._decode(source, event, context)
        if isinstance(response, httpx.Request):
            response = loop.run(self._respond(response))
        return self._encode(source, response, event)

    async def handle(self, event: Event, context: Any) -> Result:
        """Answer one invocation, on the caller's event loop. `context` may be anything; it is the application's.

        Raises UnsupportedEvent and StartupFailed. Everything else that goes wrong is logged and answered: 400 for a
        broken event, 500 for a broken application.
        """
        if self._lifespan is None or self._lifespan.is_lost:
            await self._start()
        source = select_source(event, self._sources)
        response = self._decode(source, event, context)
        if isinstance(response, httpx.Request):
            response = await self._respond(response)
        return self._encode(source, response, event)

    def _encode(self, source: Source, response: CompleteResponse, event: Event) -> Result:
        try:
            return source.encode(response, event, self._settings)
        except InvalidMessage as exc:
            return source.encode(_failed(exc), event, self._settings)

    async def _respond(self, request: httpx.Request) -> CompleteResponse:
        try:
            return await self._transport.handle_buffered_request(request)
        except Exception as exc:
            return _failed(exc)

    def _decode(self, source: Source, event: Event, context: Any) -> httpx.Request | CompleteResponse:
        """The request, or the response to a broken event."""
        try:
            request = source.decode(event, self._settings)
        except MalformedEvent as exc:
            logger.error("A malformed %s event: %s", source.name, exc)
            return _plain(exc.status_code)
        except Exception as exc:
            logger.error("A malformed %s event, which could not be decoded.", source.name, exc_info=exc)
            return _plain(400)
        scope = request.extensions.setdefault("asgi", {})
        scope["aws.event"] = event
        scope["aws.context"] = context
        if self._lifespan is not None and self._lifespan.state is not None:
            scope["state"] = self._lifespan.state.copy()
        return request

    def stream(self, event: Event, context: Any) -> AbstractAsyncContextManager[StreamedResponse]:
        """`async with handler.stream(event, context) as response`: the response while the application sends it.

        Leaving the block early tells the application that its reader has gone; leaving it after the last part waits
        for the application to end. Raises as `handle` does.
        """
        return self._stream(event, context)

    @asynccontextmanager
    async def _stream(self, event: Event, context: Any) -> AsyncIterator[StreamedResponse]:
        if self._lifespan is None or self._lifespan.is_lost:
            await self._start()
        source = select_source(event, self._sources)
        response, prelude, method = await self._open(source, event, context)
        try:
            yield StreamedResponse(prelude, _Parts(response, method))
        finally:
            await _close(response)

    async def _open(self, source: Source, event: Event, context: Any) -> tuple[httpx.Response, dict[str, Any], str]:
        request = self._decode(source, event, context)
        if isinstance(request, CompleteResponse):
            return request, encode_prelude(request.status_code, request.raw_headers), ""
        try:
            response = await self._transport.handle_async_request(request)
        except Exception as exc:
            failed = _failed(exc)
            return failed, encode_prelude(failed.status_code, failed.raw_headers), request.method
        try:
            return response, encode_prelude(response.status_code, header_pairs(response)), request.method
        except InvalidMessage as exc:
            await _close(response)
            failed = _failed(exc)
            return failed, encode_prelude(failed.status_code, failed.raw_headers), request.method

    async def __aenter__(self) -> Self:
        """Run the application's startup on the caller's event loop, if it was not run yet."""
        if self._lifespan is None or self._lifespan.is_lost:
            await self._start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Run the application's shutdown, on the event loop that ran its startup."""
        if self._lifespan_is_ours and self._lifespan is not None:
            await anyio.to_thread.run_sync(self._own_loop.run, self._stop())
        else:
            await self._stop()

    async def _start(self) -> None:
        """Run the startup once, however many calls come at once and from however many event loops."""
        while self._lifespan is None or self._lifespan.is_lost:
            with self._start_guard:
                if self._closed:
                    raise LoopClosedError()
                if self._startup_failure is not None:
                    # Without the traceback of the call before, or it would grow with every call.
                    raise self._startup_failure.with_traceback(None)
                under_way = self._starting
                self._starting = under_way or threading.Event()
            if under_way is None:
                await self._start_now(self._starting)
            else:
                # The startup may be on another thread's loop, so only a thread can wait for it.
                await anyio.to_thread.run_sync(under_way.wait, abandon_on_cancel=True)

    async def _start_now(self, starting: threading.Event) -> None:
        if self._lifespan is not None:
            logger.warning("The event loop on which the application was started is closed: starting it again.")
        lifespan = self._new_lifespan()
        try:
            await lifespan.startup()
            self._lifespan_is_ours = self._own_loop.is_running_here
            self._lifespan = lifespan
        except Exception as exc:
            self._startup_failure = exc
            raise
        finally:
            self._starting = None
            starting.set()

    async def _stop(self) -> None:
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None and not lifespan.is_lost:
            await lifespan.shutdown()

    def close(self) -> None:
        """Run the application's shutdown on the handler's own event loop, and close that loop. Idempotent.

        Raises ShutdownFailed, and RunningLoopError inside a running event loop. A lifespan that `async with handler`
        or `await handler.handle(...)` started belongs to that event loop, and `async with` ends it.
        """
        if self._closed:
            return
        if _is_in_async_code():
            raise RunningLoopError("handler.close()", "async with handler")
        self._closed = True
        try:
            if self._lifespan is not None and self._lifespan_is_ours:
                self._own_loop.run(self._stop())
        finally:
            self._own_loop.close()


class Bridge(Handler):
    """Any ASGI application as a Lambda handler, in the function's own process.

    `lifespan`: "auto" runs the application's lifespan if it has one, "on" insists on it, "off" leaves it out. In
    Lambda startup runs here, in the init phase; elsewhere before the first request. `sources`: the event sources to
    try, in this order. `settings`: `Settings()` by default, which reads the environment.

    Raises ConfigurationError, and in Lambda StartupFailed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lifespan: LifespanMode = "auto",
        sources: Iterable[Source] = DEFAULT_SOURCES,
        settings: Settings | None = None,
    ) -> None:
        if not callable(app):
            raise ConfigurationError(
                f"Expected an ASGI application, but got {type(app).__name__}, which is no callable."
            )
        if lifespan not in ("auto", "on", "off"):
            raise ConfigurationError(f"The argument lifespan is {lifespan!r}; expected 'auto', 'on' or 'off'.")
        self.app = app
        super().__init__(
            InProcessTransport(app, client=None),
            new_lifespan=lambda: make_lifespan(app, lifespan),
            sources=sources,
            settings=settings,
        )


def _is_in_async_code() -> bool:
    try:
        anyio.get_current_task()
    except Exception:
        return False
    return True


def _checked_sources(sources: Iterable[Source]) -> tuple[Source, ...]:
    checked = tuple(sources)
    for source in checked:
        if not all(hasattr(source, member) for member in ("name", "matches", "decode", "encode")):
            raise ConfigurationError(f"Expected a source with name, matches, decode and encode, but got {source!r}.")
    if not checked:
        raise ConfigurationError("Expected at least one source, but got none: no event could ever be answered.")
    return checked


def _plain(status_code: int) -> CompleteResponse:
    """A response of our own: it says no more than a stranger may know; the log says the rest."""
    text = httpx.codes.get_reason_phrase(status_code).encode("ascii")
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
    return CompleteResponse(status_code, headers, text)


def _failed(exc: Exception) -> CompleteResponse:
    """The response to a request in which the application failed, after one log line about it."""
    if isinstance(exc, ProtocolError):
        logger.error("%s", exc)
    else:
        logger.error("The application raised %s.", type(exc).__name__, exc_info=exc)
    return _plain(500)


class _Parts:
    """The body as it comes, but for a response that has none whatever the application sends.

    Not a generator: nobody closes one that its reader left early.
    """

    __slots__ = ("_has_body", "_parts", "_whole")

    def __init__(self, response: httpx.Response, method: str) -> None:
        self._has_body = method != "HEAD" and has_body(response.status_code)
        self._whole = response.body if isinstance(response, CompleteResponse) else None
        self._parts = None if self._whole is not None else aiter(cast(httpx.AsyncByteStream, response.stream))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._parts is None:
            whole, self._whole = self._whole, None
            if not whole or not self._has_body:
                raise StopAsyncIteration
            return whole
        part = await anext(self._parts)
        while not self._has_body:
            part = await anext(self._parts)
        return part


async def _close(response: httpx.Response) -> None:
    """Wait for the application; the response stands whatever it still raises."""
    try:
        await response.aclose()
    except Exception as exc:
        logger.error("The application failed after its response was complete.", exc_info=exc)
