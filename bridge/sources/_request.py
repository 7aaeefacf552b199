"""The pieces every source decodes alike: headers, body, and the request made of them.

A source of your own can use them too: `bridge.sources` exports what is in `__all__`.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bridge._http import CONTEXT_HEADERS
from bridge._messages import SPEC_VERSION, EventRequest
from bridge.errors import MalformedEvent
from bridge.sources._address import server_address
from bridge.sources._path import quoted, requoted, requoted_query

if TYPE_CHECKING:
    from bridge._types import Address, Event, HeaderPairs

__all__ = ["decode_base64", "decode_body", "decode_headers", "first_header", "join_query", "make_request"]

# A Lambda body arrives whole, so the client's way of framing it is over (RFC 9112, 6.1).
_DROPPED = CONTEXT_HEADERS | {b"transfer-encoding"}

_HTTP_VERSIONS: dict[str | None, str] = {
    "HTTP/1.0": "1.0",
    "HTTP/1.1": "1.1",
    "HTTP/2": "2",
    "HTTP/2.0": "2",
    "HTTP/3": "3",
    "HTTP/3.0": "3",
}


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
    """The request that an event describes.

    `path`: decoded, with a slash in front. `raw_path`: the same as the client sent it, percent-encoded; without it one
    is made of `path`. `query_string`: percent-encoded, without the question mark. `headers`: as `decode_headers` gives
    them. `body`: decoded bytes. `scheme`: "http" or "https", else what x-forwarded-proto says, else https. `domain`:
    the host name the event itself names, for a Host header that is missing or nonsense. `client`: the client's
    address. `protocol`: such as "HTTP/1.1". `root_path`: the prefix of `path` under which the application is mounted.
    `is_forwarded`: whether AWS writes x-forwarded-proto and x-forwarded-port; where it does not, a client may have.

    content-length is set to the length of `body` where there is a body or the client sent a length; transfer-encoding
    goes, and so do copies of the headers that only a server may set.
    """
    values = dict(headers)
    has_length = b"content-length" in values
    if body or has_length or not values.keys().isdisjoint(_DROPPED):
        headers = _framed(headers, len(body), body or has_length)
    if scheme is None:
        scheme = "http" if is_forwarded and values.get(b"x-forwarded-proto") == b"http" else "https"
    port = values.get(b"x-forwarded-port") if is_forwarded else None
    target = encoded_path = quoted(path) if raw_path is None else requoted(raw_path)
    query = requoted_query(query_string) if query_string else b""
    if query:
        target = encoded_path + b"?" + query
    method = method.upper() if method else "GET"
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


def _framed(headers: HeaderPairs, length: int, with_length: object) -> HeaderPairs:
    """`headers` with one true content-length, in place of the client's if it sent one, and without the dropped."""
    framed: HeaderPairs = []
    for pair in headers:
        if pair[0] == b"content-length":
            if with_length:
                framed.append((b"content-length", b"%d" % length))
                with_length = False
        elif pair[0] not in _DROPPED:
            framed.append(pair)
    if with_length:
        framed.append((b"content-length", b"%d" % length))
    return framed


def decode_headers(headers: object, more: object = None) -> HeaderPairs:
    """Header pairs out of the mapping of an event: name -> str, list of str, or null.

    Names come out in lower case, one pair for each value, in order; several cookie headers, as HTTP/2 clients send
    them, become one (RFC 9113, 8.2.3). Null is no headers. `more`: a second mapping, of which only the names count
    that the first does not have: REST events carry their headers twice, with all values and with the last one.

    Raises MalformedEvent for anything but a mapping.
    """
    if not headers or not more:
        return _pairs(headers or more or {})
    if not isinstance(headers, dict) or not isinstance(more, dict) or more.keys() <= headers.keys():
        return _pairs(headers)
    pairs = _pairs(headers)
    names = {name for name, _ in pairs}
    return pairs + [pair for pair in _pairs(more) if pair[0] not in names]


def _pairs(headers: object) -> HeaderPairs:
    if not isinstance(headers, dict):
        raise MalformedEvent(f"Expected headers to be an object, but got {type(headers).__name__}.")
    try:
        # What nearly every event has: for each name one value in latin-1, as a string or as a list of one.
        if type(next(iter(headers.values()), "")) is list:
            pairs = [(_NAMES[name], value.encode("latin-1")) for name, (value,) in headers.items()]
        else:
            pairs = [(_NAMES[name], value.encode("latin-1")) for name, value in headers.items()]
    except KeyError:
        _learn(headers)
    except (AttributeError, TypeError, ValueError):
        pass
    else:
        is_twice = len(_COOKIE_SPELLINGS) > 1 and sum(map(headers.__contains__, _COOKIE_SPELLINGS)) > 1
        return _one_cookie(pairs) if is_twice else pairs
    return _one_cookie(_mixed_pairs(headers))


