"""The responses for the client: whole, streamed, and our own in place of one that failed."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, cast

from bridge._httpx import httpx
from bridge._messages import (
    FAILED_IN,
    NOTE_FAILURE,
    CompleteResponse,
    InProcess,
    PassedEvent,
    header_pairs,
    is_whole,
    read_whole,
    request_line,
)
from bridge.asgi.cancellation import is_late, takes_own_cancellation
from bridge.asgi.failures import is_failure, is_of_transport, log_failure, log_failure_after_response
from bridge.asgi.tasks import in_own_task
from bridge.errors import (
    ApplicationCancelled,
    ApplicationError,
    ErrorStatus,
    InvalidMessage,
    MalformedEvent,
    OriginError,
    ResultTooLarge,
)
from bridge.sources._response import encode_prelude, has_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    Replaced = Callable[[int, str, Exception], None]

__all__ = [
    "BodyParts",
    "StreamedResponse",
    "cancel_response",
    "close_response",
    "completed_or_failed",
    "error_status",
    "failed_response",
    "plain",
    "prelude_of",
    "started_error",
    "started_response",
    "whole_response",
]

logger = logging.getLogger("bridge")

# The longest body in the text of ErrorStatus, in bytes: Lambda cuts the report of an error at 256 KB.
_MAX_ERROR_BODY = 65536

# How long such a body is waited for, in seconds: the status alone fails the invocation, and the wait is billed.
_MAX_ERROR_TIME = 1.0


def plain(status_code: int, text: str = "") -> CompleteResponse:
    """Return a response of our own. It contains only what any client may know: the log has the details."""
    from http import HTTPStatus  # only failures need it

    body = (text or HTTPStatus(status_code).phrase).encode("ascii")
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    return CompleteResponse(status_code, headers, body)


def failed_response(exc: BaseException, request: httpx.Request | None) -> CompleteResponse:
    """Log one line that names the request and the cause, and return the response for that cause.

    Raise the cause of a PassedEvent's failure: no client reads a response to it.
    """
    what = "The response" if request is None else request_line(request)
    exc = ApplicationCancelled() if isinstance(exc, asyncio.CancelledError) else exc
    if isinstance(request, PassedEvent):
        raise exc if isinstance(exc, Exception) else ApplicationCancelled() from exc  # a group of cancellations
    if request is not None and (note := request.extensions.get(NOTE_FAILURE)) is not None:
        note(exc)
    if isinstance(exc, OriginError | MalformedEvent):
        text = str(exc)  # it names the request itself if it broke a stream
        logger.error("%s", text if text.startswith(f"{what}: ") else f"{what}: {text}")
        return plain(exc.status_code)
    if isinstance(exc, httpx.TransportError) and is_of_transport(exc):
        logger.error("%s: The transport failed: %s: %s", what, type(exc).__name__, exc)
        return plain(504 if isinstance(exc, httpx.TimeoutException) else 502)
    if isinstance(exc, ResultTooLarge):
        logger.error("%s: %s The caller gets an error instead.", what, exc)
        return plain(500, str(exc))
    if isinstance(exc, ApplicationError):
        # The exception that the application was handling when it broke the protocol is often the cause.
        shown = None if exc.__suppress_context__ or exc.__context__ is None else exc
        log_failure(request, exc, "%s: %s", what, exc, exc_info=shown)
    else:
        log_failure(request, exc, "%s: The application raised %s.", what, type(exc).__name__, exc_info=exc)
    return plain(504 if is_late() else 500)


def error_status(response: CompleteResponse) -> ErrorStatus:
    """Return the exception for a response whose status is set to fail the invocation."""
    import json

    body = response.body[:_MAX_ERROR_BODY].decode("utf-8", "replace")
    return ErrorStatus(json.dumps({"statusCode": response.status_code, "body": body}))


async def started_error(response: httpx.Response, request: httpx.Request) -> ErrorStatus:
    """Return the same for a response that has started, with as much of its body as comes soon: it may have no end."""
    if is_whole(response):
        return error_status(response)
    body, limit = bytearray(), asyncio.timeout(_MAX_ERROR_TIME)
    try:
        async with limit:
            async for part in cast("AsyncIterable[bytes]", response.stream):
                body += part[:_MAX_ERROR_BODY]
                if len(body) >= _MAX_ERROR_BODY:
                    break
    except BaseException as exc:
        if not is_failure(exc):
            raise
        if not (isinstance(exc, TimeoutError) and limit.expired()):
            return error_status(failed_response(exc, request))
        cancel_response(response)
    return error_status(CompleteResponse(response.status_code, [], bytes(body)))


async def whole_response(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> CompleteResponse:
    """Send `request` and return the whole response, or one of our own if it failed."""
    try:
        response = await transport.handle_async_request(request)
        if not isinstance(transport, InProcess):  # which has done this
            await _settle(response, request)
        if is_whole(response):
            return response
        response = _readable(response)
    except BaseException as exc:
        if not is_failure(exc):
            raise
        return failed_response(exc, request)
    return await completed_or_failed(response, request)


async def _settle(response: httpx.Response, request: httpx.Request) -> None:
    """Log if a transport's application has cancelled the task that it ran in, after its response."""
    if await takes_own_cancellation():
        log_failure_after_response(request, ApplicationCancelled(), response.status_code)


