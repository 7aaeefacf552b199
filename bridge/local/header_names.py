"""uvicorn's HTTP protocol with one addition: the names of headers as the client sent them.

ASGI has them in lower case, and so does a Function URL; but a REST API and payload format 1.0 pass them on as they are.
They are in `scope["state"]`. Where uvicorn changes inside, they are missing there, and names are in lower case.
"""

from __future__ import annotations

from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["SENT_HEADERS", "SentNames"]

# The key in the scope's state: names and values.
SENT_HEADERS = "bridge.sent_headers"

# In bytes, as uvicorn has it: of a request line and headers.
_MAX_HEAD = 64 << 10


class _Connection(h11.Connection):
    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__(h11.SERVER, _MAX_HEAD)
        self._state = state

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._state[SENT_HEADERS] = event.headers.raw_items()
        return event


class SentNames(H11Protocol):
    """The protocol of one connection. uvicorn copies `app_state` into the scope of each request."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app_state = dict(self.app_state)
        self.conn = _Connection(self.app_state)
