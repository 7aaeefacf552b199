"""Which headers go over the socket, both ways: a message for one connection is not the message for the next."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bridge._httpx import httpx

if TYPE_CHECKING:
    from bridge._types import HeaderPairs

__all__ = ["checked_method", "framed", "request_headers", "response_headers", "response_length"]

# RFC 9110, 7.6.1, and what RFC 9112 (C.2.2) and old clients add; trailers are read by nobody behind Lambda.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

# Without them a message has no frame and a request no address, whatever Connection says of them.
_NEVER_NOMINATED = frozenset({b"content-length", b"host"})

# RFC 9110, 5.6.2: what a name is made of; and 5.5: no control byte but the tab in a value.
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])

# No longer name is remembered: it would come from data, not from code.
_MAX_NAME_LENGTH = 64

# RFC 9110, 6.4.1: responses that have no body whatever their headers say.
_BODILESS = frozenset({204, 304})


def checked_method(method: str) -> str:
    """`method`, if it is one (RFC 9110, 9.1). Raises LocalProtocolError."""
    if not method or not method.isascii() or method.encode("ascii").translate(None, _TOKEN):
        raise httpx.LocalProtocolError(f"The request has a method that is no token: {method!r:.200}.")
    return method


def request_headers(pairs: HeaderPairs, *, host: str) -> HeaderPairs:
    """What the web server gets of a request's headers: no hop-by-hop header, and exactly one Host, the client's.

    `host`: the Host of a request that has none, as HTTP/1.0 clients send it.

    Raises LocalProtocolError for what no client could have sent: names that are no tokens, values with control bytes,
    several Hosts.
    """
    try:
        headers = _end_to_end(pairs)
    except ValueError as exc:
        raise httpx.LocalProtocolError(f"The request has {exc}.") from None
    hosts = sum([name == b"host" for name, _ in headers])
    if hosts > 1:
        raise httpx.LocalProtocolError(f"The request has {hosts} Host headers.")
    return headers if hosts else [(b"host", host.encode("ascii", "replace")), *headers]


def framed(headers: HeaderPairs, length: int | None) -> HeaderPairs:
    """`headers` with what says where the body ends.

    `length`: of the body, in bytes; None if nobody knows, and then it goes out in chunks, unless its length was
    announced. Raises LocalProtocolError for a content-length that is not the body's.
    """
    announced = [value for name, value in headers if name == b"content-length"]
    if not announced:
        if length == 0:
            return headers
        return [*headers, (b"transfer-encoding", b"chunked") if length is None else (b"content-length", b"%d" % length)]
    if len(announced) > 1 or (length is not None and announced[0] != b"%d" % length):
        raise httpx.LocalProtocolError(f"The request has content-length {announced!r:.100} for {length} bytes.")
    return headers


def response_headers(pairs: HeaderPairs) -> HeaderPairs:
    """A response's end-to-end headers. Raises RemoteProtocolError for a value with control bytes."""
    try:
        headers = _end_to_end(pairs)
    except ValueError as exc:
        raise httpx.RemoteProtocolError(f"The response has {exc}.") from None
    if len(headers) != len(pairs) and is_chunked(pairs):
        # RFC 9112, 6.3: the chunks count, and such a length is gone before the message goes on.
        return [pair for pair in headers if pair[0] != b"content-length"]
    return headers


def is_chunked(pairs: HeaderPairs) -> bool:
    """Whether the body comes in chunks."""
    return any(name.lower() == b"transfer-encoding" for name, _ in pairs)


def _end_to_end(pairs: HeaderPairs) -> HeaderPairs:
    """`pairs` without the hop-by-hop headers, and those that Connection names. Raises ValueError with what is wrong."""
    nominated: frozenset[bytes] | None = None
    headers: HeaderPairs = []
    for raw_name, value in pairs:
        name = _lower(raw_name) if len(raw_name) <= _MAX_NAME_LENGTH else _lower.__wrapped__(raw_name)
        if len(value.translate(None, _CONTROLS)) != len(value):
            raise ValueError(f"control bytes in the value of {name!r:.200}")
        if name in _HOP_BY_HOP:
            if name == b"connection":
                nominated = (nominated or frozenset()) | _nominated(value)
            continue
        headers.append((name, value.strip(b" \t") if value[:1].isspace() or value[-1:].isspace() else value))
    if nominated:
        return [pair for pair in headers if pair[0] not in nominated]
    return headers


@lru_cache(maxsize=512)
def _lower(name: bytes) -> bytes:
    if not name or name.translate(None, _TOKEN):
        raise ValueError(f"a header name that is no token: {name!r:.200}")
    return name.lower()


def _nominated(value: bytes) -> frozenset[bytes]:
    return frozenset(item.strip().lower() for item in value.split(b",")) - _NEVER_NOMINATED


def response_length(method: str, status_code: int, headers: HeaderPairs) -> int | None:
    """The length of the body that the headers announce, in bytes; None if they do not (RFC 9112, 6.3)."""
    if method == "HEAD" or status_code in _BODILESS:
        return 0
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None
