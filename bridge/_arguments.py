"""The checks of a handler's arguments. Each raises ConfigurationError, which says what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bridge._httpx import httpx
from bridge.errors import ConfigurationError
from bridge.settings import Settings, warn_of_ineffective_variables

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


def checked_settings(owner: object, settings: Settings | None, arguments: Mapping[str, Any]) -> Settings:
    """Return the settings of `owner`, a handler: `settings`, and those that are keyword `arguments` of its own.

    An argument takes the place of what `settings` read from the environment. Raises TypeError for an argument that
    `settings` were made with too, and for an unknown one.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise ConfigurationError(f"Expected settings to be a bridge.Settings, but got {type(settings).__name__}.")
    kind = Settings if settings is None else type(settings)
    for name in arguments:
        if name not in kind.names():
            raise TypeError(_unexpected(owner, name, kind.names()))
    if settings is None:
        settings = Settings(**arguments)
    elif arguments:
        settings = settings.with_arguments(arguments)
    warn_of_ineffective_variables(settings)
    return settings


def _unexpected(owner: object, name: str, settings: Iterable[str]) -> str:
    import inspect  # only an error needs both

    from bridge._advice import advice_on_argument

    own = {
        parameter.name
        for kind in type(owner).__mro__
        for parameter in inspect.signature(vars(kind).get("__init__", object.__init__)).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and not parameter.name.startswith("_")
    }
    advice = advice_on_argument(name, own.union(settings))
    return f"{type(owner).__name__}() got an unexpected keyword argument {name!r}. {advice}"


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
