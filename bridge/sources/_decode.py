"""The decoding of any event with its source, which may be the user's own and faulty."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridge._http import is_connection_id
from bridge._httpx import httpx
from bridge._messages import (
    CONNECTION_ID,
    EventRequest,
    PassedEvent,
    header_pairs,
    replace_headers,
    request_line,
)
from bridge.errors import ConfigurationError, MalformedEvent
from bridge.sources import DEFAULT_SOURCES, Source
from bridge.sources._address import server_address
from bridge.sources._event_fields import event_line
from bridge.sources._framing import check_framing

if TYPE_CHECKING:
    from bridge._types import Event
    from bridge.settings import Settings

__all__ = ["checked_sources", "decode_event"]

logger = logging.getLogger("bridge")

# The longest reason in a log line, in characters. More could be the client's own text.
_MAX_REASON = 200


def checked_sources(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Return `sources` as a tuple. Raises ConfigurationError."""
    try:
        checked = tuple(sources)
    except TypeError:
        raise ConfigurationError(f"Expected a list of sources, but got {sources!r:.200}.") from None
    for source in checked:
        if not all(hasattr(source, member) for member in ("name", "matches", "decode", "encode")):
            raise ConfigurationError(f"Expected a source with name, matches, decode and encode, but got {source!r}.")
    if not checked:
        raise ConfigurationError("Expected at least one source, but got none: no event could ever be answered.")
    return checked


def decode_event(source: Source, event: Event, settings: Settings) -> httpx.Request:
    """Return the request that `event` describes. Its `extensions["asgi"]` is a dict.

    Raises MalformedEvent for a broken event, after one log line about it, and TypeError for a source of the user's
    that returns something else than a request.
    """
    try:
        request = source.decode(event, settings)
        if isinstance(request, PassedEvent):
            return request  # nothing in it is a client's
        if source not in DEFAULT_SOURCES and isinstance(request, httpx.Request):  # ours have checked it
            check_framing(request)
            _drop_connection_id(request)
    except MalformedEvent as exc:
        logger.error("%s: %s", _what(source, event), exc)
        raise
    except Exception as exc:
        _log_undecoded(source, event, exc)
        raise MalformedEvent("The event could not be decoded.") from exc
    if not isinstance(request, EventRequest):
        _check_request(request, source)
        # Headers among the entries of the scope would take the place of the request's, which are the ones checked.
        entries = request.extensions.get("asgi") or {}
        request.extensions["asgi"] = {name: value for name, value in entries.items() if name != "headers"}
    if (settings.pass_through_path or settings.websocket_path) and CONNECTION_ID not in request.extensions:
        from bridge.sources._closed_path import check_path  # only a path that is set needs it

        check_path(request, settings)
    if settings.trust_forwarded_host:
        _take_forwarded_host(request)
    if settings.authorization_source:
        _move_authorization(request, settings.authorization_source.encode("ascii"))
    return request


def _what(source: Source, event: Event) -> str:
    return f"{event_line(event)}: A malformed {source.name} event"


def _log_undecoded(source: Source, event: Event, exc: Exception) -> None:
    """Log one line for a shape that no source of ours expects. A source of the user's may have a fault of its own."""
    if source in DEFAULT_SOURCES:
        reason = ascii(f"{type(exc).__name__}: {exc}"[:_MAX_REASON])[1:-1]
        logger.error("%s, which could not be decoded: %s", _what(source, event), reason)
    else:
        logger.error("%s, which could not be decoded.", _what(source, event), exc_info=exc)


def _check_request(request: object, source: Source) -> None:
    """Check what a source of the user's returned. Raises TypeError, which fails the invocation."""
    if not isinstance(request, httpx.Request) or not isinstance(request.stream, httpx.AsyncByteStream):
        raise TypeError(
            f"Expected the source {source.name!r} to decode to an {httpx.__name__}.Request with a body of bytes "
            f"or of an async iterable, but got {type(request).__module__}.{type(request).__name__}."
        )


def _drop_connection_id(request: httpx.Request) -> None:
    """Remove the header that names a WebSocket API's connection, in any spelling, unless it is ours."""
    pairs = header_pairs(request)
    kept = [pair for pair in pairs if not is_connection_id(pair[0])]
    if len(kept) != len(pairs) and CONNECTION_ID not in request.extensions:
        replace_headers(request, kept)


def _take_forwarded_host(request: httpx.Request) -> None:
    """Make x-forwarded-host the Host: its last value, which the nearest proxy set. An invalid one changes nothing."""
    pairs = header_pairs(request)
    values = [value for name, value in pairs if name == b"x-forwarded-host"]
    host = values[-1].rpartition(b",")[2].strip() if values else b""
    scope = request.extensions["asgi"]
    server = server_address(host, None, None, scope.get("scheme") or request.url.scheme)
    if server is not None:
        replace_headers(request, [(b"host", host), *(pair for pair in pairs if pair[0] != b"host")])
        scope["server"] = server


def _move_authorization(request: httpx.Request, source: bytes) -> None:
    """Make the value of the header `source` the authorization. A request without it keeps the one that it has."""
    pairs = header_pairs(request)
    values = [value for name, value in pairs if name == source]
    if not values:
        if CONNECTION_ID in request.extensions:  # a message has no headers of its client
            return
        name = source.decode("ascii")
        logger.warning("%s: The request lacks the header %s, which has authorization.", request_line(request), name)
        return
    kept = [pair for pair in pairs if pair[0] not in (source, b"authorization")]
    replace_headers(request, [*kept, (b"authorization", values[0])])
