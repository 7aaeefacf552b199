"""Reading fields of an event that may be missing, null or, in an event that somebody made up, of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.errors import MalformedEvent

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["lenient_object", "object_field", "path_field", "text_field"]


def object_field(event: Event, key: str) -> dict[str, Any]:
    """The object under `key`; empty where there is none. Raises MalformedEvent for a value of another type."""
    value = event.get(key)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise MalformedEvent(f"Expected {key!r} to be an object, but got {type(value).__name__}.")


def lenient_object(event: Event, key: str) -> dict[str, Any]:
    """The object under `key`, or an empty one: for encode(), as the application may have changed the event by then."""
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def text_field(event: Event, key: str) -> str | None:
    """The string under `key`, or None. Raises MalformedEvent for a value of another type."""
    value = event.get(key)
    if value is None or isinstance(value, str):
        return value
    raise MalformedEvent(f"Expected {key!r} to be a string, but got {type(value).__name__}.")


def path_field(event: Event, key: str) -> str:
    """The path under `key`; it starts with a slash, which some events leave out."""
    path = event.get(key)
    if type(path) is str and path.startswith("/"):
        return path
    return "/" + (text_field(event, key) or "")
