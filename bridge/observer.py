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
from bridge.errors import DeadlineExceeded
from bridge.exchange import Exchange
from bridge.observation import Observation
from bridge.settings import logs_json
from bridge.sources._event_fields import event_kind, event_line
from bridge.sources._response import has_body

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

    __slots__ = ("_is_written", "_observer", "_outcome", "_seen")

    def __init__(self, observer: Observer, parts: Parts, event: Event, context: Any, *, is_stream: bool) -> None:
        self._observer = observer
        self._seen = seen = Observation(event, context)
        self._is_written = False
        self._outcome: tuple[Result, None] | tuple[None, Exception] | None = None
        try:
            super().__init__(parts, event, context, is_stream=is_stream)
        except Exception as exc:
            seen.method, _, seen.path = event_line(event).partition(" ")
            seen.source = f"event:{event_kind(event)}"
            self._fail(exc)
            raise
        seen.name(self._source, self.request)
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
        """Return the result, whose size is checked whoever calls: the line has the status that the client gets."""
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
            result = super().encode(response)
        except Exception as exc:
            self._outcome = None, exc
            self._fail(exc)
        else:
            self._outcome = result, None
            self._write()

    def _sent(self, response: CompleteResponse) -> None:
        method = "" if isinstance(self.request, CompleteResponse) else self.request.method
        self._seen.status_code = response.status_code
        self._seen.body_size = len(response.body) if method != "HEAD" and has_body(response.status_code) else 0

    async def answer(self, result: asyncio.Future[Result]) -> None:
        def given_up(result: asyncio.Future[Result]) -> None:
            if self._outcome is None and not self._is_written:
                self._late()

        result.add_done_callback(given_up)
        await super().answer(result)

    def _late(self) -> None:
        """Note that the runtime has given the invocation up, and answers in place of the application."""
        if not isinstance(self.request, PassedEvent):
            self._seen.status_code = self._seen.status_code or 504
        self._fail(DeadlineExceeded("There was no result, and the deadline is near."))

    # A stream.

    @contextmanager
    def streaming(self) -> Iterator[None]:
        seen = self._seen
        with self._observer.tracing(seen):
            try:
                yield
            except BaseException as exc:
                seen.is_complete = self._is_written
                if isinstance(exc, asyncio.CancelledError) and _is_given_up():
                    self._late()
                else:
                    self._fail(exc)
                raise
            seen.is_complete = self._is_written  # else its reader has left
            self._write()

    def watched(self, prelude: dict[str, Any], body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._seen.status_code = prelude["statusCode"]
        return _WatchedParts(self, body)


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
