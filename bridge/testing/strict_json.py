"""JSON from outside, as services read it: Python's own parser accepts more, and fails in more ways."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["strict_json"]


def strict_json(content: bytes | str) -> Any:
    """Return the document in `content`. Raises ValueError, also for NaN, other encodings, and too deep nesting.

    RFC 8259, 8.1: it is UTF-8, without a byte order mark.
    """
    text = content if isinstance(content, str) else content.decode("utf-8")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}.")
