"""The hook paths are the environment's own: no client may call them.

Servers and frameworks differ in which spellings of a path they take for the same one. Whatever any of them might
take for a hook path is refused, so both sides are brought to one form first. Too much rather than too little: a refused
request can only be one that comes very near to a hook path.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

__all__ = ["HookGuard", "canonical_path"]

# A path that was encoded more often than that is no mistake of a client's.
_MAX_ENCODINGS = 4

_CONTROLS = dict.fromkeys((*range(32), 127))


class HookGuard:
    """Which request-targets are a hook path in some spelling."""

    def __init__(self, *paths: str) -> None:
        self._paths = frozenset(canonical_path(path) for path in paths if path)

    def refuses(self, target: bytes) -> bool:
        """Whether a client that asks for `target` (a request-target, with its query) must be refused."""
        if not self._paths:
            return False
        return any(form in self._paths for form in _forms(_decoded(target.partition(b"?")[0])))


def canonical_path(path: str) -> str:
    """One spelling for all that may mean the same: decoded, in one case, without parameters, dots, empty segments."""
    return _canonical(_decoded(path.encode("utf-8", "surrogateescape")))


def _forms(text: str) -> Iterator[str]:
    """The paths that servers may take `text` for."""
    for variant in (text, text.partition("\0")[0]):  # a NUL is dropped, or ends the path, as in C
        yield _canonical(variant)
        # A whole URL, or a host behind two slashes, as the absolute form and URL parsers have it.
        plain = variant.translate(_CONTROLS).replace("\\", "/")
        scheme, separator, rest = plain.partition("://")
        is_url = bool(separator) and "/" not in scheme
        if plain.startswith("//"):
            rest = plain.lstrip("/")
        if is_url or plain.startswith("//"):
            yield _canonical("/" + rest.lstrip("/").partition("/")[2])


def _decoded(path: bytes) -> str:
    for _ in range(_MAX_ENCODINGS):
        decoded = unquote_to_bytes(path)
        if decoded == path:
            break
        path = decoded
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return path.decode("latin-1")


def _canonical(text: str) -> str:
    # A character of another width or a letter with its accent apart is the same to whoever normalises.
    text = unicodedata.normalize("NFKC", text).casefold().translate(_CONTROLS).replace("\\", "/")
    # A query that was encoded is part of the path to us, and may be a query again behind a server that decodes first.
    plain = text.partition("?")[0].partition("#")[0]
    segments = [segment.partition(";")[0].strip() for segment in plain.split("/")]
    return posixpath.normpath("/" + "/".join(segments).lstrip("/"))
