"""The checks of a handler's arguments. Each raises ConfigurationError, which says what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._httpx import httpx
from bridge.errors import ConfigurationError
from bridge.settings import Settings

if TYPE_CHECKING:
    from bridge._types import EventFunction, TracingHook

__all__ = ["checked_on_event", "checked_settings", "checked_tracing", "checked_transport"]


def checked_transport(transport: object) -> httpx.AsyncBaseTransport:
    if isinstance(transport, httpx.AsyncBaseTransport):
        return transport
    kind = type(transport)
    raise ConfigurationError(
        f"Expected an {httpx.__name__}.AsyncBaseTransport, but got {kind.__module__}.{kind.__qualname__}. "
        "An ASGI or WSGI application needs Bridge(app)."
    )


def checked_settings(settings: Settings | None) -> Settings:
    if settings is None:
        return Settings()
    if isinstance(settings, Settings):
        return settings
    raise ConfigurationError(f"Expected settings to be a bridge.Settings, but got {type(settings).__name__}.")


def checked_on_event(function: EventFunction | None) -> EventFunction | None:
    if function is None or callable(function):
        return function
    raise ConfigurationError(
        f"Expected on_event to be a function of an event and a context, but got {type(function).__name__}."
    )


def checked_tracing(hook: TracingHook | None) -> TracingHook | None:
    if hook is None or callable(hook):
        return hook
    raise ConfigurationError(
        f"Expected tracing to be a function that returns a context manager, but got {type(hook).__name__}."
    )
