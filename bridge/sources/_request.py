"""The headers of an event, and the request that is made from its parts.

A source of your own can use these functions too: `bridge.sources` exports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge._http import CONTEXT_HEADERS, HOP_BY_HOP, NameCache, is_forged
from bridge._messages import SPEC_VERSION, EventRequest
from bridge.errors import MalformedEvent
from bridge.sources._address import server_address
from bridge.sources._event_fields import is_array, is_object, utf8
from bridge.sources._framing import check_headers, check_line
from bridge.sources._path import quoted, requoted, requoted_query

if TYPE_CHECKING:
    from bridge._types import Address, HeaderPairs

__all__ = ["decode_headers", "first_header", "header_value", "make_request"]

# The client's connection ends at AWS, and a Lambda body arrives whole: neither its options nor its framing apply.
_DROPPED = CONTEXT_HEADERS | HOP_BY_HOP

_HTTP_VERSIONS: dict[str | None, str] = {
    "HTTP/1.0": "1.0",
    "HTTP/1.1": "1.1",
    "HTTP/2": "2",
    "HTTP/2.0": "2",
    "HTTP/3": "3",
    "HTTP/3.0": "3",
}


def _scope_name(name: str) -> bytes | None:
    """Return the name of a header as the scope has it, or None for one that is dropped."""
    encoded = name.encode("latin-1", "replace").lower()
    return None if is_forged(encoded) else encoded


# By the names as events spell them.
_names = NameCache(_scope_name)


def decode_headers(headers: object, more: object = None) -> HeaderPairs:
    """Return header pairs from the mapping of an event: name -> str, list of str, or null.

    Names come out in lower case, one pair for each value, in order; several cookie headers, as HTTP/2 clients send
    them, become one (RFC 9113, 8.2.3). Null means no headers. Copies of the headers that only a server may set are
    dropped, and so are spellings such as X_Forwarded_For of those that AWS sets. `more`: a second mapping that adds
    only the names that the first lacks: REST events carry their headers twice, with all values and with the last one.

    Raise MalformedEvent for anything but a mapping.
    """
    if not headers or not more:
        return _pairs(headers or more or {})
    pairs = _pairs(headers)
    if not is_object(headers) or not is_object(more) or more.keys() <= headers.keys():
        return pairs
    names = {name for name, _ in pairs}
    return pairs + [pair for pair in _pairs(more) if pair[0] not in names]


def _pairs(headers: object) -> HeaderPairs:
    if not is_object(headers):
        raise MalformedEvent(f"Expected headers to be an object, but got {type(headers).__name__}.")
    pairs: HeaderPairs = []
    cookies = 0
    for spelling, value in headers.items():
        name = _names[spelling]
        if name is None:
            continue
        if type(value) is list and len(value) == 1:
            value = value[0]
        if type(value) is str and value.isascii():  # nearly every value, without a call for each
            pairs.append((name, value.encode()))
        else:
            pairs += [(name, encoded) for encoded in _encoded_values(value)]
        if name == b"cookie":
            cookies += len(value) if is_array(value) else 1
    return _with_one_cookie(pairs) if cookies > 1 else pairs


def _encoded_values(value: object) -> list[bytes]:
    if is_array(value):
        return [encoded for item in value for encoded in _encoded_values(item)]
    if value is None:
        return []
    # A test event that was written by hand may hold 5 or true.
    return [header_value(value if isinstance(value, str) else str(value))]


def header_value(text: str) -> bytes:
    """Return the client's bytes, whether AWS decoded them as UTF-8 or as latin-1. Only CloudFront documents it.

    Text of which the latin-1 bytes are UTF-8 beyond ASCII was decoded as latin-1. All other text was decoded as UTF-8:
    it has letters that latin-1 lacks (honojs/hono#4432), or letters that no client writes in that way.
    """
    if not text.isascii():
        try:
            raw = text.encode("latin-1")
            raw.decode("utf-8")
            return raw
        except UnicodeError:
            pass
    return utf8(text)


def _with_one_cookie(pairs: HeaderPairs) -> HeaderPairs:
    cookies = [value for name, value in pairs if name == b"cookie"]
    return _with_one(b"cookie", b"; ".join(cookies), pairs) if len(cookies) > 1 else pairs


def _with_one(name: bytes, value: bytes, pairs: HeaderPairs) -> HeaderPairs:
    """Return `pairs` with one header called `name`, in the place of the first."""
    first = next(index for index, (key, _) in enumerate(pairs) if key == name)
    return [*pairs[:first], (name, value), *(pair for pair in pairs[first + 1 :] if pair[0] != name)]


def first_header(headers: HeaderPairs, name: bytes) -> str | None:
    """Return the value of the first header called `name` (lower case), or None."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


def make_request(
    *,
    method: str | None,
    path: str,
    raw_path: str | None = None,
    query_string: str | None = None,
    headers: HeaderPairs,
    body: bytes = b"",
    scheme: str | None = None,
    domain: str | None = None,
    client: Address | None = None,
    protocol: str | None = None,
    root_path: str = "",
    is_forwarded: bool = True,
) -> EventRequest:
    """Return the request that an event describes.

    `path`: decoded, with a slash in front. `raw_path`: the same as the client sent it, percent-encoded; without it one
    is made of `path`. `query_string`: percent-encoded, without the question mark. `headers`: as `decode_headers` gives
    them. `body`: decoded bytes. `scheme`: "http" or "https", else what x-forwarded-proto says, else https. `domain`:
    the host name that the event itself names, for a Host header that is missing or invalid. `client`: the client's
    address. `protocol`: such as "HTTP/1.1". `root_path`: the prefix of `path` under which the application is mounted.
    `is_forwarded`: whether AWS writes x-forwarded-proto and x-forwarded-port; where it does not, a client may have. Of
    several values, the last one is from the front end that is the nearest.

    content-length is set to the length of `body` where there is a body or the client sent a length. The headers about
    the client's connection are dropped (RFC 9110, 7.6.1), and so are copies of the headers that only a server may set.

    Raise MalformedEvent for what cannot be written as HTTP/1.1 in one way alone, with 501 for CONNECT.
    """
    values = dict(headers)
    if not values.keys().isdisjoint(_DROPPED):
        headers = [pair for pair in headers if pair[0] not in _DROPPED]
        values = dict(headers)
    check_headers(headers, values)
    sent_length = values.get(b"content-length")
    length = b"%d" % len(body)
    if sent_length is None:
        if body:
            headers = [*headers, (b"content-length", length)]
    elif sent_length != length or len(values) != len(headers):  # wrong, or perhaps one of several
        headers = _with_one(b"content-length", length, headers)
    if scheme is None:
        scheme = "http" if is_forwarded and _last(values.get(b"x-forwarded-proto")) == b"http" else "https"
    port = _last(values.get(b"x-forwarded-port")) if is_forwarded else None
    target = encoded_path = quoted(path) if raw_path is None else requoted(raw_path)
    query = requoted_query(query_string) if query_string else b""
    if query:
        target = encoded_path + b"?" + query
    method = method or "GET"
    check_line(method, target)
    # The whole scope, so that nothing has to take the request apart again.
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
        "http_version": _HTTP_VERSIONS.get(protocol, "1.1"),
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": encoded_path,
        "query_string": query,
        "root_path": root_path,
        "headers": headers,
        "client": client,
        "server": server_address(values.get(b"host"), domain, port, scheme),
    }
    return EventRequest(method, target, headers, body, scope)


def _last(value: bytes | None) -> bytes | None:
    """Return the last item of a list."""
    return value.rpartition(b",")[2].strip() if value and b"," in value else value
