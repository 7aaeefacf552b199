"""One exchange whose response is read while the application still runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from bridge._httpx import httpx
from bridge._messages import FAILED_IN, async_body, request_line
from bridge.asgi.failures import is_failure, log_exit_after_response, log_failure, log_failure_after_response
from bridge.asgi.handover import Handover, ReaderLeft
from bridge.asgi.protocol import COMPLETE, ResponseState
from bridge.asgi.tasks import ApplicationTask
from bridge.errors import ApplicationCancelled, ClientDisconnected

if TYPE_CHECKING:
    from bridge._types import ASGIApp, Message, Scope

__all__ = ["ResponseStream", "StreamingExchange"]

logger = logging.getLogger("bridge")

# The exceptions that Starlette, Django and Litestar raise when the reader has left.
_DISCONNECTS = frozenset({"ClientDisconnect", "ClientDisconnected", "RequestAborted"})

# How long an application may clean up after its reader has left, in seconds, before it is cancelled. uvicorn never
# cancels it, but a Lambda environment that waits is billed.
DISCONNECT_GRACE = 5.0

# How long send() waits, in seconds, for an application that listens for the disconnect to cancel itself. Django
# and Litestar do so and clean up. If send() raised in the middle of their work, they would leave objects open.
LISTENER_GRACE = 1.0


class StreamingExchange(ResponseState):
    """The `receive` and `send` of one request, and the task that runs the application.

    The body goes to the reader part by part, and no part is stored: send() returns when the reader has taken it.
    """

    def __init__(self, app: ASGIApp, scope: Scope, request: httpx.Request) -> None:
        super().__init__()
        self._app, self._scope = app, scope
        self.request = request
        # Request.
        self._request_parts: AsyncIterator[bytes] | None = aiter(async_body(request))
        # Response.
        self._started = anyio.Event()
        self._over = anyio.Event()  # complete, or the reader has left
        self.parts = Handover()
        self._is_head = scope["method"] == "HEAD"
        self._gone = False
        self._request_broken = False
        self._listeners = 0  # how many receive() calls wait for the end, or waited for it when the reader left
        self.task: ApplicationTask

    async def start(self) -> None:
        """Run the application until its response has started, or until it has ended without one."""
        self.task = ApplicationTask(self._run, name="bridge application", ended=self._ended)
        try:
            await self._started.wait()
        except BaseException:
            self.leave()
            await self.task.cancel_and_wait()
            raise

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self.receive, self.send)
        except BaseException as exc:
            self.request.extensions[FAILED_IN] = copy_context()
            if self.violation is None or not is_failure(exc):  # a task group may have wrapped it, a handler replaced it
                raise
        finally:
            await self._close_request()
        if self.violation is not None or not self._gone:
            self.check_finished()

    async def _close_request(self) -> None:
        close = getattr(self._request_parts, "aclose", None)
        if close is not None:
            # A receive() that the application cancelled may still be on its way out of it.
            with anyio.CancelScope(shield=True), suppress(RuntimeError):
                await close()

    def _ended(self) -> None:
        self._over.set()
        self._started.set()
        self.parts.close()

    async def receive(self) -> Message:
        if self._request_parts is not None and not self._gone:
            return await self._receive_part(self._request_parts)
        if self._request_broken:
            return {"type": "http.disconnect"}
        self._listeners += 1
        try:
            await self._over.wait()
        finally:
            if not self._gone:
                self._listeners -= 1
        return {"type": "http.disconnect"}

    async def _receive_part(self, parts: AsyncIterator[bytes]) -> Message:
        try:
            async for part in parts:
                return {"type": "http.request", "body": part, "more_body": True}
        except BaseException:  # a cancellation of this receive() too: it ends a generator for good
            self._request_broken, self._request_parts = True, None  # never a clean end to a body that broke off
            raise
        self._request_parts = None
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _refuse(self) -> None:
        if self._listeners:
            with anyio.move_on_after(LISTENER_GRACE):
                await self.task.done.wait()
        raise ClientDisconnected("The reader of the response has left.") from None

    async def send(self, message: Message) -> None:
        if self._gone:
            await self._refuse()
        part = self.accept(message)
        self._started.set()
        try:
            await (self._offer(part) if part and not self._is_head else anyio.lowlevel.checkpoint())
        finally:  # also of a send() that the application cancels: its part is on the way
            if self.state is COMPLETE:
                self._over.set()
                self.parts.close()

    async def _offer(self, part: bytes) -> None:
        try:
            await self.parts.put(part)
        except ReaderLeft:
            await self._refuse()

    @property
    def is_delivered(self) -> bool:
        """True if the reader has received all of a complete response."""
        return self.state is COMPLETE and self.parts.is_empty

    @property
    def is_left(self) -> bool:
        """True if the reader left before that."""
        return self._gone

    def leave(self) -> None:
        """Tell the exchange that its reader has left: from now on `receive` gives http.disconnect and `send` raises."""
        self._gone = self._gone or not self.is_delivered
        self._over.set()
        self.parts.leave()

    async def finish(self) -> BaseException | None:
        """Leave, wait for the application to end, and return what it raised.

        That is None if it only says that the reader has left.

        Without a time limit if its response is complete: then it does background work. Else it is cancelled after
        DISCONNECT_GRACE seconds.
        """
        self.leave()
        try:
            with anyio.move_on_after(DISCONNECT_GRACE if self._gone else None):
                await self.task.done.wait()
        except BaseException:
            await self.task.cancel_and_wait()
            raise
        if not self.task.done.is_set():
            logger.warning(
                "%s: The application ran on for %g s after its reader had left, and was cancelled.",
                request_line(self.request),
                DISCONNECT_GRACE,
            )
            await self.task.cancel_and_wait()
        try:
            return self.failure()
        finally:
            self.task.error = None  # its frames refer to this object, and hold a generator that is to be closed

    def failure(self) -> BaseException | None:
        """Return what the application raised, if it has ended, except where its cancellation came from outside."""
        error = self.task.error
        if isinstance(error, anyio.get_cancelled_exc_class()):
            return None if self.task.cancelled else ApplicationCancelled()
        return None if self._gone and _is_disconnect(error) else error


def _is_disconnect(error: BaseException | None) -> bool:
    """Return whether `error` only reports that the reader has left: our own class, or that of a framework."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_disconnect, error.exceptions))
    if isinstance(error, ClientDisconnected):
        return True
    caused = isinstance(error, Exception) and isinstance(error.__cause__ or error.__context__, ClientDisconnected)
    return caused and type(error).__name__ in _DISCONNECTS


