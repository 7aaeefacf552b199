"""Events and results as JSON: what the Runtime API carries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bridge.errors import EventNotDecoded, ResultNotEncoded

if TYPE_CHECKING:
    from bridge.runtime.api import Invocation

__all__ = ["decode_event", "encode_result"]


def decode_event(invocation: Invocation) -> Any:
    """The event of an invocation. Raises EventNotDecoded."""
    try:
        return json.loads(invocation.body)
    except ValueError as exc:
        raise EventNotDecoded(
            f"Expected an event in JSON, but got {len(invocation.body)} bytes that are none: {exc}."
        ) from None


def encode_result(result: object) -> bytes:
    """A result in UTF-8, as short as JSON can be: its length is limited. Raises ResultNotEncoded.

    A Decimal, as DynamoDB's client gives them, becomes a number.
    """
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), default=_default)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ResultNotEncoded(f"Expected the handler to return what JSON has, but {exc}.") from exc
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can only have escaped
        return json.dumps(result, separators=(",", ":"), default=_default).encode("ascii")


def _default(value: object) -> object:
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
