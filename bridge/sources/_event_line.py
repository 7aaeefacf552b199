"""The method and path of a broken event for a log line, as far as it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge._messages import MAX_METHOD, MAX_PATH

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["event_line"]

Steps = tuple[str | int, ...]

# Where the sources of this package have them.
_METHODS: tuple[Steps, ...] = (
    ("httpMethod",),
    ("method",),
    ("requestContext", "http", "method"),
    ("Records", 0, "cf", "request", "method"),
)
_PATHS: tuple[Steps, ...] = (("rawPath",), ("path",), ("raw_path",), ("Records", 0, "cf", "request", "uri"))


def event_line(event: Event) -> str:
    """Return "GET /path", escaped and cut, without a query; a question mark stands for what the event does not have."""
    return f"{_text(event, _METHODS, MAX_METHOD)} {_text(event, _PATHS, MAX_PATH)}"


def _text(event: Event, places: tuple[Steps, ...], length: int) -> str:
    for steps in places:
        value: Any = event
        try:
            for step in steps:
                value = value[step]
        except (LookupError, TypeError):
            continue
        if isinstance(value, str):
            return ascii(value.partition("?")[0][:length])[1:-1]
    return "?"