def _mixed_pairs(headers: dict[str, Any]) -> HeaderPairs:
    """For events that are not so plain: several values for a name, no value, a new name, one that must be dropped."""
    pairs: HeaderPairs = []
    for name, value in headers.items():
        _append(pairs, name, value)
    return pairs


def _append(pairs: HeaderPairs, name: str, value: object) -> None:
    if _is_context_header(_encoded_name(name)):
        return
    if isinstance(value, str):
        pairs.append((_encoded_name(name), _header_value(value)))
    elif isinstance(value, list):
        for item in value:
            _append(pairs, name, item)
    elif value is not None:
        # Not what AWS sends, but what a hand-written test event may: 5, true.
        pairs.append((_encoded_name(name), str(value).encode("latin-1", "replace")))


def _one_cookie(pairs: HeaderPairs) -> HeaderPairs:
    cookies = [value for name, value in pairs if name == b"cookie"]
    if len(cookies) < 2:
        return pairs
    cookie = b"; ".join(cookies)
    first = next(index for index, (name, _) in enumerate(pairs) if name == b"cookie")
    rest = [pair for pair in pairs[first + 1 :] if pair[0] != b"cookie"]
    return [*pairs[:first], (b"cookie", cookie), *rest]


# Header names as events spell them -> as the scope has them. A plain dict, learnt from the first events, is what
# Python looks up fastest, and every header of every event is looked up.
_NAMES: dict[str, bytes] = {}
_COOKIE_SPELLINGS: set[str] = set()

# Clients and AWS together send a few dozen names; more are a client that makes them up.
_MAX_NAMES = 512
_MAX_NAME_LENGTH = 64


def _learn(names: Iterable[str]) -> None:
    for name in names:
        encoded = _encoded_name(name)
        # An event with a context header must miss every time, so that it is dropped.
        if len(name) > _MAX_NAME_LENGTH or _is_context_header(encoded):
            continue
        if len(_NAMES) >= _MAX_NAMES:
            _NAMES.clear()  # and learn the usual ones again
        _NAMES[name] = encoded
        if encoded == b"cookie":
            _COOKIE_SPELLINGS.add(name)  # of which there are 64


def _is_context_header(name: bytes) -> bool:
    """In any spelling, because CGI and WSGI cannot tell a hyphen from an underscore."""
    return name.replace(b"_", b"-") in CONTEXT_HEADERS


def _encoded_name(name: str) -> bytes:
    return name.encode("latin-1", "replace").lower()


def _header_value(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        # AWS decoded the client's bytes as UTF-8, so UTF-8 gives them back.
        return value.encode("utf-8", "replace")


def first_header(headers: HeaderPairs, name: bytes) -> str | None:
    """The value of the first header called `name` (lower case), or None."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


def decode_body(event: Event, *, flag: str = "isBase64Encoded") -> bytes:
    """The body of an event as bytes: by its base64 flag, never by its type; text is UTF-8. Null is no body.

    Raises MalformedEvent for broken base64 and for a body that is no string.
    """
    body = event.get("body")
    if not body:
        return b""
    if not isinstance(body, str):
        raise MalformedEvent(f"Expected the body to be a string, but got {type(body).__name__}.")
    return decode_base64(body) if event.get(flag) else body.encode("utf-8", "replace")


def decode_base64(body: str) -> bytes:
    """Strict base64: what a lenient decoder would skip is a body that arrived damaged. Raises MalformedEvent."""
    try:
        return a2b_base64(body, strict_mode=True)
    except (Base64Error, ValueError) as exc:
        raise MalformedEvent(f"Expected a base64 body, as the event's flag says, but it is broken: {exc}.") from exc


def join_query(parameters: object, instead: object = None, quote: Callable[[str], str] | None = None) -> str:
    """The query string of an event's parameters: name -> str, list of str, or null, which is no equals sign.

    `instead`: the parameters to take if there are none. `quote`: what makes names and values fit for a query string,
    if they are not yet. Raises MalformedEvent for anything but mappings.
    """
    parameters = parameters or instead or {}
    if not isinstance(parameters, dict):
        raise MalformedEvent(f"Expected query parameters to be an object, but got {type(parameters).__name__}.")
    parts: list[str] = []
    for key, values in parameters.items():
        name = quote(key) if quote else key
        for value in values if isinstance(values, list) else (values,):
            text = value if value is None or isinstance(value, str) else str(value)
            parts.append(name if text is None else f"{name}={quote(text) if quote else text}")
    return "&".join(parts)
