"""Any object as text and as JSON. No function raises, and every result can be encoded in UTF-8."""

import json
import re

from bridge._text import one_line

__all__ = ["json_text", "one_line", "printable", "safe_text"]

# Levels of a value that JSON does not have as it is; what is nested deeper becomes text.
_MAX_DEPTH = 16

# A lone surrogate: Python keeps one for a byte that it could not decode, and UTF-8 has no bytes for it. Compiled on
# first use: most applications never log one.
_SURROGATE = "[\ud800-\udfff]"


def safe_text(value: object) -> str:
    """Return `str(value)`, or a text that names its class and the exception."""
    try:
        return str(value)
    except Exception as exc:
        return f"<{type(value).__name__} object whose text raises {type(exc).__name__}>"


def printable(text: str) -> str:
    """Replace every lone surrogate by its code."""
    return text if _is_utf8(text) else re.sub(_SURROGATE, lambda match: f"\\u{ord(match[0]):04x}", text)


def _is_utf8(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=safe_text).encode


def json_text(value: object) -> str:
    """Return `value` as JSON, in one line. Parts that JSON does not have become text."""
    try:
        text = _encode(value)
    except Exception:  # a key that is not text, NaN, a reference to itself, too deep
        text = _encode(_plain(value, _MAX_DEPTH))
    # Two backslashes: a reader of JSON may refuse the escape of a lone surrogate.
    return text if _is_utf8(text) else re.sub(_SURROGATE, lambda match: f"\\\\u{ord(match[0]):04x}", text)


def _plain(value: object, depth: int) -> object:
    """Return `value` with text in place of every part that JSON refuses."""
    try:
        if isinstance(value, dict) and depth:
            return {safe_text(key): _plain(item, depth - 1) for key, item in list(value.items())}
        if isinstance(value, list | tuple) and depth:
            return [_plain(item, depth - 1) for item in value]
        _encode(value)
    except Exception:
        return safe_text(value)
    return value
