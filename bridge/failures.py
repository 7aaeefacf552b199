"""What the client gets when something failed, and the line that the log gets: whose fault it is decides both."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from bridge._messages import CompleteResponse, header_pairs
from bridge.errors import ApplicationError, ErrorStatus, MalformedEvent, OriginError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from bridge._httpx import httpx

__all__ = ["completed", "error_status", "failed_response", "plain"]

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
