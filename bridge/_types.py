"""The ASGI vocabulary and the shapes that Lambda hands over, as types.

ASGI messages: https://asgi.readthedocs.io/en/latest/specs/www.html
Lambda context: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Literal, NotRequired, Protocol, TypedDict

HeaderPairs = list[tuple[bytes, bytes]]
Address = tuple[str, int]

# A Lambda event is JSON that a stranger may have written: nothing in it has a type before it was looked at.
Event = dict[str, Any]
Result = dict[str, Any]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# The version of ASGI's HTTP specification that the scope announces. From 2.4 on, send() raises an OSError once nobody
# reads, and applications need no task that listens for it.
SPEC_VERSION = "2.4"

LifespanMode = Literal["auto", "on", "off"]


class ASGIVersions(TypedDict):
    """`scope["asgi"]`."""

    version: Literal["3.0"]
    spec_version: str


class HTTPScope(TypedDict):
    """The connection scope of one request (ASGI HTTP spec, "HTTP Connection Scope")."""

    type: Literal["http"]
    asgi: ASGIVersions
    http_version: str
    method: str
    scheme: str
    path: str
    raw_path: bytes
    query_string: bytes
    root_path: str
    headers: HeaderPairs
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    state: NotRequired[dict[str, Any]]


class HTTPRequestEvent(TypedDict):
    """One part of the request body, given to the application by `receive()`."""

    type: Literal["http.request"]
    body: bytes
    more_body: bool


class HTTPDisconnectEvent(TypedDict):
    """The response is complete, or nobody reads it any more."""

    type: Literal["http.disconnect"]


class HTTPResponseStartEvent(TypedDict):
    """The head of the response, sent by the application."""

    type: Literal["http.response.start"]
    status: int
    headers: NotRequired[Iterable[tuple[bytes, bytes]]]
    trailers: NotRequired[bool]


class HTTPResponseBodyEvent(TypedDict):
    """One part of the response body, sent by the application."""

    type: Literal["http.response.body"]
    body: NotRequired[bytes]
    more_body: NotRequired[bool]


class LambdaContext(Protocol):
    """What the bridge itself asks of a Lambda context; everything else passes through to the application."""

    @property
    def aws_request_id(self) -> str: ...
