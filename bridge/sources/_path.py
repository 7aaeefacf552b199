"""The path of an event: percent-encoding, and its division into root path and path.

Most sources leave the path percent-encoded as the client sent it; HTTP APIs decode it. The request-target must be ASCII
either way, and must give the application's `path` back when it is unquoted once.
"""

from typing import Any
from urllib.parse import quote, unquote

from bridge.settings import Settings

__all__ = [
    "has_prefix",
    "place",
    "place_in_stage",
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
_QUERY = bytes(range(0x21, 0x7F))
_PATH = _QUERY.translate(None, b"?#")


def quoted(path: str) -> bytes:
    """Return a decoded path as a request-target: one of the spellings that the client may have used."""
    raw = path.encode("utf-8", "replace")
    # Most paths need no quoting, and translate() is the cheapest way to find that out.
    return raw if not raw.translate(None, _PLAIN) else quote(raw, safe=_PATH_SAFE).encode("ascii")


def requoted(path: str) -> bytes:
    """Return an encoded path as a request-target: unchanged, except bytes that no client can have sent."""
    raw = path.encode("utf-8", "replace")
    return raw if not raw.translate(None, _PATH) else quote(raw, safe=_PATH).encode("ascii")


def requoted_query(query: str) -> bytes:
    """Return an encoded query string: unchanged, except bytes that no client can have sent."""
    raw = query.encode("utf-8", "replace")
    return raw if not raw.translate(None, _QUERY) else quote(raw, safe=_QUERY).encode("ascii")


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
        path, inside = strip_prefix(path, settings.base_path), ""
    if not (inside or outside or settings.root_path):
        return path, ""
    if settings.stage == "strip":
        path, root_path = strip_prefix(path, inside), ""
    elif inside and has_prefix(path, inside):
        # "/prod" is the root of the stage like "/prod/": frameworks route what follows the root path.
        path, root_path = (path + "/" if path == inside else path), inside
    else:
        path, root_path = outside + path, outside
    if settings.root_path:
        if not has_prefix(path, settings.root_path):
            return settings.root_path + path, settings.root_path + root_path
        root_path = max(root_path, settings.root_path, key=len)
    return path, root_path


def place_in_stage(path: str, context: dict[str, Any], settings: Settings) -> tuple[str, str]:
    """Return what `place` returns, for an HTTP API's path, which begins with the stage if that has a name.

    Under the API's own execute-api domain the client asked for the stage. With a custom domain it did not: the domain
    maps to the stage, but the event's path contains it all the same (CodeGenieApp/serverless-express#465).
    """
    stage, domain = context.get("stage"), context.get("domainName")
    prefix = f"/{stage}"
    if not isinstance(stage, str) or stage in ("", "$default") or not has_prefix(path, prefix):
        return place(path, settings)
    if isinstance(domain, str) and domain and ".execute-api." not in domain:
        return place(strip_prefix(path, prefix), settings)
    return place(path, settings, inside=prefix)
