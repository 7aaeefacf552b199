"""The function that gets the events in place of the application."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from bridge._messages import PassedEvent
from bridge.asgi.failures import is_failure
from bridge.errors import ApplicationCancelled

if TYPE_CHECKING:
    from bridge._types import Event, EventFunction

__all__ = ["call", "request_of"]


def request_of(function: EventFunction) -> PassedEvent:
    """Return a substitute for the request that is not made: it names the function in log lines."""
    named = function if hasattr(function, "__qualname__") else type(function)
    name = f"{named.__module__}.{named.__qualname__}"
    return PassedEvent("on_event", name.encode("ascii", "backslashreplace"), [], b"", {})


async def call(function: EventFunction, event: Event, context: Any) -> Any:
    """Call `function`, which may be synchronous, on the event loop of the application.

    Raises what it raises, but ApplicationCancelled for a cancellation of its own, which must not leave a handler.
    """
    try:
        result = function(event, context)
        return await result if isawaitable(result) else result
    except BaseException as exc:
        if isinstance(exc, Exception) or not is_failure(exc):
            raise
        raise ApplicationCancelled() from exc
