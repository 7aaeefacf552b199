"""JSON as text for a reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from bridge.testing.strict_json import strict_json

__all__ = ["beginning", "indented", "parsed"]

# How deeply a value may be nested. Python's own limit is 1000 calls, and each level needs a few.
_MAX_DEPTH = 100

# Two strings, as a header of a scope has them, on lines of their own. No string has an end of a line in it.
_PAIR = re.compile(r'\[\n\s+("(?:[^"\\]|\\.)*"),\n\s+("(?:[^"\\]|\\.)*")\n\s*\]')


def parsed(content: bytes | bytearray) -> tuple[Any, bool]:
    """Return the JSON value, and whether it is one. A value that is nested too deeply counts as text."""
    try:
        value = strict_json(bytes(content))
    except ValueError:
        return None, False
    brackets = content.count(b"[") + content.count(b"{")
    return (value, True) if brackets <= _MAX_DEPTH or _is_shallow(value) else (None, False)


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return True
    return False


def _children(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()


def indented(value: Any, indent: int = 2) -> str:
    """Return a JSON value over several lines, with pairs of strings in one line."""
    return _with_pairs(json.dumps(value, indent=indent, ensure_ascii=False))


def beginning(value: Any, limit: int) -> tuple[str, bool]:
    """Return the first characters of `indented`, and whether those are all. What follows the limit costs nothing."""
    pieces: list[str] = []
    room = limit
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        if len(piece) > room:
            return _with_pairs("".join([*pieces, piece[:room]])), False
        pieces.append(piece)
        room -= len(piece)
    return _with_pairs("".join(pieces)), True


def _with_pairs(text: str) -> str:
    return _PAIR.sub(r"[\1, \2]", text)
