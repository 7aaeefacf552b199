"""The fields of an event: objects, strings, paths, bodies and query parameters.

A field may be missing or null. In an event that was written by hand it may have any type. JSON's objects and arrays
are dicts and lists, but a handler may also be called with any other mappings and sequences in their place, such as the
data classes of Powertools for AWS Lambda.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from bridge._messages import MAX_METHOD, MAX_PATH
from bridge.errors import MalformedEvent

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = [
    "decode_base64",
    "decode_body",
    "event_kind",
    "event_line",
    "invocation_line",
    "is_array",
    "is_object",
    "join_query",
    "json_value",
    "lenient_object",
    "object_field",
    "path_field",
    "text_field",
    "utf8",
    "well_formed",
]


# Sequences too, to Python.
_TEXT = (str, bytes, bytearray)


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether `value` is an object of JSON, or any other mapping."""
    return type(value) is dict or isinstance(value, Mapping)  # the first is far cheaper


def is_array(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether `value` is an array of JSON, or any other sequence, except text and bytes."""
    return type(value) is list or (not isinstance(value, _TEXT) and isinstance(value, Sequence))


def json_value(value: object) -> object:
    """Return a mapping or a sequence as JSON has it. Raise TypeError for what JSON lacks."""
    if is_object(value):
        return dict(value)
    if is_array(value):
        return list(value)
    raise TypeError(f"It contains an object of type {type(value).__name__}.")


def well_formed(text: str) -> str:
    """Return `text` with U+FFFD for each half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def utf8(text: str) -> bytes:
    """Return `text` as UTF-8; see `well_formed`."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return well_formed(text).encode()


def object_field(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under `key`; an empty one where there is none. Raise MalformedEvent for another type."""
    value = event.get(key)
    if value is None:
        return {}
    if is_object(value):
        return value
    raise MalformedEvent(f"Expected {key!r} to be an object, but got {type(value).__name__}.")


def lenient_object(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under `key` or an empty one. For encode(): the application may have changed the event."""
    value = event.get(key)
    return value if is_object(value) else {}


def text_field(event: Mapping[str, Any], key: str) -> str | None:
    """Return the string under `key`, or None. Raise MalformedEvent for another type."""
    value = event.get(key)
    if value is None or isinstance(value, str):
        return value
    raise MalformedEvent(f"Expected {key!r} to be a string, but got {type(value).__name__}.")


def path_field(event: Mapping[str, Any], key: str) -> str:
    """Return the path under `key`, with the leading slash that some events leave out. Raise MalformedEvent.

    Whatever a broken event holds, such as a whole URL, becomes a path in this way, and never another request-target.
    """
    path = well_formed(text_field(event, key) or "/")
    return path if path.startswith("/") else f"/{path}"


# The longest name of an event's service in a log line, in characters.
_MAX_KIND = 60

_Steps = tuple[str | int, ...]

# Where the sources of this package have the method and the path. An event of a WebSocket API has a type alone.
_METHODS: tuple[_Steps, ...] = (
    ("httpMethod",),
    ("method",),
    ("requestContext", "http", "method"),
    ("Records", 0, "cf", "request", "method"),
    ("requestContext", "eventType"),
)
_PATHS: tuple[_Steps, ...] = (("rawPath",), ("path",), ("raw_path",), ("Records", 0, "cf", "request", "uri"))


def event_line(event: Event) -> str:
    """Return "GET /path" for a log line, escaped and cut, without a query; "?" for what a broken event lacks."""
    return f"{_first_text(event, _METHODS, MAX_METHOD)} {_first_text(event, _PATHS, MAX_PATH)}"


def event_kind(event: Event) -> str:
    """Return the service that sent an event that is not an HTTP request, escaped and cut; "other" if it is unknown."""
    if not is_object(event):
        return "other"
    records = event.get("Records")
    first = records[0] if is_array(records) and records else None
    places = (first, event) if is_object(first) else (event,)
    for place in places:
        for key in ("eventSource", "EventSource", "source"):
            if isinstance(value := place.get(key), str):
                return ascii(value[:_MAX_KIND])[1:-1]
    return "other"


def invocation_line(event: Event) -> str:
    """Return `event_line` for a log line about any invocation, or the service of an event that is not a request."""
    line = event_line(event)
    return f"An event of {event_kind(event)}" if line.startswith("? ") else line


def _first_text(event: Event, places: tuple[_Steps, ...], length: int) -> str:
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


def decode_body(event: Event, *, flag: str = "isBase64Encoded") -> bytes:
    """Return the body of an event as bytes. Its base64 flag decides, never its type; text is UTF-8; null is empty.

    Raise MalformedEvent for broken base64 and for a body that is not a string.
    """
    body = event.get("body")
    if not body:
        return b""
    if not isinstance(body, str):
        raise MalformedEvent(f"Expected the body to be a string, but got {type(body).__name__}.")
    return decode_base64(body) if event.get(flag) else utf8(body)


def decode_base64(body: str) -> bytes:
    """Decode strictly: what a lenient decoder skips is damage. Raise MalformedEvent."""
    try:
        return a2b_base64(body, strict_mode=True)
    except (Base64Error, ValueError) as exc:
        raise MalformedEvent(f"Expected a base64 body, as the event's flag says, but it is broken: {exc}.") from exc


def join_query(parameters: object, instead: object = None, quote: Callable[[str], str] | None = None) -> str:
    """Return the query string of an event's parameters: name -> str, list of str, or null for no equals sign.

    `instead`: the parameters to use if there are none. `quote`: encodes names and values that are not encoded yet.
    Raise MalformedEvent for anything but mappings.
    """
    parameters = parameters or instead or {}
    if not is_object(parameters):
        raise MalformedEvent(f"Expected query parameters to be an object, but got {type(parameters).__name__}.")
    parts: list[str] = []
    for key, values in parameters.items():
        name = quote(key) if quote else key
        for value in values if is_array(values) else (values,):
            text = value if value is None or isinstance(value, str) else str(value)
            parts.append(name if text is None else f"{name}={quote(text) if quote else text}")
    return "&".join(parts)
