"""Events and results as JSON, as the Runtime API carries them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from bridge.errors import EventNotDecoded, ResultNotEncoded

if TYPE_CHECKING:
    from bridge.runtime.api.vocabulary import Invocation

__all__ = ["decode_event", "encode_result"]


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

    As in AWS's own runtime, a Decimal, which DynamoDB's client returns, becomes a number with all of its digits;
    bytes inside become text; NaN and the infinities, which JSON does not have, are written as Python's json does.

    Raises ResultNotEncoded.
    """
    if isinstance(result, bytes):
        return result
    default = _Default()
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), default=default)
    except Exception as exc:  # the methods of values may raise any
        reason = str(exc) or type(exc).__name__
        raise ResultNotEncoded(f"Expected the handler to return what JSON has, but {reason}.") from exc
    if default.numbers:
        text = default.put_numbers(text)
    # UTF-8 has no bytes for a lone surrogate. JSON's escape for it is the same as Python's.
    return text.encode("utf-8", "backslashreplace")


class _Default:
    """The function that `json` calls for values of other types."""

    def __init__(self) -> None:
        self.numbers: list[str] = []
        self._mark = ""

    def __call__(self, value: object) -> object:
        if isinstance(value, bytes):
            return value.decode("utf-8")
        from decimal import Decimal

        if isinstance(value, Decimal):
            return self._number("NaN" if value.is_nan() else str(value))
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    def _number(self, digits: str) -> str:
        """Return a placeholder: `json` itself writes floats alone, which have no more than 17 digits."""
        self._mark = self._mark or os.urandom(16).hex()
        self.numbers.append(digits)
        return self._mark

    def put_numbers(self, text: str) -> str:
        """Replace the placeholders in the encoded text by their numbers."""
        first, *rest = text.split(f'"{self._mark}"')
        return first + "".join(map("".join, zip(self.numbers, rest, strict=True)))
