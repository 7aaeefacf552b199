"""One event that a runtime gets, and the runtime's answer, as a test sees them."""

import base64
import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from tests.runtime.double_checks import DELIMITER, ERROR_BODY, HTTP_INTEGRATION, RESPONSE_MODE
from tests.runtime.double_connections import Connection, Headers

__all__ = ["LIMIT", "Answer", "Invocation"]

# Seconds that a test waits for anything, unless it says otherwise: only a broken one gets that far.
LIMIT = 30.0

Kind = Literal["response", "error"]


class Answer:
    """The answer that a runtime posted for an invocation; `kind` is where it was posted to.

    Complete as `Invocation.answer` returns it. Names of headers and trailers are in lower case; times are seconds of
    the monotonic clock.
    """

    def __init__(self, kind: Kind, headers: Headers) -> None:
        self.kind = kind
        self.headers = headers
        self.trailers: Headers = {}
        self.is_whole = False  # came to its end; else the connection was lost before
        self.status = 0  # of the reply
        self.ended_at = 0.0
        self.size = 0  # of the body
        self._chunks: list[tuple[float, bytearray]] = []
        self._is_between_chunks = True

    def __repr__(self) -> str:
        return f"<{self.kind}: {self.size} bytes, {'whole' if self.is_whole else 'not whole'}, status {self.status}>"

    def add(self, data: bytes | bytearray, ends_chunk: bool) -> None:
        if self._is_between_chunks:
            self._chunks.append((time.monotonic(), bytearray()))
        self._is_between_chunks = ends_chunk
        self._chunks[-1][1].extend(data)
        self.size += len(data)

    def release(self) -> None:
        self._chunks.clear()

    @property
    def chunks(self) -> list[tuple[float, bytes]]:
        """The HTTP chunks, each with the time its first byte was read at. A body that is not chunked is one."""
        return [(at, bytes(data)) for at, data in self._chunks]

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self._chunks)

    @property
    def is_streamed(self) -> bool:
        return self.headers.get(RESPONSE_MODE) == "streaming"

    @property
    def has_prelude(self) -> bool:
        return self.is_streamed and self.headers.get("content-type") == HTTP_INTEGRATION

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def prelude(self) -> Any:
        """The JSON before the 8 NUL bytes of a streamed HTTP response."""
        return json.loads(self.body.partition(DELIMITER)[0])

    @property
    def payload(self) -> bytes:
        """The bytes after them."""
        head, delimiter, payload = self.body.partition(DELIMITER)
        if not delimiter:
            raise ValueError(f"there are no 8 NUL bytes in {head[:200]!r}")
        return payload

    @property
    def error(self) -> Any:
        """The document about an error: an error's body, or what the trailers of a streamed response carry, or None."""
        if self.kind == "error":
            return self.json
        return json.loads(base64.b64decode(self.trailers[ERROR_BODY])) if ERROR_BODY in self.trailers else None