class ResponseStream(httpx.AsyncByteStream):
    """The response body, as the application sends it. Owns the application's task: closing waits for its end."""

    def __init__(self, exchange: StreamingExchange, *, raise_app_exceptions: bool) -> None:
        self._exchange = exchange
        self._raise = raise_app_exceptions
        self._closed = False

    # Not a generator: one that its reader left early stays open.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with suppress(anyio.EndOfStream):
            return await self._exchange.parts.take()
        if not self._exchange.is_delivered and not self._closed:
            await self._exchange.task.done.wait()
            self._fail_mid_body()
        raise StopAsyncIteration

    def _fail_mid_body(self) -> None:
        error = self._exchange.failure()
        if error is None:
            return
        if isinstance(error, StopAsyncIteration):  # which would look like the end of the body: as in PEP 479
            error = RuntimeError("The application raised StopAsyncIteration.").with_traceback(error.__traceback__)
        self._closed = True
        self._exchange.leave()
        if self._raise or not is_failure(error):
            raise error
        what = request_line(self._exchange.request)
        message = "%s: The application failed in the middle of its response."
        log_failure(self._exchange.request, error, message, what, exc_info=error)
        raise httpx.RemoteProtocolError("The application failed in the middle of its response.") from error

    def cancel(self) -> None:
        """Cancel the application. `aclose` waits for its end."""
        self._exchange.leave()
        self._exchange.task.cancel()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        error = await self._exchange.finish()
        if error is None:
            return
        exchange = self._exchange
        if not is_failure(error):
            if not exchange.is_left:
                log_exit_after_response(exchange.request, error)
            raise error
        if exchange.is_left:
            what = request_line(exchange.request)
            message = "%s: The application failed after its reader had left."
            log_failure(exchange.request, error, message, what, exc_info=error)
        elif self._raise:
            raise error
        else:
            log_failure_after_response(exchange.request, error, exchange.status_code)
