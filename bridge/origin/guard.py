"""The hook paths are the environment's own: no client may call them.

Servers and frameworks differ in which spellings of a path they take for the same one. Whatever any of them might
take for a hook path is refused, so both sides are brought to one form first. Too much rather than too little: a refused
request can only be one that comes very near to a hook path.
"""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

__all__ = ["HookGuard", "canonical_path"]

# A path that was encoded more often than that is no mistake of a client's.
_MAX_ENCODINGS = 4


class HookGuard:
    """Which request-targets are a hook path in some spelling."""

    def __init__(self, *paths: str) -> None:
        self._paths = frozenset(canonical_path(path) for path in paths if path)

    def refuses(self, target: bytes) -> bool:
        """Whether a client that asks for `target` (a request-target, with its query) must be refused."""
        return bool(self._paths) and canonical_path(target.partition(b"?")[0].decode("latin-1")) in self._paths


def canonical_path(path: str) -> str:
    """One spelling for all that may mean the same: decoded, lower case, without parameters, dots and empty segments."""
    for _ in range(_MAX_ENCODINGS):
        decoded = unquote(path, encoding="latin-1")
        if decoded == path:
            break
        path = decoded
    segments = [segment.partition(";")[0].strip() for segment in path.replace("\\", "/").replace("\0", "").split("/")]
    # A query that was encoded is part of the path to us, and may be a query again behind a server that decodes first.
    plain = "/".join(segments).partition("?")[0].partition("#")[0]
    return posixpath.normpath("/" + plain.lstrip("/")).lower()
