"""httpx's Request and Response for Lambda: parts that are costly to build are built when they are first read.

An `httpx.Request` parses a URL and copies every header, and an event already holds the parts. These subclasses keep
them, and build `url`, `headers` and `stream` only for a transport, a source or a user that reads them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard, overload

from bridge._httpx import httpx
from bridge.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from bridge._types import HeaderPairs

__all__ = [
    "CONNECTION_ID",
    "FAILED_IN",
    "MAX_METHOD",
    "MAX_PATH",
    "MAX_WHOLE",
    "NOTE_FAILURE",
    "SPEC_VERSION",
    "WHOLE_RESPONSE",
    "CompleteResponse",
    "EventRequest",
    "InProcess",
    "PassedEvent",
    "async_body",
    "header_pairs",
    "is_whole",
    "method_and_path",
    "read_whole",
    "replace_headers",
    "request_line",
    "request_target",
    "too_large",
]

# The version of ASGI's HTTP specification that the scope announces. From 2.4 on, send() raises an OSError after the
# reader has left, and applications need no task that listens for it.
SPEC_VERSION = "2.4"

# The key of `request.extensions` that asks a transport for a whole response, a CompleteResponse. Its value is True, or
# a function that is called with the response as soon as its last message was sent, while the application may go on.
# A transport that does not know the key returns a response to be read.
WHOLE_RESPONSE = "whole_response"

# The key of `request.extensions` for a function that gets the exception in whose place the client gets a response.
NOTE_FAILURE = "note_failure"

# The key of `request.extensions` for the id, in bytes, of the WebSocket API's connection that the request is about. No
# client has sent such a request, but an event made it: its path and its header with the id are ours.
CONNECTION_ID = "connection_id"

# In the extensions of a request whose application has failed: a copy of the context in which it did.
FAILED_IN = "failed_in"

# The most bytes of a body that is read whole: ten times what a Lambda result can have. A body without end must not fill
# the memory until the deadline.
MAX_WHOLE = 64 * 1024 * 1024

# The longest method and path in a log line, in characters.
MAX_METHOD, MAX_PATH = 20, 200

_EMPTY = httpx.ByteStream(b"")


class EventRequest(httpx.Request):
    """A request decoded from a Lambda event.

    `method`: as sent. `target`: the request-target in origin form, as the client sent it (RFC 9112,
    3.2.1). `headers`: lower-case name and value as latin-1 bytes, repeats kept, in order. `body`: the decoded bytes.
    `scope`: the entries of the ASGI scope that HTTP cannot carry; `scheme` and `server` are required, see
    `bridge.sources.make_request`.
    """

    raw_headers: HeaderPairs
    body: bytes

    def __init__(self, method: str, target: bytes, headers: HeaderPairs, body: bytes, scope: dict[str, Any]) -> None:
        # Without httpx's own __init__, which builds the parts below.
        self.method = method
        self.raw_headers = headers
        self.body = body
        self.extensions = {"target": target, "asgi": scope}

    @property
    def content(self) -> bytes:
        stream = self.__dict__.get("stream")
        if stream is None:
            return self.body
        # A transport around another one may have set it.
        return b"".join(stream) if isinstance(stream, httpx.ByteStream) else super().content

    @cached_property
    def url(self) -> httpx.URL:  # type: ignore[override]  # an attribute there
        scope = self.extensions["asgi"]
        host, port = scope.get("server") or ("localhost", None)
        parts = {"scheme": scope["scheme"], "port": port, "raw_path": self.extensions["target"]}
        try:
            return httpx.URL(host=host, **parts)
        except httpx.InvalidURL:  # a host such as 999.1.1.1, which is a name to HTTP and an address to httpx
            return httpx.URL(host="localhost", **parts)

    @cached_property
    def headers(self) -> httpx.Headers:  # type: ignore[override]
        return httpx.Headers(self.raw_headers)

    @cached_property
    def stream(self) -> httpx.ByteStream:  # type: ignore[override]
        return httpx.ByteStream(self.body)

    def __getstate__(self) -> dict[str, Any]:
        # httpx pickles the content that was read, and leaves out the stream, and the extensions that the URL is of.
        self.read()
        _ = self.url, self.headers
        return super().__getstate__()


class PassedEvent(EventRequest):
    """A request made of an event that is not one: the event is its body. What fails it fails the invocation.

    `service`: the one that sent the event, for a log line.
    """

    service = "other"


class CompleteResponse(httpx.Response):
    """A response whose body has arrived, still encoded as the application encoded it.

    `raw_headers`: name and value bytes, repeats kept, in order. `body`: the bytes to put on the wire. To httpx this
    is a response that was not read yet: `read()` decodes `body` into `content` as always.
    """

    raw_headers: HeaderPairs
    body: bytes

    def __init__(self, status_code: int, headers: HeaderPairs, body: bytes) -> None:
        super().__init__(status_code, stream=_EMPTY)
        del self.headers, self.stream  # built below, from these
        self.raw_headers = headers
        self.body = body

    @cached_property
    def headers(self) -> httpx.Headers:  # type: ignore[override]
        return httpx.Headers(self.raw_headers)

    @cached_property
    def stream(self) -> httpx.ByteStream:  # type: ignore[override]
        return httpx.ByteStream(self.body)

    def __getstate__(self) -> dict[str, Any]:
        # httpx pickles the content that was read, and leaves the stream out.
        self.read()
        _ = self.headers
        return super().__getstate__()


class InProcess:
    """A transport that calls the application in this process, and asks for a whole response to be read itself.

    `answers_early`: it calls the function that `request.extensions` may have for WHOLE_RESPONSE. A class that derives
    from such a transport may change the response that it gets, so it must say so itself.
    """

    answers_early: ClassVar[bool] = False

    def __init_subclass__(cls, *, answers_early: bool = False) -> None:
        super().__init_subclass__()
        cls.answers_early = answers_early

    def import_streams(self) -> None:
        """Import what only streams need."""

    def may_wait(self, request: httpx.Request) -> bool:
        """Return whether the call for the whole response may wait for something, and so needs an event loop."""
        return True


# A tuple, because `EventRequest | CompleteResponse` would make a union anew for every request.
_LAZY = (EventRequest, CompleteResponse)


@overload
def is_whole(message: httpx.Request) -> TypeGuard[EventRequest]: ...
@overload
def is_whole(message: httpx.Response) -> TypeGuard[CompleteResponse]: ...
def is_whole(message: httpx.Request | httpx.Response) -> bool:
    """Return whether `message.body` is the body. A transport around another one may have set another stream."""
    return isinstance(message, _LAZY) and "stream" not in message.__dict__


def too_large(limit: int) -> InvalidMessage:
    """Return the error of an application in this process whose whole response has more than `limit` bytes."""
    return InvalidMessage(f"Expected a response of at most {limit} bytes, because it is not streamed, but it has more.")


async def read_whole(parts: AsyncIterable[bytes]) -> bytes:
    """Return the whole body. Raises RemoteProtocolError if it has more than MAX_WHOLE bytes."""
    taken, size = [], 0
    async for part in parts:
        size += len(part)
        if size > MAX_WHOLE:
            raise httpx.RemoteProtocolError(f"The response has more than {MAX_WHOLE} bytes and is not streamed.")
        taken.append(part)
    return b"".join(taken)


def header_pairs(message: httpx.Request | httpx.Response) -> HeaderPairs:
    """Return the header pairs of `message` with lower-case names, without building `Headers` for it."""
    if isinstance(message, _LAZY) and "headers" not in message.__dict__:
        return message.raw_headers
    return [(name.lower(), value) for name, value in message.headers.raw]


def replace_headers(request: httpx.Request, pairs: HeaderPairs) -> None:
    """Give `request` other headers: `pairs` with lower-case names. The scope that it carries gets them too."""
    if isinstance(request, EventRequest):
        request.raw_headers = pairs
        request.__dict__.pop("headers", None)
        request.extensions["asgi"]["headers"] = pairs
    else:
        request.headers = httpx.Headers(pairs)


def async_body(request: httpx.Request) -> httpx.AsyncByteStream:
    """Return the stream of `request`. Raises TypeError for a synchronous one."""
    stream = request.stream
    if isinstance(stream, httpx.AsyncByteStream):
        return stream
    raise TypeError(f"Expected a request with an asynchronous body, but got {type(stream).__name__}.")


def request_target(request: httpx.Request) -> bytes:
    """Return the request-target as the client sent it, or else as the URL has it."""
    target: bytes = request.extensions.get("target") or request.url.raw_path
    return target


def method_and_path(request: httpx.Request) -> tuple[str, str]:
    """Return both for a log, the path without the query, which may contain secrets.

    The client chose both, so control characters are escaped, and both are cut.
    """
    path = request_target(request).partition(b"?")[0][:MAX_PATH].decode("latin-1")
    return ascii(request.method[:MAX_METHOD])[1:-1], ascii(path)[1:-1]


def request_line(request: httpx.Request) -> str:
    """Return both for a log line, and the service of an event that is not an HTTP request."""
    line = " ".join(method_and_path(request))
    return f"{line} (an event of {request.service})" if isinstance(request, PassedEvent) else line
