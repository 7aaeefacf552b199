"""Event sources: the services that invoke a function with an HTTP request, each a pair of pure functions.

A source is anything with the four members of `Source`; the ones here are modules. To add your own, put it before the
defaults: `Bridge(app, sources=[MySource, *DEFAULT_SOURCES])`.
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
from bridge.sources._request import decode_body, decode_headers, first_header, make_request
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
    "first_header",
    "make_request",
    "select_source",
]


class Source(Protocol):
    """One service that invokes a function with an HTTP request. Its functions are pure: no I/O, nothing remembered.

    A source may also have `streams = True`: then a function whose invoke mode is response_stream streams to it what
    `handler.stream` gives, the prelude first. Others get what `encode` makes, in that mode too.
    """

    @property
    def name(self) -> str:
        """How log lines call the source."""

    def matches(self, event: Event) -> bool:
        """Whether `event`, a JSON object of any shape, is one of this source's. Must not raise."""

    def decode(self, event: Event, settings: Settings) -> httpx.Request:
        """The request that the event describes; `make_request` makes one.

        Raises MalformedEvent if the event is broken, which gives the client its status code.
        """

    def encode(self, response: CompleteResponse, event: Event, settings: Settings) -> Result:
        """The result that the service expects for this response; `encode_response` is where to start.

        Raises InvalidMessage if the response must not reach AWS, which gives the client a 500.
        """


# The order matters where shapes overlap: what is told by one sure field comes before what is told by several.
DEFAULT_SOURCES: tuple[Source, ...] = (
    alb,
    lambda_edge,
    function_url,
    http_api_v2,
    vpc_lattice_v2,
    vpc_lattice_v1,
    http_api_v1,
    rest_api,
)


def select_source(event: Event, sources: Iterable[Source] = DEFAULT_SOURCES) -> Source:
    """The first of `sources` that knows `event`.

    Raises UnsupportedEvent, which names the keys of the event and what was expected.
    """
    if isinstance(event, dict):
        for source in sources:
            if source.matches(event):
                return source
    from bridge.sources._lookalikes import describe  # only an error needs it

    raise UnsupportedEvent(describe(event))
