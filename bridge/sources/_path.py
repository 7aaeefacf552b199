"""From the path of an event to the request-target and the root path.

Sources differ in what they send: most leave the path percent-encoded as the client sent it, HTTP APIs decode it. The
request-target must be ASCII either way, and must give the application's `path` back when it is unquoted once.
"""

import re
from urllib.parse import quote

from bridge.settings import Settings

__all__ = ["has_prefix", "place", "quoted", "requoted", "requoted_query", "strip_prefix"]

# What RFC 3986, 3.3 allows in a path as it is.
_PATH_SAFE = "/:@!$&'()*+,;=~"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/:@!$&'()*+,;=~._-]*")

# What cannot stand in a request-target, or would end the path there: everything else is left as the client sent it.
_NOT_IN_PATH = re.compile(r"[^\x21-\x7e]|[?#]")
_NOT_IN_QUERY = re.compile(r"[^\x21-\x7e]")


def quoted(path: str) -> str:
    """A decoded path as a request-target: one of the spellings that the client may have used."""
    return path if _PLAIN_PATH.fullmatch(path) else quote(path, safe=_PATH_SAFE, errors="replace")


def requoted(path: str) -> str:
    """An encoded path as a request-target: byte for byte, but for what no client can have sent that way."""
    return path if not _NOT_IN_PATH.search(path) else _NOT_IN_PATH.sub(_quote_match, path)


def requoted_query(query: str) -> str:
    """An encoded query string, byte for byte, but for what no client can have sent that way."""
    return query if not _NOT_IN_QUERY.search(query) else _NOT_IN_QUERY.sub(_quote_match, query)


def _quote_match(match: re.Match[str]) -> str:
    return quote(match[0], safe="", errors="replace")


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
    path = strip_prefix(path, settings.base_path)
    if not inside and not outside and not settings.root_path:
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
