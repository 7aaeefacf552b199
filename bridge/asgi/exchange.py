"""One exchange that returns the whole response: the application runs in the task of its caller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from bridge._messages import MAX_WHOLE, CompleteResponse, PassedEvent, too_large
from bridge.asgi.cancellation import is_late, takes_own_cancellation
from bridge.asgi.failures import is_failure, log_exit_after_response, log_failure_after_response
from bridge.asgi.protocol import COMPLETE, STARTED, WAITING, ResponseState
from bridge.asgi.tasks import checkpoint, make_event
from bridge.errors import ApplicationCancelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bridge._httpx import httpx
    from bridge._types import ASGIApp, Message, Scope

__all__ = ["WholeExchange", "respond_whole"]

# The state after a response that has more than MAX_WHOLE bytes.
TOO_LARGE = "nothing more, because its response is too large"


async def respond_whole(
    app: ASGIApp,
    scope: Scope,
    body: bytes,
    *,
    request: httpx.Request,
    finished: Callable[[CompleteResponse], None] | None = None,
) -> CompleteResponse:
    """Run `app` to its end and return its response. This costs neither a task nor an event.

    `finished` is called with the response as soon as its last message was sent. A response that is complete stays as
    it is whatever the application does after it: that is logged. Raises what the application raised before, and
    ProtocolError and ApplicationCancelled.
    """
    exchange = WholeExchange(body, finished)
    try:
        await app(scope, exchange.receive, exchange.send)
        if await takes_own_cancellation():
            raise asyncio.CancelledError
    except BaseException as exc:
        if not is_failure(exc):
            if exchange.state is COMPLETE:
                log_exit_after_response(request, exc)
                if is_late():
                    return exchange.response
            raise
        if exchange.violation is None:  # else that counts: a task group may have wrapped it, a handler replaced it
            if exchange.state is COMPLETE and not _is_handled_error(request, exchange.status_code):
                log_failure_after_response(request, exc, exchange.status_code)
            elif isinstance(exc, asyncio.CancelledError):
                raise ApplicationCancelled() from None
            else:
                raise
    if exchange.state is COMPLETE and exchange.violation is not None:
        log_failure_after_response(request, exchange.take_violation(), exchange.status_code)
    exchange.check_finished()
    return exchange.response


def _is_handled_error(request: httpx.Request, status_code: int) -> bool:
    """Return whether an exception after this answer is its cause, and says more to the one who reads it.

    An error handler answers 500 and raises the error again: Starlette's does. No client reads the answer to an event.
    """
    return isinstance(request, PassedEvent) and status_code >= 500


class WholeExchange(ResponseState):
    """The `receive` and `send` of one request, and the response that its messages add up to."""

    __slots__ = ("_body", "_chunks", "_complete", "_finished", "_size")

    def __init__(self, body: bytes, finished: Callable[[CompleteResponse], None] | None = None) -> None:
        self.state = WAITING
        self.violation = None
        self._body: bytes | None = body
        self._chunks: list[bytes] = []
        self._size = 0
        self._finished = finished
        # Made only if the application waits for the end of its own response.
        self._complete: Any = None

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        # Lambda does not tell when a client disconnects: the end of the response is the only disconnect.
        if self.state is WAITING or self.state is STARTED:
            if self._complete is None:
                self._complete = make_event()
            await self._complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        part = self.accept(message)
        if part:
            self._size += len(part)
            if self._size > MAX_WHOLE:
                self._refuse()
            self._chunks.append(part)
        if self.state is COMPLETE:
            if self._complete is not None:
                self._complete.set()
            if self._finished is not None:
                self._finished(self.response)
                await checkpoint()  # the task that waits for the response gets it before the application goes on

    def _refuse(self) -> NoReturn:
        """Fail this response for good, however its application ends."""
        self.state = TOO_LARGE
        if self._complete is not None:
            self._complete.set()
        self.violation = self.violation or too_large(MAX_WHOLE)
        raise self.violation

    @property
    def response(self) -> CompleteResponse:
        """The response that the application sent. A body that came in one part is not copied."""
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return CompleteResponse(self.status_code, self.headers, body)
