"""What an invocation is about, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.local.inspector.json_text import parsed
from bridge.local.invocation import Invocation

__all__ = ["described"]

# In bytes: of longer events the kind is not looked at, because a list describes a hundred of them at a time.
_MAX_PARSED = 20_000


def described(invocation: Invocation) -> str:
    """Return the client's path, or the kind and the size of an event."""
    if invocation.path:
        return invocation.path
    event, _ = parsed(invocation.event) if len(invocation.event) <= _MAX_PARSED else (None, False)
    kind = " ".join(text for text in _kind(event) if isinstance(text, str) and text)
    return f"{kind or 'Event'}, {len(invocation.event):,} bytes"


def _kind(event: Any) -> Iterator[Any]:
    """Yield what tells the events of AWS apart; values of any type, because callers send what they like."""
    if not isinstance(event, dict):
        return
    records = event.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    if isinstance(first, dict):
        yield first.get("eventSource") or first.get("EventSource")  # SNS has a capital letter
    context = event.get("requestContext")
    if isinstance(context, dict):
        yield context.get("eventType")  # of a WebSocket API
        yield context.get("routeKey") or event.get("routeKey")
    yield event.get("source")
    yield event.get("detail-type")
    yield event.get("httpMethod")
    yield event.get("path")
