"""What the client gets: a response of our own where something failed, and the streamed response."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from bridge._messages import CompleteResponse, header_pairs
from bridge.errors import ApplicationError, ErrorStatus, MalformedEvent, OriginError, ProtocolError
from bridge.sources._response import has_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from bridge._httpx import httpx

__all__ = [
    "BodyParts",
    "StreamedResponse",
    "cancel_response",
    "close_response",
    "completed",
    "error_status",
    "failed_response",
    "plain",
]

logger = logging.getLogger("bridge")

# How much of a response goes into the text of ErrorStatus, in bytes: Lambda cuts the report of an error at 256 KB.
_MAX_ERROR_BODY = 65536


def plain(status_code: int, text: str = "") -> CompleteResponse:
    """A response of our own: it says no more than a stranger may know; the log says the rest."""
    from http import HTTPStatus  # only failures need it

    body = (text or HTTPStatus(status_code).phrase).encode("ascii")
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    return CompleteResponse(status_code, headers, body)


def failed_response(exc: Exception) -> CompleteResponse:
    """The response to a request in which the application or the web server failed, after one log line about it."""
    if isinstance(exc, OriginError | MalformedEvent):
        logger.error("%s", exc)
        return plain(exc.status_code)
    if isinstance(exc, ApplicationError):
        # What the application was handling when it broke the protocol is often the fault behind it.
        logger.error("%s", exc, exc_info=None if exc.__suppress_context__ or exc.__context__ is None else exc)
    else:
        logger.error("The application raised %s.", type(exc).__name__, exc_info=exc)
    return plain(500)


def error_status(response: CompleteResponse) -> ErrorStatus:
    """The exception for a response whose status is to fail the invocation."""
    import json

    body = response.body[:_MAX_ERROR_BODY].decode("utf-8", "replace")
    return ErrorStatus(json.dumps({"statusCode": response.status_code, "body": body}))


async def completed(response: httpx.Response) -> CompleteResponse:
    """The whole of a response whose body streams."""
    if isinstance(response, CompleteResponse):
        return response
    parts = [part async for part in cast("AsyncIterable[bytes]", response.stream)]
    return CompleteResponse(response.status_code, header_pairs(response), b"".join(parts))


class StreamedResponse:
    """A response under way. `prelude`: statusCode, headers and cookies, for JSON. `body`: its parts, as they come.

    Iterating `body` raises what the application raised in the middle of it: then the stream is broken, not complete.
    """

    __slots__ = ("body", "prelude")

    def __init__(self, prelude: dict[str, Any], body: AsyncIterator[bytes]) -> None:
        self.prelude = prelude
        self.body = body


class BodyParts:
    """The body as it comes, but for a response that has none whatever the application sends.

    Not a generator: nobody closes one that its reader left early.
    """

    __slots__ = ("_has_body", "_parts", "_whole")

    def __init__(self, response: httpx.Response, method: str) -> None:
        self._has_body = method.upper() != "HEAD" and has_body(response.status_code)
        self._whole = response.body if isinstance(response, CompleteResponse) else None
        self._parts = None if self._whole is not None else aiter(cast("httpx.AsyncByteStream", response.stream))

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


def cancel_response(response: httpx.Response) -> None:
    """Whoever cancels the reader waits for no application: it gets no time to notice, as `close_response` gives it."""
    cancel = getattr(response.stream, "cancel", None)
    if cancel is not None:
        cancel()


async def close_response(response: httpx.Response) -> None:
    """Wait for the application; the response stands whatever it still raises."""
    try:
        await response.aclose()
    except Exception as exc:
        if isinstance(exc, ProtocolError):
            logger.error("%s", exc)
        else:
            logger.error("The application failed after its response was complete.", exc_info=exc)
