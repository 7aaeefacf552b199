"""What an application raised: a failure, or what passes through; and the log line of one after a whole response."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context, ContextVar

from bridge._httpx import httpx
from bridge._messages import FAILED_IN, request_line
from bridge.asgi.cancellation import is_asked_to_cancel
from bridge.errors import ApplicationCancelled, ProtocolError

__all__ = [
    "is_failure",
    "is_of_transport",
    "log_exit_after_response",
    "log_failure",
    "log_failure_after_response",
    "noted_failures",
]

logger = logging.getLogger("bridge")

# The list that gets each failure of an application, for a test that wants to see the exception itself. None elsewhere.
noted_failures: ContextVar[list[BaseException] | None] = ContextVar("bridge_noted_failures", default=None)


def is_failure(error: BaseException) -> bool:
    """Return whether `error` is the application's own failure, and not an exit or a cancellation from outside.

    A cancellation that was not requested from outside is one, alone or in a group. A group with an exit is an exit.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_failure, error.exceptions))
    if isinstance(error, asyncio.CancelledError):
        return not is_asked_to_cancel()
    return isinstance(error, Exception)


def is_of_transport(exc: httpx.TransportError) -> bool:
    """Return whether a transport raised `exc`. An error of an application's own client names that client's request."""
    try:
        _ = exc.request
    except RuntimeError:
        return True
    return False


def log_failure(
    request: httpx.Request | None,
    error: BaseException,
    message: str,
    *args: object,
    exc_info: BaseException | None = None,
) -> None:
    """Log a failure of the application in the context where it failed, if that was noted in FAILED_IN.

    Sentry's middleware, inside the application, notes in its context which exception it has sent. It sends those of
    the log, too, except of the one that it finds there.
    """
    noted = noted_failures.get()
    if noted is not None:
        noted.append(error)
    context = None if request is None else request.extensions.pop(FAILED_IN, None)
    if isinstance(context, Context):
        context.run(logger.error, message, *args, exc_info=exc_info)
    else:
        logger.error(message, *args, exc_info=exc_info)


def log_failure_after_response(request: httpx.Request, error: BaseException, status_code: int) -> None:
    """Log a failure of the application after its response was complete. The response stays as it is."""
    what = request_line(request)
    name = type(error).__name__
    if isinstance(error, asyncio.CancelledError):
        error = ApplicationCancelled()
    if isinstance(error, ProtocolError | ApplicationCancelled):
        log_failure(request, error, "%s: %s Its response was complete, and stays as it is.", what, error)
    elif status_code >= 500:  # what an application's own error handler answers before it raises the error again
        message = "%s: The application answered %d, and raised %s."
        log_failure(request, error, message, what, status_code, name, exc_info=error)
    else:
        log_failure(
            request,
            error,
            "%s: The application raised %s after its response was complete. That response, a %d, stays as it is.",
            what,
            name,
            status_code,
            exc_info=error,
        )


def log_exit_after_response(request: httpx.Request, error: BaseException) -> None:
    """Log an exit of the application, which is never swallowed, after its response was complete."""
    if not isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit):  # which come from outside
        logger.warning(
            "%s: The application raised %s after its response was complete. The process may end before the client has "
            "the response.",
            request_line(request),
            type(error).__name__,
        )
