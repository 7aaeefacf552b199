"""The record of one invocation: what the inspector shows, and nothing that acts."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Literal

from bridge.testing.messages import ClientRequest, ClientResponse

__all__ = ["THROTTLED", "Failure", "Invocation", "LogLine", "Part", "Start", "Status", "Timeline"]

# What is kept of each result, in bytes; of each log, in characters; and how many parts. The client gets all.
MAX_KEPT = 1 << 20
MAX_LOG = 1 << 20
MAX_PARTS = 1000

# queued: it waits for an environment. starting: for the init phase, or a restore. running: the function has the event.
# responding: a stream has begun. responded: the response is whole, and the function works on. done: that has ended too.
Status = Literal["queued", "starting", "running", "responding", "responded", "done"]

# How its environment came to it: from the init phase, from an earlier invocation, or from a snapshot.
Start = Literal["cold", "warm", "restored"]


# Lambda's name for the failure of an invocation for which no environment was free.
THROTTLED = "TooManyRequestsException"


@dataclass(frozen=True)
class Failure:
    """Why an invocation failed. `error_type`: such as "Sandbox.Timedout". `document`: the runtime's own, as JSON."""

    error_type: str
    message: str
    document: bytes = b""

    @property
    def is_throttled(self) -> bool:
        """Whether no environment was free for the invocation."""
        return self.error_type == THROTTLED

    def to_json(self) -> bytes:
        """Return the error as callers of the invoke API get it."""
        return self.document or json.dumps({"errorType": self.error_type, "errorMessage": self.message}).encode()


@dataclass(frozen=True)
class LogLine:
    """One line of the process's output. `at`: seconds since the invocation was received."""

    at: float
    text: str


@dataclass
class Part:
    """One part of a response. `at`: seconds since the invocation was received. `size`: in bytes."""

    at: float
    size: int


@dataclass
class Timeline:
    """When each step was, in seconds since the invocation was received; None if it has not happened.

    What happened earlier is negative, such as the init phase of an environment that was started in advance. `assigned`:
    the end of queueing. `init_*` and `restore_*`: only of the first invocation of an environment. `start`: the runtime
    got the event. `first_byte`: the response began. `end`: it was whole, or the invocation failed. `idle`: the
    runtime asked for the next event, or its process ended; the time since `end` is work after the response.
    """

    assigned: float | None = None
    init_start: float | None = None
    init_end: float | None = None
    restore_start: float | None = None
    restore_end: float | None = None
    start: float | None = None
    first_byte: float | None = None
    end: float | None = None
    idle: float | None = None
    parts: list[Part] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Invocation:
    """One invocation, from its arrival to the end of the work after its response.

    `source`: the name of a service, or "invoke" for an event from the invoke API. `event`: JSON. `request`: the
    client's, None for an event. `response`: what the client got, without the body of a stream. `result`: the first
    MAX_KEPT bytes of what the function returned or streamed, and `result_size` bytes in all; `content_type` and
    `is_streamed` as the runtime said. `environment`: its number. `replay_of`: the id of the invocation that this one
    repeats. `qualifier`: the version or alias that the caller named. `received`: seconds since the epoch. `label`: what
    a list shows as method and path of an event that no request became.

    A WebSocket API's `response` has the function's status, and the body is what the client got as a message.
    """

    source: str
    event: bytes
    request: ClientRequest | None = None
    replay_of: str | None = None
    client_context: str = ""
    qualifier: str = ""
    label: tuple[str, str] = ("", "")
    trace_id: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    received: float = field(default_factory=time.time)
    status: Status = "queued"
    started: Start | None = None
    environment: int | None = None
    response: ClientResponse | None = None
    result: bytearray = field(default_factory=bytearray)
    result_size: int = 0
    content_type: str = ""
    is_streamed: bool = False
    failure: Failure | None = None
    logs: list[LogLine] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    _origin: float = field(default_factory=time.monotonic)
    _log_size: int = 0

    @property
    def method(self) -> str:
        return self.request.method if self.request else self.label[0]

    @property
    def path(self) -> str:
        """The path and query as the client sent them; "" for an event from the invoke API."""
        return self.request.target if self.request else self.label[1]

    @property
    def has_response(self) -> bool:
        """Whether the client's response is known. The caller of the invoke API gets the result itself."""
        return self.response is not None or self.source == "invoke"

    @property
    def duration(self) -> float:
        """Seconds since it was received, until the response was whole."""
        return self.timeline.end if self.timeline.end is not None else self.since()

    @property
    def size(self) -> int:
        """About how many bytes of memory the record needs."""
        bodies = len(self.request.body) if self.request else 0
        bodies += len(self.response.body) if self.response else 0
        return len(self.event) + len(self.result) + self._log_size + bodies + 4096

    def since(self, moment: float | None = None) -> float:
        """Return the seconds since it was received until `moment` (of `time.monotonic()`), by default until now."""
        return (time.monotonic() if moment is None else moment) - self._origin

    def log(self, text: str, moment: float | None = None) -> None:
        """Add a line of the moment, as in `since`. A last line says that those past the limit are not kept."""
        if self._log_size > MAX_LOG:
            return
        self._log_size += len(text) + 64
        text = text if self._log_size <= MAX_LOG else "(The rest of this log is not kept.)"
        self.logs.append(LogLine(self.since(moment), text))

    def part(self, data: bytes) -> None:
        """Note a part of the result. Past the limit, parts count as one with the last."""
        parts = self.timeline.parts
        if len(parts) < MAX_PARTS:
            parts.append(Part(self.since(), len(data)))
        else:
            parts[-1].size += len(data)
        self.result_size += len(data)
        self.result += data[: max(0, MAX_KEPT - len(self.result))]
