"""httpx's Request and Response, built cheaply: what nobody looks at is never made, and httpx not imported for it.

An `httpx.Request` parses a URL and copies every header twice, some 60 microseconds that a Lambda invocation does not
need: its event already holds the parts. These classes keep the parts and build `url`, `headers` and `stream` the first
time somebody asks for them. Whoever asks for anything else that httpx's own objects have, or whether they are such
objects, finds that they are: an instance becomes one then. So they are whole httpx objects to a transport or a source
of your own, and cost nothing where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from bridge._httpx import has_httpx, httpx

if TYPE_CHECKING:
    from bridge._types import HeaderPairs

    _Request: TypeAlias = httpx.Request
    _Response: TypeAlias = httpx.Response
else:
    _Request = _Response = object

__all__ = ["SPEC_VERSION", "CompleteResponse", "EventRequest", "header_pairs", "replace_headers"]

# The version of ASGI's HTTP specification that the scope announces. From 2.4 on, send() raises an OSError once nobody
# reads, and applications need no task that listens for it.
SPEC_VERSION = "2.4"


class _Deferred:
    """An object that becomes one of httpx's when somebody looks for that."""

    # How to build the attributes that are made of others.
    _parts: ClassVar[dict[str, Callable[[Any], Any]]]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Only called for a name the instance does not have yet.
            build = self._parts.get(name)
            if build is not None:
                value = self.__dict__[name] = build(self)
                return value
            if type(self) in _WHOLE:
                return getattr(_become_whole(self), name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

        @property
        def __class__(self) -> type:
            """What isinstance() looks at where the type alone does not tell; without httpx nobody can mean its own."""
            return _whole_class(type(self)) if has_httpx() else type(self)

        def __reduce_ex__(self, protocol: Any) -> Any:
            whole = _become_whole(self)
            return _blank, (type(whole).__mro__[1],), whole.__getstate__()


class EventRequest(_Deferred, _Request):
    """A request decoded from a Lambda event.

    `method`: as sent, upper case. `target`: the request-target in origin form, as the client sent it (RFC 9112,
    3.2.1). `headers`: lower-case name and value as latin-1 bytes, repeats kept, in order. `body`: the decoded bytes.
    `scope`: the entries of the ASGI scope that HTTP cannot carry; `scheme` and `server` are needed, see
    `bridge.sources.make_request`.
    """

    raw_headers: HeaderPairs
    extensions: dict[str, Any]

    def __init__(self, method: str, target: bytes, headers: HeaderPairs, body: bytes, scope: dict[str, Any]) -> None:
        self.method = method
        self.raw_headers = headers
        self._content = body
        self.extensions = {"target": target, "asgi": scope}

    @property
    def content(self) -> bytes:
        return self._content

    def __getstate__(self) -> dict[str, Any]:
        # httpx leaves the extensions out of a pickle, and these parts are made from them.
        _ = self.url, self.headers
        return super().__getstate__()


class CompleteResponse(_Deferred, _Response):
    """A response whose body has arrived, still encoded as the application encoded it.

    `raw_headers`: name and value bytes, repeats kept, in order. `body`: the bytes to put on the wire. To httpx this
    is a response that was not read yet: `read()` decodes `body` into `content` as always.
    """

    raw_headers: HeaderPairs
    body: bytes

    # What httpx.Response.__init__ sets on every instance, and nothing here ever changes in place.
    is_closed = False
    is_stream_consumed = False
    next_request = None
    default_encoding = "utf-8"
    _request = None
    _num_bytes_downloaded = 0

    def __init__(self, status_code: int, headers: HeaderPairs, body: bytes) -> None:
        self.status_code = status_code
        self.raw_headers = headers
        self.body = body

    def __getstate__(self) -> dict[str, Any]:
        # httpx pickles the read content and leaves the stream out.
        self.read()
        _ = self.headers, self.history
        return super().__getstate__()


def header_pairs(message: httpx.Request | httpx.Response) -> HeaderPairs:
    """The header pairs of `message`, lower-case names, without building `Headers` where nobody has looked."""
    if isinstance(message, _CHEAP) and "headers" not in message.__dict__:
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


# A tuple, because `EventRequest | CompleteResponse` would make a union anew for every request.
_CHEAP = (EventRequest, CompleteResponse)


# Each class, and the same as a subclass of httpx's, once that was needed.
_WHOLE: dict[type, type | None] = {EventRequest: None, CompleteResponse: None}


def _whole_class(kind: type) -> type:
    if kind not in _WHOLE:
        return kind  # it is one already, or a subclass of the user's
    whole = _WHOLE[kind]
    if whole is None:
        base = httpx.Request if kind is EventRequest else httpx.Response
        whole = _WHOLE[kind] = type(kind.__name__, (kind, base), {"__module__": kind.__module__})
    return whole


def _blank(kind: type) -> Any:
    """An instance without its state, which pickle sets then."""
    return object.__new__(kind)


def _become_whole(message: Any) -> Any:
    object.__dict__["__class__"].__set__(message, _whole_class(type(message)))
    return message


def _url(request: EventRequest) -> httpx.URL:
    scope = request.extensions["asgi"]
    host, port = scope.get("server") or ("localhost", None)
    target = request.extensions["target"]
    try:
        return httpx.URL(scheme=scope["scheme"], host=host, port=port, raw_path=target)
    except httpx.InvalidURL:  # a host such as 999.1.1.1, which is a name to HTTP and an address to httpx
        return httpx.URL(scheme=scope["scheme"], host="localhost", port=port, raw_path=target)


EventRequest._parts = {
    "url": _url,
    "headers": lambda request: httpx.Headers(request.raw_headers),
    "stream": lambda request: httpx.ByteStream(request.content),
}

CompleteResponse._parts = {
    "headers": lambda response: httpx.Headers(response.raw_headers),
    "stream": lambda response: httpx.ByteStream(response.body),
    "history": lambda response: [],
    "extensions": lambda response: {},
}
