"""Facts of HTTP that several parts of the package need, and a cache for the names of headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BODILESS",
    "CONNECTION_ID_HEADER",
    "CONTEXT_HEADERS",
    "CONTROLS",
    "HOP_BY_HOP",
    "TOKEN",
    "VISIBLE",
    "NameCache",
    "has_controls",
    "is_connection_id",
    "is_forged",
    "is_other_spelling",
    "is_token",
]

# RFC 9110, 5.6.2: the characters of a method and of a header's name.
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# RFC 9110, 5.5: the bytes that the value of a header cannot contain. Of the control bytes, only the tab is allowed.
CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])

# The visible ASCII characters. A request-target has no others (RFC 9112, 3.2).
VISIBLE = bytes(range(0x21, 0x7F))

# RFC 9110, 7.6.1: headers about one connection, which a gateway does not pass on.
HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"})

# The header that names the connection of a WebSocket API, on requests that were made of its events and on no others.
CONNECTION_ID_HEADER = b"x-amzn-connection-id"

# Headers that a server sets for the application to trust. A client's copy of one never reaches it.
CONTEXT_HEADERS = frozenset(
    {b"x-amzn-request-context", b"x-amzn-lambda-context", b"x-amz-tenant-id", CONNECTION_ID_HEADER}
)

# RFC 9110, 6.4.1: responses that have no body, whatever their headers say.
BODILESS = frozenset({204, 304})

# The headers that a server sets, that frame and address a request, and that a front end of AWS sets, overwriting the
# client's. Others with x-amz- are the client's, such as x-amz-meta-file_name.
_TRUSTED = CONTEXT_HEADERS | HOP_BY_HOP | {b"content-length", b"host", b"trailer"}
_OF_THE_FRONT_END = (b"x-forwarded-", b"x-amzn-", b"x-amz-cf-", b"cloudfront-")

# To CGI and WSGI, and so to Django, a hyphen and an underscore are the same, and to PHP a dot too.
_SEPARATORS = bytes.maketrans(b"_.", b"--")


def is_token(text: bytes) -> bool:
    """Return whether `text` can be a method or the name of a header."""
    return bool(text) and not text.translate(None, TOKEN)


def has_controls(value: bytes) -> bool:
    """Return whether `value` has bytes that the value of a header cannot contain."""
    return len(value.translate(None, CONTROLS)) != len(value)


# Clients and AWS together send a few dozen names. More names, or longer ones, come from a client that invents them.
_MAX_NAMES = 512
_MAX_NAME_LENGTH = 64

Name = TypeVar("Name", bound=str | bytes)
Value = TypeVar("Value")


class NameCache(dict[Name, Value]):
    """A cache of the names of headers, each with what `make` makes of it. Its size is bounded."""

    def __init__(self, make: Callable[[Name], Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: Name) -> Value:
        value = self._make(name)
        if len(name) <= _MAX_NAME_LENGTH:
            if len(self) >= _MAX_NAMES:
                self.clear()  # and remember the usual ones again
            self[name] = value
        return value


def is_forged(name: bytes) -> bool:
    """Return whether only a server may set the header `name` (lower case), or whether it is another spelling of one
    that the application trusts.
    """
    return name in CONTEXT_HEADERS or is_other_spelling(name)


def is_connection_id(name: bytes) -> bool:
    """Return whether a server may take the header `name` (lower case) for the id of a WebSocket API's connection."""
    return name.translate(_SEPARATORS) == CONNECTION_ID_HEADER


def is_other_spelling(name: bytes) -> bool:
    """Return whether a server may take the header `name` (lower case) for one that it trusts, and that AWS has set."""
    plain = name.translate(_SEPARATORS)
    return plain != name and (plain in _TRUSTED or plain.startswith(_OF_THE_FRONT_END))
