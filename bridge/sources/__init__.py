"""Event sources: one module for each service that invokes a function with an HTTP request.

A source is anything with the four members of `Source`. To add your own, put it before the defaults:
`Bridge(app, sources=[MySource, *DEFAULT_SOURCES])`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from bridge._messages import CompleteResponse, EventRequest
from bridge.errors import UnsupportedEvent
from bridge.settings import Settings
from bridge.sources import (
    alb,
    function_url,
    http_api_v1,
    http_api_v2,
    lambda_edge,
    rest_api,
    vpc_lattice_v1,
    vpc_lattice_v2,
)
from bridge.sources._event_fields import decode_body, is_object
from bridge.sources._request import decode_headers, first_header, make_request
from bridge.sources._response import EncodedResponse, encode_response

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import Event, Result

__all__ = [
    "DEFAULT_SOURCES",
    "CompleteResponse",
    "EncodedResponse",
    "EventRequest",
    "Source",
    "decode_body",
    "decode_headers",
    "encode_response",
    "find_source",
    "first_header",
    "make_request",
    "select_source",
]


class Source(Protocol):
    """One service that invokes a function with an HTTP request. Its functions are pure: no I/O and no state.

    A source may also have `streams = True`. A function whose invoke mode is response_stream then streams to it: the
    prelude, then the body. Other sources get the result of `encode`, in that mode too.

    And it may have `max_result`: the bytes of JSON that its service accepts, if these are fewer than Lambda's. For a
    larger result the client gets a 500.
    """

    @property
    def name(self) -> str:
        """The name of the source in log lines."""

    def matches(self, event: Event) -> bool:
        """Return whether `event`, a JSON object of any shape, belongs to this source. It must not raise."""

    def decode(self, event: Event, settings: Settings) -> httpx.Request:
        """Return the request that the event describes; see `make_request`.

        Raise MalformedEvent if the event is broken: the client gets the status code of that exception.
        """

    def encode(self, response: CompleteResponse, event: Event, settings: Settings) -> Result:
        """Return the result that the service expects for this response; see `encode_response`.

        Raise InvalidMessage if the response must not reach AWS, ResultTooLarge if the service would refuse its size:
        the client gets a 500.
        """


class _WebSocket:
    """The source of WebSocket APIs, `bridge.sources.websocket`, which most functions never need to import."""

    name = "websocket"

    def matches(self, event: Event) -> bool:
        context = event.get("requestContext")
        if not is_object(context) or context.get("connectionId") is None:
            return False
        from bridge.sources import websocket

        return websocket.matches(event)

    def decode(self, event: Event, settings: Settings) -> httpx.Request:
        from bridge.sources import websocket

        return websocket.decode(event, settings)

    def encode(self, response: CompleteResponse, event: Event, settings: Settings) -> Result:
        from bridge.sources import websocket

        return websocket.encode(response, event, settings)


# The order matters where shapes overlap: sources that one field identifies come before those that need several.
DEFAULT_SOURCES: tuple[Source, ...] = (
    alb,
    lambda_edge,
    function_url,
    http_api_v2,
    vpc_lattice_v2,
    vpc_lattice_v1,
    http_api_v1,
    rest_api,
    _WebSocket(),
)


def find_source(event: Event, sources: Iterable[Source] = DEFAULT_SOURCES) -> Source | None:
    """Return the first of `sources` that matches `event`; None if it is not an HTTP request."""
    if is_object(event):
        for source in sources:
            if source.matches(event):
                return source
    return None


def select_source(event: Event, sources: Iterable[Source] = DEFAULT_SOURCES) -> Source:
    """Return the first of `sources` that matches `event`.

    Raise UnsupportedEvent, which names the keys of the event and what was expected.
    """
    source = find_source(event, sources)
    if source is not None:
        return source
    from bridge.sources._unsupported import describe  # only an error needs it

    raise UnsupportedEvent(describe(event))