async def _sent(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    try:
        response = await transport.handle_async_request(request)
    except BaseException:
        request.extensions[FAILED_IN] = copy_context()
        raise
    await _settle(response, request)
    return response


async def started_response(
    transport: httpx.AsyncBaseTransport, request: httpx.Request
) -> tuple[httpx.Response, dict[str, Any]]:
    """Send `request`. Return the response once it has started, or one of our own if it failed, and its prelude."""
    try:
        if isinstance(transport, InProcess):  # which makes a task for the application, or needs none
            response = await transport.handle_async_request(request)
        else:  # httpx's ASGITransport runs an application to its end here, which must not cancel the caller's task
            response = await in_own_task(lambda: _sent(transport, request), name="bridge application")
        response = _readable(response)
    except BaseException as exc:
        if not is_failure(exc):
            raise
        response = failed_response(exc, request)
    try:
        return response, prelude_of(response)
    except InvalidMessage as exc:
        await close_response(response, request)
        failed = failed_response(exc, request)
        return failed, prelude_of(failed)


def _readable(response: httpx.Response) -> httpx.Response:
    """Return `response`, or one with the same body if a transport has read it already. Raises TypeError."""
    if is_whole(response):
        return response
    stream = getattr(response, "stream", None)
    if not isinstance(stream, httpx.AsyncByteStream):
        kind = type(response if stream is None else stream).__name__
        raise TypeError(f"Expected the transport to return a response with an asynchronous body, but got {kind}.")
    if not response.is_stream_consumed or isinstance(stream, httpx.ByteStream):
        return response
    if "content-encoding" in response.headers:  # httpx has decoded the body, if it knows how, and keeps nothing else
        raise TypeError("Expected an unread response with content-encoding, but got one that the transport has read.")
    return CompleteResponse(response.status_code, header_pairs(response), response.content)


def prelude_of(response: httpx.Response) -> dict[str, Any]:
    """Return the head of a streamed response. Raises InvalidMessage for a header that must not reach AWS."""
    return encode_prelude(response.status_code, header_pairs(response))


async def completed_or_failed(response: httpx.Response, request: httpx.Request) -> CompleteResponse:
    """Read a response whose body streams to its end, as it is on the wire, and close it."""
    if is_whole(response):
        return response
    try:
        body = await read_whole(cast("AsyncIterable[bytes]", response.stream))
    except BaseException as exc:
        if not is_failure(exc):
            raise
        return failed_response(exc, request)
    finally:
        await close_response(response, request)
    return CompleteResponse(response.status_code, header_pairs(response), body)


class StreamedResponse:
    """A response that is being sent. `prelude`: statusCode, headers and cookies, for JSON. `body`: its parts, in order.

    Iterating `body` raises the application's exception if that failed in the middle: the stream is not complete then.

    `replaced`: for a runtime to call with the status, the text and the reason of a response that it has sent instead.
    """

    __slots__ = ("body", "prelude", "replaced")

    def __init__(
        self, prelude: dict[str, Any], body: AsyncIterator[bytes], replaced: Replaced = lambda *response: None
    ) -> None:
        self.prelude = prelude
        self.body = body
        self.replaced = replaced


class BodyParts:
    """The body of `response` part by part. A response to HEAD, and one with 204 or 304, has no parts.

    A reader that is cancelled while it waits for a part of InProcessTransport's may go on, and gets every part. With
    another transport the next read raises httpx.StreamError, because what was lost is not known.

    It is not a generator, because a generator that its reader left early stays open.
    """

    __slots__ = ("_has_body", "_is_broken", "_parts", "_whole")

    def __init__(self, response: httpx.Response, method: str) -> None:
        self._has_body = method != "HEAD" and has_body(response.status_code)
        self._whole = response.body if is_whole(response) else None
        self._parts = None if self._whole is not None else aiter(cast("httpx.AsyncByteStream", response.stream))
        self._is_broken = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._parts is None:
            whole, self._whole = self._whole, None
            if not whole or not self._has_body:
                raise StopAsyncIteration
            return whole
        if self._is_broken:
            raise httpx.StreamError("The reader was cancelled while it waited for a part: the rest is lost.")
        try:
            return await self._next(self._parts)
        except Exception:
            raise
        except BaseException as exc:
            from bridge.asgi.streaming import ResponseStream  # most Lambda functions never stream

            self._is_broken = not isinstance(self._parts, ResponseStream)
            if isinstance(exc, asyncio.CancelledError) and is_failure(exc):
                raise ApplicationCancelled() from None
            raise

    async def _next(self, parts: AsyncIterator[bytes]) -> bytes:
        part = await anext(parts)
        while not self._has_body:
            part = await anext(parts)
        return part


def cancel_response(response: httpx.Response) -> None:
    """Cancel the application now: unlike `close_response`, a cancelled reader gives it no time to notice."""
    cancel = getattr(response.stream, "cancel", None)
    if cancel is not None:
        cancel()


async def close_response(response: httpx.Response, request: httpx.Request) -> None:
    """Wait for the application. A failure is logged, and does not change the response."""
    try:
        await response.aclose()
    except BaseException as exc:
        if not is_failure(exc):
            raise
        log_failure_after_response(request, exc, response.status_code)
