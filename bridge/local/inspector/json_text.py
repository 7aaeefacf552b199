"""JSON as text for a reader."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["indented", "parsed"]

# Two strings, as a header of a scope has them, on lines of their own. No string has an end of a line in it.
_PAIR = re.compile(r'\[\n\s+("(?:[^"\\]|\\.)*"),\n\s+("(?:[^"\\]|\\.)*")\n\s*\]')


def parsed(content: bytes | bytearray) -> tuple[Any, bool]:
    """Return the JSON value, and whether it is one."""
    try:
        return json.loads(content), True
    except (ValueError, RecursionError):
        return None, False


def indented(value: Any, indent: int = 2) -> str:
    """Return a JSON value over several lines, with pairs of strings in one line. Raises RecursionError."""
    return _PAIR.sub(r"[\1, \2]", json.dumps(value, indent=indent, ensure_ascii=False))
