"""Documents for a reader: JSON with its parts marked, text, bytes, the difference between two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from bridge.local.inspector.difference import differences
from bridge.local.inspector.elements import Markup, element
from bridge.local.inspector.json_text import indented, parsed

__all__ = ["bytes_document", "difference_document", "json_document", "text_document", "value_document"]

# The most characters of one document on a page; the rest can be downloaded. A page should not need seconds.
MAX_SHOWN = 100_000

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
    text = indented(value)
    return _block(_marked(text[:MAX_SHOWN]), _note(len(text)))


def text_document(text: str) -> Markup:
    return _block([text[:MAX_SHOWN]], _note(len(text)))


def bytes_document(content: bytes) -> Markup:
    """Return text if it is UTF-8, and else the first bytes in hexadecimal."""
    try:
        return text_document(content.decode("utf-8")) if content else element("p", "Nothing.", class_="empty")
    except UnicodeDecodeError:
        lines = (content[at : at + 16] for at in range(0, min(len(content), 512), 16))
        note = element("p", f"{len(content)} bytes that are not UTF-8", class_="note")
        return _block([line.hex(" ") + "\n" for line in lines], note)


def difference_document(left: Any, right: Any) -> Markup:
    """Return the lines of both, those that only one has marked, with a few lines around them."""
    lines = differences(left, right)
    changed = [number for number, line in enumerate(lines) if line.kind != "same"]
    if not changed:
        return element("p", "Nothing differs.", class_="empty")
    shown = sorted({near for at in changed for near in range(max(0, at - _AROUND), min(len(lines), at + _AROUND + 1))})
    rows, last = [], -1
    for number in shown[:2000]:
        if number != last + 1:
            rows.append(element("span", "  ⋯", class_="line gap"))
        last, line = number, lines[number]
        tag, sign = {"same": ("span", " "), "removed": ("del", "-"), "added": ("ins", "+")}[line.kind]
        rows.append(element(tag, f"{sign} {'  ' * line.depth}{line.text[:2000]}", class_="line"))
    return _block(rows, _note(len(shown), 2000, "lines"))


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


def _block(children: Iterable[str], note: Markup | None) -> Markup:
    return element("div", element("pre", children, tabindex=0), note, class_="document")


def _note(length: int, limit: int = MAX_SHOWN, unit: str = "characters") -> Markup | None:
    if length <= limit:
        return None
    return element("p", f"The first {limit:,} of {length:,} {unit}. The download has all.", class_="note")
