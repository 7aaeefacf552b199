"""Any object as text, and as JSON: neither ever raises, and what comes out is UTF-8 to every reader."""

import json
import re

__all__ = ["json_text", "printable", "safe_text"]

# How deep a value is looked into that JSON cannot take as it is; below that it becomes text.
_MAX_DEPTH = 16

# Half a character, which Python keeps for a byte that it could not decode, and which UTF-8 has no bytes for. Compiled
# when there is one: an application may never log any.
_SURROGATE = "[\ud800-\udfff]"


def safe_text(value: object) -> str:
    """`str(value)`, or which class has no such thing."""
    try:
        return str(value)
    except Exception as exc:
        return f"<{type(value).__name__} object whose text raises {type(exc).__name__}>"


def printable(text: str) -> str:
    """`text` with the code of a lone surrogate in its place."""
    return text if _is_utf8(text) else re.sub(_SURROGATE, lambda match: f"\\u{ord(match[0]):04x}", text)


def _is_utf8(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=safe_text).encode


def json_text(value: object) -> str:
    """`value` as JSON, in one line. What JSON has no way to say is text in it."""
    try:
        text = _encode(value)
    except Exception:  # a key that is no text, a number that is none, a circle, too deep
        text = _encode(_plain(value, _MAX_DEPTH))
    # Inside of JSON the backslash needs one of its own: a reader may refuse the code of half a character.
    return text if _is_utf8(text) else re.sub(_SURROGATE, lambda match: f"\\\\u{ord(match[0]):04x}", text)


def _plain(value: object, depth: int) -> object:
    """`value` with text in every place that JSON would refuse."""
    try:
        if isinstance(value, dict) and depth:
            return {safe_text(key): _plain(item, depth - 1) for key, item in list(value.items())}
        if isinstance(value, list | tuple) and depth:
            return [_plain(item, depth - 1) for item in value]
        _encode(value)
    except Exception:
        return safe_text(value)
    return value