class Invocation:
    """An event that `RuntimeDouble.invoke` has queued.

    `deadline`: seconds since the epoch, and `handed_out_at`: seconds of the monotonic clock; both are 0 until a
    runtime has got the event.
    """

    def __init__(
        self,
        event: bytes,
        headers: list[tuple[str, str]],
        *,
        request_id: str,
        invocation_id: str | None,
        seconds: float,
        chunk_size: int | None,
        stop_reading_after: int | None,
        may_stay_unanswered: bool,
        lock: threading.Lock,
    ) -> None:
        self.event = event
        self.headers = headers
        self.request_id = request_id
        self.invocation_id = invocation_id
        self.chunk_size = chunk_size
        self.deadline = 0.0
        self.handed_out_at = 0.0
        self._seconds = seconds
        self._stop_after = stop_reading_after
        self._may_stay_unanswered = may_stay_unanswered
        self._changed = threading.Condition(lock)
        self._connection: Connection | None = None  # that the answer comes over
        self._answer: Answer | None = None
        self._is_settled = False
        self._has_ended = False
        self._is_looked_at = False
        self._is_cut = False  # by the test

    # For tests.

    def answer(self, timeout: float = LIMIT) -> Answer:
        """Wait for the end of the answer. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_ended, timeout):
                raise TimeoutError(f"{self.describe()}, after {timeout} s")
            self._is_looked_at = True
            assert self._answer is not None
            return self._answer

    def wait_for(self, what: int | Callable[[bytes], object], timeout: float = LIMIT) -> bytes:
        """Wait until so many bytes of the answer's body are here, or those of which `what` is true; return them.

        Raises TimeoutError, and EOFError if the answer ends before.
        """

        def is_here() -> bool:
            if isinstance(what, int):
                return self._answer is not None and self._answer.size >= what
            return self._answer is not None and bool(what(self._answer.body))

        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or is_here(), timeout)
            if is_here():
                assert self._answer is not None
                return self._answer.body
            raise (EOFError if self._has_ended else TimeoutError)(self.describe())

    def go_on(self) -> None:
        """Read on, where `stop_reading_after` made it stop, or would."""
        with self._changed:
            self._stop_after = None
            self._changed.notify_all()

    def hang_up(self) -> None:
        """Disconnect the caller: reset the connection of the answer."""
        self._cut().reset()
        with self._changed:
            self._changed.notify_all()

    def answer_early(self, status: int) -> None:
        """Answer the runtime while its answer is still coming. What comes then is read, to the end it has."""
        with self._changed:
            if self._answer is not None:
                self._answer.status = status
        document = {"errorMessage": "Invoke timeout", "errorType": "InvokeTimeout"}
        self._cut().reply_early(status, json.dumps(document).encode())

    def release(self) -> None:
        """Forget the event and the answer's body, for tests with very many; a second answer is noticed all the same."""
        self.event = b""
        if self._answer is not None:
            self._answer.release()

    def _cut(self) -> Connection:
        with self._changed:
            if self._connection is None or self._has_ended:
                raise RuntimeError(f"no answer is coming: {self.describe()}")
            self._is_cut = True
            return self._connection

    # For the double. Those that take no lock are called with it held.

    def hand_out(self) -> list[tuple[str, str]]:
        """From now on it is the runtime's. The headers that it comes with."""
        self.handed_out_at = time.monotonic()
        self.deadline = time.time() + self._seconds
        header = str(int(self.deadline * 1000)) if math.isfinite(self.deadline) else ""
        return [*self.headers, ("Lambda-Runtime-Deadline-Ms", header)]

    def excuse(self) -> None:
        """Allow that no answer arrives, because the API has gone."""
        self._may_stay_unanswered |= bool(self.handed_out_at)
        self._changed.notify_all()

    @property
    def is_settled(self) -> bool:
        """Whether the runtime may ask for another one."""
        return self._is_settled or self._is_cut

    def complaint(self) -> str | None:
        """Return what is wrong at the end of a test, or None."""
        is_answered = self._answer is not None and (self._answer.is_whole or self._is_looked_at)
        if self._may_stay_unanswered or self._is_cut or (self._is_settled and is_answered):
            return None
        return self.describe()

    def describe(self) -> str:
        name = f"invocation {self.request_id}"
        if not self.handed_out_at:
            return f"{name} was never handed out"
        if self._answer is None:
            return f"{name} was handed out, and never answered"
        if not self._has_ended:
            return f"{name} was answered with a {self._answer.kind} that did not end, {self._answer.size} bytes so far"
        return f"{name} was answered with {self._answer!r}"

    def start(self, answer: Answer, connection: Connection) -> bool:
        """Take the one answer it gets. False if there was one before."""
        with self._changed:
            if self._answer is not None or not self.handed_out_at:
                return False
            self._answer, self._connection = answer, connection
            self._changed.notify_all()
            self._wait_while_stopped(answer, connection)
            return True

    def receive(self, data: bytes | bytearray, ends_chunk: bool) -> None:
        """A part of the answer's body. Returns when the next one may come."""
        answer, connection = self._answer, self._connection
        assert answer is not None
        assert connection is not None
        with self._changed:
            if self._stop_after is not None and 0 < (size := self._stop_after - answer.size) < len(data):
                answer.add(data[:size], False)
                data = data[size:]
                self._changed.notify_all()
                self._wait_while_stopped(answer, connection)
            answer.add(data, ends_chunk)
            self._changed.notify_all()
            self._wait_while_stopped(answer, connection)

    def _wait_while_stopped(self, answer: Answer, connection: Connection) -> None:
        if self._stop_after is None or answer.size < self._stop_after:
            return
        self._changed.wait_for(lambda: self._stop_after is None or connection.is_reset)

    def settle(self, trailers: Headers | None) -> None:
        """The answer is over, and the runtime is about to be told so; `trailers` is None if it was broken off."""
        assert self._answer is not None
        with self._changed:
            self._answer.ended_at = time.monotonic()
            self._answer.is_whole = trailers is not None
            self._answer.trailers = trailers or {}
            self._is_settled = True

    def end(self, status: int) -> None:
        """Note that the runtime has its reply."""
        assert self._answer is not None
        with self._changed:
            self._answer.status = self._answer.status or status
            self._has_ended = True
            self._changed.notify_all()
