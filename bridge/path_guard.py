"""The guard of paths that clients must not reach: the hooks around a snapshot, and the paths for events alone.

Servers and frameworks differ in the spellings that they treat as one path. A request is refused if any of them might
read its path as a guarded one, so both are converted to one form first. That may refuse too much, but only paths that
are very similar to a guarded one.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

__all__ = ["PathGuard", "canonical_path"]

# A client does not encode a path more often than that by mistake.
_MAX_ENCODINGS = 4

# The most combining characters in a row that any text needs (UAX 15, "Stream-Safe Text Format").
_MAX_MARKS = 30

# Characters that decompose into combining ones alone, and are none themselves.
_OTHER_MARKS = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")

_CONTROLS = dict.fromkeys((*range(32), 127))


class PathGuard:
    """Tells which request-targets are a guarded path in some spelling.

    `prefix`: a path that is guarded with all that is under it.
    """

    def __init__(self, *paths: str, prefix: str = "") -> None:
        self._prefix = canonical_path(prefix) if prefix else ""
        self._paths = frozenset(canonical_path(path) for path in (*paths, prefix) if path)

    def refuses(self, target: bytes) -> bool:
        """Return whether a client's request for `target`, a request-target with its query, must be refused."""
        if not self._paths:
            return False
        forms = _forms(_decoded(target.partition(b"?")[0]))
        return any(posixpath.normpath(form) in self._paths or self._is_under_prefix(form) for form in forms)

    def _is_under_prefix(self, form: str) -> bool:
        # Some servers resolve "..", and for others it is a segment like any.
        return bool(self._prefix) and any(
            path.startswith(self._prefix + "/") for path in (form, posixpath.normpath(form))
        )


def canonical_path(path: str) -> str:
    """Return one spelling for all that may mean the same: decoded, in one case, without parameters, dots and empty
    segments.
    """
    return posixpath.normpath(_plain(_decoded(path.encode("utf-8", "surrogateescape"))))


def _forms(text: str) -> Iterator[str]:
    """Yield the paths that different servers may take `text` for, with their ".." segments."""
    for variant in (text, text.partition("\0")[0]):  # a NUL is dropped, or ends the path, as in C
        yield _plain(variant)
        # A whole URL, or a host after two slashes, as the absolute form and URL parsers have it.
        plain = variant.translate(_CONTROLS).replace("\\", "/")
        scheme, separator, rest = plain.partition("://")
        is_url = bool(separator) and "/" not in scheme
        if plain.startswith("//"):
            rest = plain.lstrip("/")
        if is_url or plain.startswith("//"):
            yield _plain("/" + rest.lstrip("/").partition("/")[2])


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


def _plain(text: str) -> str:
    """Return `text` in one case, without parameters, "." and empty segments."""
    # Characters of another width, and letters with a separate accent, are the same to a server that normalises.
    text = unicodedata.normalize("NFKC", _with_few_marks(text)).casefold().translate(_CONTROLS).replace("\\", "/")
    # An encoded query is part of the path here, and may be a query again in a server that decodes first.
    plain = text.partition("?")[0].partition("#")[0]
    segments = [segment.partition(";")[0].strip() for segment in plain.split("/")]
    return "/" + "/".join(segment for segment in segments if segment not in ("", "."))


def _with_few_marks(text: str) -> str:
    """Return `text` without the combining characters after 30 in a row: to normalize them takes quadratic time."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) or char in _OTHER_MARKS else 0
        if marks <= _MAX_MARKS:
            kept.append(char)
    return "".join(kept)
