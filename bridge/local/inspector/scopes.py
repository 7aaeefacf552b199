"""The ASGI scope that an application gets for an event, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.asgi.scope import build_scope
from bridge.errors import BridgeError
from bridge.settings import Settings
from bridge.sources import find_source
from bridge.sources._decode import decode_event

__all__ = ["scope_of"]

# The settings that change a scope, all of them text in the environment.
_SETTINGS = ("base_path", "root_path", "stage", "authorization_source", "trust_forwarded_host")


def scope_of(event: Any, environ: Mapping[str, str]) -> tuple[dict[str, Any] | None, str]:
    """Return the scope, in which byte strings are text, or None and why there is none.

    `environ`: the function's variables. What its code gives as arguments is not known here.
    """
    source = find_source(event)
    if source is None:
        return None, "This event is not an HTTP request."
    try:
        settings = Settings(**_arguments(environ))
        request = decode_event(source, event, settings)
        scope = build_scope(request, root_path=settings.root_path, client=None)
    except BridgeError as exc:
        return None, f"{type(exc).__name__}: {exc}"
    plain: dict[str, Any] = _plain(scope)
    return plain, ""


def _arguments(environ: Mapping[str, str]) -> dict[str, Any]:
    variables, defaults = Settings.variables(), Settings.defaults()
    arguments = {name: defaults[name] for name in Settings.names()}
    for name in _SETTINGS:
        given = [environ[variable].strip() for variable in variables[name] if variable in environ]
        if given:
            arguments[name] = given[0]
    return arguments


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
