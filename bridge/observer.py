"""Exchanges that are written down in an access line, and that a tracing hook runs around.

Imported only if one of them is switched on.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bridge import invocation as current
from bridge._messages import NOTE_FAILURE, CompleteResponse, PassedEvent
from bridge.asgi.cancellation import is_late
from bridge.errors import DeadlineExceeded, ResultTooLarge
from bridge.exchange import Exchange
from bridge.init_phase import current_runtime
from bridge.observation import Observation
from bridge.responses import StreamedResponse, plain
from bridge.settings import logs_json
from bridge.sources._event_fields import event_kind, event_line
from bridge.sources._response import has_body
from bridge.sources._size import MAX_RESULT, check_size, may_exceed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from bridge._httpx import httpx
    from bridge._types import Event, Result, TracingHook
    from bridge.exchange import Parts

__all__ = ["Observer"]

logger = logging.getLogger("bridge")


class Observer:
    """Makes the exchanges of a handler that are observed. `hook`: None without one."""

    def __init__(self, *, access_log: bool, hook: TracingHook | None) -> None:
        self.hook = hook
        self._logger = logging.getLogger("bridge.access") if access_log else None
        self._as_json = logs_json()
        if self._logger is not None and self._logger.level == logging.NOTSET:
            self._logger.setLevel(logging.INFO)  # the root logger has WARNING, and its handlers take everything

    def __call__(self, parts: Parts, event: Event, context: Any, *, is_stream: bool = False) -> Exchange:
        return ObservedExchange(self, parts, event, context, is_stream=is_stream)

    def write(self, seen: Observation) -> None:
        """Write the access line."""
        if self._logger is None:
            return
        fields = seen.fields()
        if self._as_json:  # Lambda's formatters make fields of the JSON object of what is extra
            self._logger.info("%s %s %s", seen.method, seen.path, seen.status_code, extra=fields)
        else:
            self._logger.info("%s", json.dumps(fields, default=str))

    @contextmanager
    def tracing(self, seen: Observation) -> Iterator[None]:
        """Run the hook around a block. What the hook raises is logged, and changes nothing."""
        if self.hook is None:
            yield
            return
        what = f"{seen.method} {seen.path}"
        block = None
        try:
            block = self.hook(seen)
            block.__enter__()
        except Exception as exc:
            logger.error("%s: The tracing hook failed before the request.", what, exc_info=exc)
            block = None
        try:
            yield
        finally:
            try:
                if block is not None:
                    block.__exit__(None, None, None)
            except Exception as exc:
                logger.error("%s: The tracing hook failed after the request.", what, exc_info=exc)


class ObservedExchange(Exchange):
    """An exchange that is written down, and that a hook runs around."""

    __slots__ = ("_is_written", "_limit", "_observer", "_outcome", "_seen")

    def __init__(self, observer: Observer, parts: Parts, event: Event, context: Any, *, is_stream: bool) -> None:
        self._observer = observer
        self._seen = seen = Observation(event, context)
        self._is_written = False
        self._limit: int | None = MAX_RESULT
        self._outcome: tuple[Result, None] | tuple[None, Exception] | None = None
        try:
            super().__init__(parts, event, context, is_stream=is_stream)
        except Exception as exc:
            seen.method, _, seen.path = event_line(event).partition(" ")
            seen.source = f"event:{event_kind(event)}"
            self._fail(exc)
            raise
        seen.name(self._source, self.request, is_sent=parts.on_event is None)
        if not isinstance(self.request, CompleteResponse):
            self.request.extensions[NOTE_FAILURE] = self._note

    def _note(self, error: BaseException) -> None:
        self._seen.error = error

    def _fail(self, error: BaseException) -> None:
        """Note an exception that fails the invocation, or ends the process."""
        self._seen.error = self._seen.error or error
        self._write()

    def _write(self) -> None:
        if not self._is_written:
            self._is_written = True
            self._seen.end()
            self._observer.write(self._seen)

    # A whole response. The result is made inside of the hook's block, so that the hook sees what the client gets.

    def respond(
        self, request: httpx.Request, finished: Callable[[CompleteResponse], None] | None = None
    ) -> Coroutine[Any, Any, CompleteResponse]:
        return self._respond(super().respond(request, finished))

    async def _respond(self, responding: Coroutine[Any, Any, CompleteResponse]) -> CompleteResponse:
        with self._observer.tracing(self._seen):
            try:
                response = await responding
            except BaseException as exc:
                if is_late():
                    self._late()
                else:
                    self._fail(exc)
                raise
            if self._outcome is None and not self._is_written:
                self._encode(response)
        return response

    def encode(self, response: CompleteResponse, *, limit: int | None = None) -> Result:
        """Return the result that `respond` has made, or make it."""
        if self._outcome is None:
            self._encode(response)
        assert self._outcome is not None
        result, error = self._outcome
        if error is not None:
            raise error
        assert result is not None or isinstance(self.request, PassedEvent)
        return result  # type: ignore[return-value]

    def _encode(self, response: CompleteResponse) -> None:
        try:
            result = super().encode(response, limit=self._limit)
        except Exception as exc:
            self._outcome = None, exc
            self._fail(exc)
        else:
            self._outcome = result, None
            if _is_answered():
                self._seen.status_code = None
                self._late()
            else:
                self._measure(result, response)
                self._write()

    def _measure(self, result: Result, response: CompleteResponse) -> None:
        """Note the size of an event's result, and a result in whose place the runtime will answer."""
        is_passed = isinstance(self.request, PassedEvent)
        if not is_passed and (self._limit is not None or not may_exceed(response, MAX_RESULT)):
            return
        size = current_runtime().result_size(result)
        if is_passed:
            self._seen.body_size = size
        try:
            check_size(size, MAX_RESULT)
        except ResultTooLarge as exc:
            self._replace(500, str(exc), exc)

    def _replace(self, status_code: int, text: str, error: Exception) -> None:
        """Note a response of the runtime in place of the application's own."""
        seen = self._seen
        seen.error = seen.error or error
        if isinstance(self.request, PassedEvent) or status_code in self._parts.settings.error_status_codes:
            seen.status_code, seen.body_size = None, 0
        else:
            self._sent(plain(status_code, text))

    def replaced(self, status_code: int, text: str, error: Exception) -> None:
        """Note the same once it was sent."""
        self._replace(status_code, text, error)
        self._write()

    def _sent(self, response: CompleteResponse) -> None:
        method = "" if isinstance(self.request, CompleteResponse) else self.request.method
        self._seen.status_code = response.status_code
        self._seen.body_size = len(response.body) if method != "HEAD" and has_body(response.status_code) else 0

    async def answer(self, result: asyncio.Future[Result]) -> None:
        result.add_done_callback(self._given_up)
        self._limit = None  # the runtime that awaits the result measures it
        await super().answer(result)

    def _given_up(self, result: asyncio.Future[Result]) -> None:
        if self._outcome is None and not self._is_written:
            self._late()

    def _late(self) -> None:
        """Note that the runtime has given the invocation up, and answers in place of the application."""
        error = DeadlineExceeded("There was no result, and the deadline is near.")
        if self._seen.status_code is None:
            self._replace(504, "", error)
            self._seen.is_complete = True
        else:
            self._seen.is_complete = False
        self._fail(error)

    # A stream.

    @contextmanager
    def streaming(self, result: asyncio.Future[Result] | None) -> Iterator[None]:
        seen = self._seen
        if result is not None:  # which is also set at the end
            result.add_done_callback(lambda result: self._given_up(result) if _is_given_up() else None)
        with self._observer.tracing(seen):
            try:
                yield
            except BaseException as exc:
                seen.is_complete = seen.is_complete and self._is_written
                if isinstance(exc, asyncio.CancelledError) and _is_given_up():
                    self._late()
                else:
                    self._fail(exc)
                raise
            seen.is_complete = seen.is_complete and self._is_written  # else its reader has left
            self._write()

    def started(self, prelude: dict[str, Any], body: AsyncIterator[bytes]) -> StreamedResponse:
        if _is_answered():
            self._late()
        else:
            self._seen.status_code = prelude["statusCode"]
        return StreamedResponse(prelude, _WatchedParts(self, body), self.replaced)


def _is_answered() -> bool:
    is_answered = current.is_answered.get()
    return is_answered is not None and is_answered()


def _is_given_up() -> bool:
    moment = current.deadline.get()
    return moment is not None and asyncio.get_running_loop().time() >= moment


class _WatchedParts:
    """The body of a stream, counted. It is not a generator, because one that its reader left early stays open."""

    __slots__ = ("_body", "_exchange")

    def __init__(self, exchange: ObservedExchange, body: AsyncIterator[bytes]) -> None:
        self._exchange, self._body = exchange, body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        try:
            part = await anext(self._body)
        except StopAsyncIteration:
            exchange._write()
            raise
        except Exception as exc:
            exchange._seen.is_complete = False
            exchange._fail(exc)
            raise
        exchange._seen.body_size += len(part)
        return part
