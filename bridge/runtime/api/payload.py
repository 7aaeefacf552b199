"""Events and results as JSON: what the Runtime API carries."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from bridge.errors import EventNotDecoded, ResultNotEncoded

if TYPE_CHECKING:
    from bridge.runtime.api.vocabulary import Invocation

__all__ = ["decode_event", "encode_result"]


def decode_event(invocation: Invocation) -> Any:
    """The event of an invocation. Raises EventNotDecoded."""
    try:
        return json.loads(invocation.body)
    except (ValueError, RecursionError) as exc:  # the latter for brackets in brackets, a hundred thousand deep
        raise EventNotDecoded(
            f"Expected an event in JSON, but got {len(invocation.body)} bytes that cannot be decoded: {exc}."
        ) from None


def encode_result(result: object) -> bytes:
    """A result in UTF-8, as short as JSON can be: its length is limited. Bytes as they are.

    As AWS's own runtime has it, a Decimal, which DynamoDB's client gives, becomes a number with all of its digits;
    bytes inside become text; NaN and the infinities, which JSON lacks, are written as most readers of it take them.

    Raises ResultNotEncoded.
    """
    if isinstance(result, bytes):
        return result
    default = _Default()
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), default=default)
    except Exception as exc:  # of whatever the values' own methods raise, too
        reason = str(exc) or type(exc).__name__
        raise ResultNotEncoded(f"Expected the handler to return what JSON has, but {reason}.") from exc
    if default.numbers:
        text = default.put_numbers(text)
    # Half a surrogate pair is no UTF-8, and JSON has an escape for it that Python's own happens to be.
    return text.encode("utf-8", "backslashreplace")


class _Default:
    """What `json` asks about values that it does not know."""

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
        """What stands for it for now: `json` can only be given floats, which have no more than 17 digits."""
        self._mark = self._mark or os.urandom(16).hex()
        self.numbers.append(digits)
        return self._mark

    def put_numbers(self, text: str) -> str:
        first, *rest = text.split(f'"{self._mark}"')
        return first + "".join(map("".join, zip(self.numbers, rest, strict=True)))
