"""The path of an event: percent-encoding, and its division into root path and path.

Most sources leave the path percent-encoded as the client sent it; HTTP APIs decode it in payload 2.0. The
request-target must be ASCII either way, and must give the application's `path` back when it is unquoted once.
"""

from urllib.parse import quote, unquote

from bridge._http import VISIBLE
from bridge.settings import Settings
from bridge.sources._event_fields import utf8

__all__ = [
    "has_prefix",
    "place",
    "quoted",
    "requoted",
    "requoted_query",
    "strip_prefix",
    "unquoted",
]

# RFC 3986, 3.3: the characters that a path may contain as they are, besides letters, digits and "_.-".
_PATH_SAFE = "/:@!$&'()*+,;=~"
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-" + _PATH_SAFE.encode()

# A client can have sent any visible ASCII character in a request-target, but "?" and "#" end the path.
_PATH = VISIBLE.translate(None, b"?#")


def quoted(path: str) -> bytes:
    """Return a decoded path as a request-target: one of the spellings that the client may have used."""
    raw = utf8(path)
    # Most paths need no quoting, and translate() is the cheapest way to find that out.
    return raw if not raw.translate(None, _PLAIN) else quote(raw, safe=_PATH_SAFE).encode("ascii")


def requoted(path: str) -> bytes:
    """Return an encoded path as a request-target: unchanged, except bytes that no client can have sent."""
    raw = utf8(path)
    return raw if not raw.translate(None, _PATH) else quote(raw, safe=_PATH).encode("ascii")


def requoted_query(query: str) -> bytes:
    """Return an encoded query string: unchanged, except bytes that no client can have sent."""
    raw = utf8(query)
    return raw if not raw.translate(None, VISIBLE) else quote(raw, safe=VISIBLE).encode("ascii")


def unquoted(path: str) -> str:
    """Return an encoded path as the application sees it: unquoted once. Bytes that are not UTF-8 become U+FFFD."""
    return unquote(path) if "%" in path else path


def has_prefix(path: str, prefix: str) -> bool:
    """Return whether `path` lies under `prefix`, by whole segments: "/prod" is not a prefix of "/production"."""
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/")


def strip_prefix(path: str, prefix: str) -> str:
    """Remove `prefix` from `path`, once and by whole segments. The result is never empty."""
    return (path[len(prefix) :] or "/") if prefix and has_prefix(path, prefix) else path


def place(path: str, settings: Settings, *, inside: str = "", outside: str = "") -> tuple[str, str]:
    """Return the path that the application sees and its root path, both encoded (or not) as `path` is.

    `inside` is a prefix such as the API stage that `path` includes, `outside` one that AWS took away. The scope's
    `path` includes the `root_path` (ASGI HTTP spec, "root_path"), so that both together are the client's URL.
    """
    if settings.base_path and has_prefix(path, settings.base_path):
        path = strip_prefix(path, settings.base_path)
    elif inside and has_prefix(path, inside):
        path, outside = strip_prefix(strip_prefix(path, inside), settings.base_path), inside
    if settings.stage == "strip":
        outside = ""
    if not settings.root_path:
        return outside + path, outside
    if has_prefix(path, settings.root_path):
        return outside + path, outside + settings.root_path
    path = outside + path
    if has_prefix(path, settings.root_path):
        return path, max(outside, settings.root_path, key=len)
    return settings.root_path + path, settings.root_path + outside
