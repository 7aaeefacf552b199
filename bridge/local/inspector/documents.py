"""Documents for a reader: JSON with its parts marked, text, bytes, the difference between two."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from typing import Any

from bridge.local.inspector.difference import differences
from bridge.local.inspector.elements import Markup, element
from bridge.local.inspector.json_text import beginning, parsed

__all__ = ["bytes_document", "difference_document", "json_document", "text_document", "value_document"]

# The most characters of one document on a page, and the most bytes of one in hexadecimal. A page should not need
# seconds.
MAX_SHOWN = 100_000
MAX_DUMPED = 512

# The most lines of a difference, and the most characters of one of them.
_MAX_LINES, _MAX_LINE = 2000, 2000

# As many lines around each difference are shown.
_AROUND = 3

# The last string may be cut. It is a token all the same: otherwise each quote in it would be tried as a beginning.
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*\\?(?:"|\Z))(:?)|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)')


def json_document(content: bytes | bytearray) -> Markup:
    """Return JSON, indented; what is not JSON is returned as text."""
    value, is_json = parsed(content)
    if not is_json:
        return bytes_document(bytes(content))
    return value_document(value)


def value_document(value: Any) -> Markup:
    """Return a JSON value, indented."""
    text, is_whole = beginning(value, MAX_SHOWN)
    return _block(_marked(text), None if is_whole else f"The first {MAX_SHOWN:,} characters.")


def text_document(text: str) -> Markup:
    return _block([text[:MAX_SHOWN]], _first(MAX_SHOWN, len(text), "characters"))


def bytes_document(content: bytes, *, is_whole: bool = True) -> Markup:
    """Return text if it is UTF-8, and else the first bytes in hexadecimal.

    `is_whole`: False for what may end in the middle of a character.
    """
    if not content:
        return element("p", "Nothing.", class_="empty")
    try:
        return text_document(getincrementaldecoder("utf-8")().decode(content, final=is_whole))
    except UnicodeDecodeError:
        lines = (content[at : at + 16] for at in range(0, min(len(content), MAX_DUMPED), 16))
        note = _first(MAX_DUMPED, len(content), "bytes") or f"{len(content):,} bytes."
        return _block([line.hex(" ") + "\n" for line in lines], f"{note} They are not text in UTF-8.")


def difference_document(left: Any, right: Any) -> Markup:
    """Return the lines of both, those that only one has marked, with a few lines around them."""
    lines = differences(left, right)
    changed = [number for number, line in enumerate(lines) if line.kind != "same"]
    if not changed:
        return element("p", "Nothing differs.", class_="empty")
    shown = sorted({near for at in changed for near in range(max(0, at - _AROUND), min(len(lines), at + _AROUND + 1))})
    rows, last = [], -1
    for number in shown[:_MAX_LINES]:
        if number != last + 1:
            rows.append(element("span", "  ⋯", class_="line gap"))
        last, line = number, lines[number]
        tag, sign = {"same": ("span", " "), "removed": ("del", "-"), "added": ("ins", "+")}[line.kind]
        rows.append(element(tag, f"{sign} {'  ' * line.depth}{line.text[:_MAX_LINE]}", class_="line"))
    return _block(rows, _first(_MAX_LINES, len(shown), "lines"))


def _marked(text: str) -> Iterator[str]:
    at = 0
    for match in _TOKEN.finditer(text):
        yield text[at : match.start()]
        at = match.end()
        string, colon, word, number = match.groups()
        if string is not None:
            yield element("span", string, class_="key" if colon else "string")
            yield colon
        else:
            yield element("span", word or number, class_="word" if word else "digits")
    yield text[at:]


def _block(children: Iterable[str], note: str | None) -> Markup:
    shown = element("p", note, class_="note") if note else None
    return element("div", element("pre", children, tabindex=0), shown, class_="document")


def _first(limit: int, length: int, unit: str) -> str | None:
    """Return what a page says about a document of which it does not show all."""
    return f"The first {limit:,} of {length:,} {unit}." if length > limit else None
