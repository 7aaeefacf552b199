"""From the path of an event to the request-target and the root path.

Sources differ in what they send: most leave the path percent-encoded as the client sent it, HTTP APIs decode it. The
request-target must be ASCII either way, and must give the application's `path` back when it is unquoted once.
"""

from urllib.parse import quote, unquote

from bridge.settings import Settings

__all__ = ["has_prefix", "place", "quoted", "requoted", "requoted_query", "strip_prefix", "unquoted"]

# What RFC 3986, 3.3 allows in a path as it is, besides letters, digits and "_.-~".
_PATH_SAFE = "/:@!$&'()*+,;=~"
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-" + _PATH_SAFE.encode()

# What a client can have sent in a request-target: the visible ASCII characters, less those that would end a path.
_QUERY = bytes(range(0x21, 0x7F))
_PATH = _QUERY.translate(None, b"?#")


def quoted(path: str) -> bytes:
    """A decoded path as a request-target: one of the spellings that the client may have used."""
    raw = path.encode("utf-8", "replace")
    # Deleting what is allowed leaves nothing of nearly every path, and is the cheapest way to find that out.
    return raw if not raw.translate(None, _PLAIN) else quote(raw, safe=_PATH_SAFE).encode("ascii")


def requoted(path: str) -> bytes:
    """An encoded path as a request-target: byte for byte, but for what no client can have sent that way."""
    raw = path.encode("utf-8", "replace")
    return raw if not raw.translate(None, _PATH) else quote(raw, safe=_PATH).encode("ascii")


def requoted_query(query: str) -> bytes:
    """An encoded query string, byte for byte, but for what no client can have sent that way."""
    raw = query.encode("utf-8", "replace")
    return raw if not raw.translate(None, _QUERY) else quote(raw, safe=_QUERY).encode("ascii")


def unquoted(path: str) -> str:
    """An encoded path as the application sees it: unquoted once. Bytes that are not UTF-8 become U+FFFD."""
    return unquote(path) if "%" in path else path


def has_prefix(path: str, prefix: str) -> bool:
    """Whether `path` lies under `prefix`, by whole segments: "/prod" is no prefix of "/production"."""
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/")


def strip_prefix(path: str, prefix: str) -> str:
    """`path` without `prefix`, once and by whole segments; never empty."""
    return (path[len(prefix) :] or "/") if prefix and has_prefix(path, prefix) else path


def place(path: str, settings: Settings, *, inside: str = "", outside: str = "") -> tuple[str, str]:
    """The path that the application sees and its root path, both encoded (or not) as `path` is.

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
        # "/prod" is the root of the stage like "/prod/": frameworks route the path behind the root path.
        path, root_path = (path + "/" if path == inside else path), inside
    else:
        path, root_path = outside + path, outside
    if settings.root_path:
        if not has_prefix(path, settings.root_path):
            return settings.root_path + path, settings.root_path + root_path
        root_path = max(root_path, settings.root_path, key=len)
    return path, root_path
