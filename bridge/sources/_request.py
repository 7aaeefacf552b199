"""The pieces every source decodes alike: headers, body, and the request made of them.

A source of your own can use them too: `bridge.sources` exports what is in `__all__`.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from bridge._messages import EventRequest
from bridge._types import Address, Event, HeaderPairs
from bridge.errors import MalformedEvent
from bridge.sources._address import server_address

__all__ = ["decode_body", "decode_headers", "first_header", "make_request"]

# Headers that a server sets for the application to trust. A client's copy of one never reaches it.
_CONTEXT_HEADERS = frozenset({b"x-amzn-request-context", b"x-amzn-lambda-context", b"x-amz-tenant-id"})

# A Lambda body arrives whole, so the client's way of framing it is over (RFC 9112, 6.1).
_DROPPED = _CONTEXT_HEADERS | {b"transfer-encoding"}

_HTTP_VERSIONS: dict[str | None, str] = {"HTTP/1.1": "1.1", "HTTP/2.0": "2", "HTTP/2": "2", "HTTP/1.0": "1.0", "HTTP/3.0": "3", "HTTP/3": "3"}


def make_request(
    *,
    method: str | None,
    target: str,
    headers: HeaderPairs,
    body: bytes = b"",
    scheme: str | None = None,
    domain: str | None = None,
    client: Address | None = None,
    protocol: str | None = None,
    root_path: str = "",
) -> EventRequest:
    """The request that an event describes.

    `target`: path and query as the client sent them, percent-encoded ASCII. `headers`: as `decode_headers` gives
    them. `body`: decoded bytes. `scheme`: "http" or "https", else what x-forwarded-proto says, else https. `domain`:
    the host name the event itself names, for a Host header that is missing or nonsense. `client`: the client's
    address. `protocol`: such as "HTTP/1.1". `root_path`: the prefix of `target` under which the application is
    mounted, decoded.

    content-length is set to the length of `body` where there is a body or the client sent a length; transfer-encoding
    goes, and so do copies of the headers that only a server may set.
    """
    values = dict(headers)
    has_length = b"content-length" in values
    if body or has_length or not _DROPPED.isdisjoint(values):
        headers = _framed(headers, len(body), body or has_length)
    if scheme is None:
        scheme = "http" if values.get(b"x-forwarded-proto") == b"http" else "https"
    scope: dict[str, Any] = {
        "http_version": _HTTP_VERSIONS.get(protocol, "1.1"),
        "scheme": scheme,
        "root_path": root_path,
        "client": client,
        "server": server_address(values.get(b"host"), domain, values.get(b"x-forwarded-port"), scheme),
    }
    if not target.isascii():
        raise MalformedEvent(f"Expected a percent-encoded request-target in ASCII, but got {target!r}.")
    return EventRequest(method.upper() if method else "GET", target.encode("ascii"), headers, body, scope)


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
        raise MalformedEvent(f"Expected headers to be an object of names and values, but got {headers!r:.200}.")
    try:
        return _plain_pairs(headers)
    except (TypeError, ValueError):
        pairs: HeaderPairs = []
        for name, value in headers.items():
            _append(pairs, name, value)
        return _one_cookie(pairs)


def _plain_pairs(headers: dict[str, Any]) -> HeaderPairs:
    """What nearly every event has, in one go: one latin-1 value for each name, as a string or a list of one.

    Encoding the values one by one takes three times as long. Raises TypeError or ValueError for any other headers.
    """
    values = headers.values()
    try:
        text = "\0".join(values)
    except TypeError:
        text = "\0".join([value for (value,) in values])
    encoded = text.encode("latin-1").split(b"\0")
    return list(zip(map(_NAMES.__getitem__, headers), encoded, strict=True))


def _append(pairs: HeaderPairs, name: str, value: object) -> None:
    if isinstance(value, str):
        pairs.append((_NAMES[name], _header_value(value)))
    elif isinstance(value, list):
        for item in value:
            _append(pairs, name, item)
    elif value is not None:
        # Not what AWS sends, but what a hand-written test event may: 5, true.
        pairs.append((_NAMES[name], str(value).encode("latin-1", "replace")))


def _one_cookie(pairs: HeaderPairs) -> HeaderPairs:
    cookies = [value for name, value in pairs if name == b"cookie"]
    if len(cookies) < 2:
        return pairs
    cookie = b"; ".join(cookies)
    first = next(index for index, (name, _) in enumerate(pairs) if name == b"cookie")
    rest = [pair for pair in pairs[first + 1 :] if pair[0] != b"cookie"]
    return [*pairs[:first], (b"cookie", cookie), *rest]


class _Names(dict[str, bytes]):
    """Header names as events spell them -> as the scope has them. Remembers the first MAX_NAMES."""

    # Clients and AWS together send a few dozen names; more are a client that makes them up.
    MAX_NAMES = 512

    def __missing__(self, name: str) -> bytes:
        encoded = name.lower().encode("latin-1", "replace")
        if len(self) < self.MAX_NAMES:
            self[name] = encoded
        return encoded


_NAMES = _Names()


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


def decoded(root_path: str) -> str:
    """An encoded root path as the scope holds it."""
    return unquote(root_path) if "%" in root_path else root_path


def join_query(pairs: Iterable[tuple[str, str | None]]) -> str:
    """Name and value pairs that are encoded already, as a query string. No value is no equals sign."""
    return "&".join(key if value is None else f"{key}={value}" for key, value in pairs)


def query_pairs(multi: object, single: object) -> Iterable[tuple[str, str | None]]:
    """The query parameters of an event, repeats kept: from the map of lists if it is there, else from the other.

    Raises MalformedEvent for anything but mappings.
    """
    parameters = multi or single or {}
    if not isinstance(parameters, Mapping):
        raise MalformedEvent(f"Expected query parameters to be an object, but got {parameters!r:.200}.")
    for key, value in parameters.items():
        for item in value if isinstance(value, list) else (value,):
            yield key, None if item is None else str(item)
