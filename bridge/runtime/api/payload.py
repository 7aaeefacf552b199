"""Events and results as JSON, as the Runtime API carries them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from bridge.errors import EventNotDecoded, ResultNotEncoded

if TYPE_CHECKING:
    from bridge.runtime.api.vocabulary import Invocation

__all__ = ["decode_event", "encode_result"]

# The types that every encoder of JSON knows, as values and as keys.
_PLAIN = frozenset({str, int, float, bool, type(None)})


def decode_event(invocation: Invocation) -> Any:
    """Decode the event of an invocation. Raises EventNotDecoded."""
    try:
        return json.loads(invocation.body)
    except (ValueError, RecursionError) as exc:  # the latter for deeply nested brackets
        raise EventNotDecoded(
            f"Expected an event in JSON, but got {len(invocation.body)} bytes that cannot be decoded: {exc}."
        ) from None


def encode_result(result: object) -> bytes:
    """Encode a result in UTF-8, without white space, because its length is limited. Bytes are returned as they are.

    The values are those of AWS's own runtime, which uses simplejson. A Decimal, which DynamoDB's client returns,
    becomes a number with all of its digits. A named tuple becomes an object, as everything with `_asdict`. Bytes become
    text, as values and as keys. NaN and the infinities, which JSON does not have, are written as Python's json does.

    Raises ResultNotEncoded.
    """
    if isinstance(result, bytes):
        return result
    converter = _Converter()
    try:
        plain = result if _is_plain(result) else converter.convert(result)
        text = converter.put_numbers(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))
    except Exception as exc:  # the methods of values may raise any
        reason = str(exc) or type(exc).__name__
        raise ResultNotEncoded(f"Expected the handler to return what JSON has, but {reason}.") from exc
    # UTF-8 has no bytes for a lone surrogate. JSON's escape for it is the same as Python's.
    return text.encode("utf-8", "backslashreplace")


def _is_plain(result: object) -> bool:
    """Return whether `json` encodes a result as simplejson does. What is too deep for an answer is left to `json`."""
    try:
        return _has_plain_types(result)
    except RecursionError:
        return True


def _has_plain_types(value: Any) -> bool:
    items = value
    if type(value) is dict:
        if not _PLAIN.issuperset(map(type, value)):
            return False
        items = value.values()
    elif type(value) is not list and type(value) is not tuple:
        return type(value) in _PLAIN
    return all(_has_plain_types(item) for item in items if type(item) not in _PLAIN)


class _Converter:
    """It makes values of types that `json` encodes."""

    def __init__(self) -> None:
        self._numbers: list[str] = []
        self._mark = ""

    def convert(self, value: Any) -> Any:
        """Return `value` with plain types. A value of any other type stays: `json` raises TypeError for it."""
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, str | int | float):
            return value
        as_dict = getattr(value, "_asdict", None)
        if callable(as_dict):
            value = as_dict()
            if not isinstance(value, dict):
                raise TypeError(f"_asdict() returned {type(value).__name__}, and not a dict")
        if isinstance(value, dict):
            return {_key(key): self.convert(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.convert(item) for item in value]
        return self._number(value)

    def _number(self, value: object) -> object:
        """Return a placeholder for a Decimal: `json` itself writes floats alone, which have no more than 17 digits."""
        from decimal import Decimal

        if not isinstance(value, Decimal):
            return value
        self._mark = self._mark or os.urandom(16).hex()
        self._numbers.append("NaN" if value.is_nan() else str(value))
        return self._mark

    def put_numbers(self, text: str) -> str:
        """Replace the placeholders in the encoded text by their numbers."""
        if not self._numbers:
            return text
        first, *rest = text.split(f'"{self._mark}"')
        return first + "".join(map("".join, zip(self._numbers, rest, strict=True)))


def _key(key: Any) -> Any:
    return key.decode("utf-8") if isinstance(key, bytes) else key
