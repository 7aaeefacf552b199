"""What is known of one invocation while it is answered: for the access line, and for a tracing hook."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bridge import invocation as current
from bridge._messages import CompleteResponse, PassedEvent, method_and_path
from bridge.settings import initialization_type, trace_id
from bridge.sources._event_fields import event_line

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import Event
    from bridge.sources import Source

__all__ = ["Observation"]

_is_first = True


def _take_first() -> bool:
    """Return True once in an environment. A snapshot is taken before that."""
    global _is_first
    first, _is_first = _is_first, False
    return first


class Observation:
    """What a tracing hook gets. The answer's part is known when its block ends.

    `event`, `context`: those of the invocation. `request`: the `httpx.Request`; None if there is none. `method`,
    `path`: escaped and cut for a log; the path is as the client sent it, without the query. For an event that a
    function gets they are "on_event" and the function's name. `source`: the name of the event source; "event:aws:sqs"
    for an event that is not an HTTP request. `is_cold_start`: whether it is the first one of this process, and
    `is_restored`: whether that comes after a SnapStart restore.

    `status_code`: None if the invocation failed. `body_size`: the bytes of the body for the client, or those of
    the result as JSON for an event that is not an HTTP request. `error`: what the
    application or the transport raised, or why the answer was replaced; None if all went well. `is_complete`: False for
    a stream that ended before its end. `duration`: the seconds until the answer was whole; None before that.
    """

    def __init__(self, event: Event, context: Any) -> None:
        self.event, self.context = event, context
        self.request: httpx.Request | None = None
        self.method = self.path = self.source = ""
        self.is_cold_start = _take_first()
        self.is_restored = self.is_cold_start and initialization_type() == "snap-start"
        self.status_code: int | None = None
        self.body_size = 0
        self.error: BaseException | None = None
        self.is_complete = True
        self.duration: float | None = None
        self._began = time.perf_counter()

    def name(self, source: Source, request: httpx.Request | CompleteResponse, *, is_sent: bool) -> None:
        """Take the source and the request, or the response to a broken event.

        `is_sent`: an event that is not a request is sent as one.
        """
        self.source = source.name
        if isinstance(request, CompleteResponse):
            self.method, _, self.path = event_line(self.event).partition(" ")
            return
        self.method, self.path = method_and_path(request)
        if isinstance(request, PassedEvent):
            self.source = f"{source.name}:{request.service}"
        if is_sent or not isinstance(request, PassedEvent):
            self.request = request

    def end(self) -> None:
        """Note that the answer is whole now."""
        if self.duration is None:
            self.duration = time.perf_counter() - self._began

    def fields(self) -> dict[str, Any]:
        """Return the fields of the access line."""
        fields = {
            "method": self.method,
            "path": self.path,
            "status": self.status_code,
            "duration_ms": round((self.duration or 0) * 1000, 3),
            "bytes": self.body_size,
            "source": self.source,
            "request_id": str(getattr(self.context, "aws_request_id", "") or ""),
            "trace_id": current.trace_id.get() or trace_id(),
            "cold_start": self.is_cold_start,
            "restored": self.is_restored,
            "complete": self.is_complete,
        }
        if self.error is not None:
            fields["error_type"] = type(self.error).__name__
        return fields
