"""Our own double of Lambda's Runtime API and Extensions API, for tests that AWS's emulator does not allow.

A test sees answers as they arrive; a reader may be slow, a caller may hang up, a snapshot may be taken. Everything that
a runtime does against the rules is a violation, and so is an invocation that a test has forgotten: leaving the `with`
block raises AssertionError with all of them. The double runs in threads of its own, so the code under test may block
its event loop. All methods are synchronous, and may be called from any thread.
"""

import contextlib
import json
import socket
import threading
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.runtime.double_checks import PAYLOAD_LIMIT
from tests.runtime.double_connections import Connection, Request
from tests.runtime.double_invocations import LIMIT, Answer, Invocation
from tests.runtime.double_routes import Extension, Refusal, Report, Routes

__all__ = ["ARN", "LIMIT", "NEXT", "PAYLOAD_LIMIT", "Answer", "Invocation", "Report", "RuntimeDouble"]

NEXT = "/2018-06-01/runtime/invocation/next"

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:shop"

# An event of this size fits into a socket's buffers: sending it does not wait for the runtime to read.
_SMALL = 32 * 1024

# In bytes: what the kernel takes of a connection (and as much again) while a test makes the double stop reading. Left
# alone, it would take megabytes.
_RECEIVE_BUFFER = 64 * 1024


class RuntimeDouble:
    """One execution environment's APIs, at `address`, from entering the `with` block to leaving it.

    `snapstart`: it has restore/next and restore/error, and gives no invocation before the restore.
    `refuse_extensions`: none can be registered.
    """

    def __init__(self, *, snapstart: bool = False, refuse_extensions: bool = False) -> None:
        self._routes = Routes(snapstart=snapstart, refuse_extensions=refuse_extensions)
        self._threads: list[threading.Thread] = []
        self._accepted = 0
        self._is_stopped = False
        self._reports_seen: set[str] = set()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        forgotten = self._forgotten()
        self.stop()
        violations = self.take_violations() + forgotten
        if not violations:
            return
        said = "\n- ".join([f"{len(violations)} violations of the Runtime API's rules:", *violations])
        if exc is None:
            raise AssertionError(said)
        exc.add_note(said)

    def _forgotten(self) -> list[str]:
        routes = self._routes
        with routes.lock:
            found = [each.complaint() for each in routes.invocations.values()]
            found += [f"the refusal with {each.status} was never used" for each in routes.refusals]
        unseen = [name for name in routes.reports if name not in self._reports_seen]
        found += [f"no test looked at {name}/error: {routes.reports[name].document}" for name in unseen]
        return [each for each in found if each is not None]

    # Invocations.

    def invoke(
        self,
        event: Any,
        *,
        deadline: float = 30.0,
        trace_id: str | None = None,
        client_context: Any = None,
        identity: Any = None,
        tenant_id: str | None = None,
        invocation_id: str | None = None,
        chunk_size: int | None = None,
        stop_reading_after: int | None = None,
        may_stay_unanswered: bool = False,
    ) -> Invocation:
        """Queue an event for the next open poll: an object as JSON, bytes as they are.

        `deadline`: seconds from when it is handed out. `trace_id`: one is made up; "" for none. `client_context` and
        `identity`: objects, or text as it is. `chunk_size`: send the event in chunks. `stop_reading_after`: stop
        reading the answer's body after so many bytes, until `Invocation.go_on`.
        """
        request_id = str(uuid.uuid4())
        about = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Trace-Id": _make_trace_id() if trace_id is None else trace_id,
            "Lambda-Runtime-Client-Context": _to_text(client_context),
            "Lambda-Runtime-Cognito-Identity": _to_text(identity),
            "Lambda-Runtime-Aws-Tenant-Id": tenant_id,
            "Lambda-Runtime-Invocation-Id": invocation_id,
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Type": "application/json",
        }
        invocation = Invocation(
            event if isinstance(event, bytes) else json.dumps(event).encode(),
            [(name, value) for name, value in about.items() if value],
            request_id=request_id,
            invocation_id=invocation_id,
            seconds=deadline,
            chunk_size=chunk_size,
            stop_reading_after=stop_reading_after,
            may_stay_unanswered=may_stay_unanswered,
            lock=self._routes.lock,
        )
        self._queue(invocation)
        return invocation

    def _queue(self, invocation: Invocation) -> None:
        with self._routes.lock:
            self._routes.invocations[invocation.request_id] = invocation
            self._routes.queue.append(invocation)
        for hand_over in self._routes.match():
            if len(invocation.event) <= _SMALL:
                hand_over()
            else:
                self._start(hand_over)

    def refuse_next_answer(
        self, status: int, error_type: str = "Refused", message: str = "The test refuses it."
    ) -> None:
        """Answer the next result with `status` instead of 202, after reading it whole. The invocation is over then."""
        with self._routes.lock:
            self._routes.refusals.append(Refusal(status, error_type, message))

    @property
    def open_polls(self) -> int:
        """How many `next` wait for an event."""
        with self._routes.lock:
            return self._count_polls()

    def _count_polls(self) -> int:
        return sum(connection.is_open() for connection in self._routes.polls)

    def wait_for_polls(self, count: int, timeout: float = LIMIT) -> None:
        """Wait until at least so many polls wait for an event. Raises TimeoutError."""
        self._wait_for(lambda: self._count_polls() >= count, f"{count} open polls", timeout)

    # Init and restore.

    def init_error(self) -> Report:
        """Wait for a report at init/error, and return it. Raises TimeoutError."""
        return self._report("init")

    def restore_error(self) -> Report:
        """Wait for a report at restore/error, and return it. Raises TimeoutError."""
        return self._report("restore")

    def _report(self, name: str) -> Report:
        self._wait_for(lambda: name in self._routes.reports, f"a POST to {name}/error")
        self._reports_seen.add(name)
        return self._routes.reports[name]

    def wait_for_snapshot(self, timeout: float = LIMIT) -> int:
        """Wait for a request of restore/next. Return how many other connections to this API were open then."""
        self._wait_for(lambda: self._routes.snapshot is not None, "a GET of restore/next", timeout)
        assert self._routes.snapshot is not None
        return self._routes.snapshot[1]

    def restore(self) -> None:
        """Answer restore/next, as soon as it was asked for."""
        self.wait_for_snapshot()
        self._routes.restore()

    @property
    def extensions(self) -> list[Extension]:
        return list(self._routes.extensions)

    # Connections.

    @property
    def requests(self) -> list[Request]:
        """Everything that was asked for, in the order of the requests' heads."""
        return list(self._routes.requests)

    def wait_for_request(self, path: str, count: int = 1) -> Request:
        """Wait for the head of the `count`th request for a path, and return it. Raises TimeoutError."""

        def found() -> list[Request]:
            return [request for request in self._routes.requests if request.path == path]

        self._wait_for(lambda: len(found()) >= count, f"request {count} for {path}")
        return found()[count - 1]

    def wait_for_connections(self, count: int) -> None:
        """Wait until at most so many connections are open. Raises TimeoutError."""
        self._wait_for(lambda: len(self._routes.connections) <= count, f"no more than {count} connections")

    def wait_until_left(self) -> None:
        """Wait until no connection is open. Raises TimeoutError."""
        self.wait_for_connections(0)

    def drop_connections(self) -> None:
        """Close the connections that wait between two requests, as a server does after a while."""
        with self._routes.lock:
            idle = [connection for connection in self._routes.connections if connection.is_idle]
        for connection in idle:
            connection.end()

    def stop(self) -> None:
        """End the API: stop listening, and reset all connections. Open invocations need no answer."""
        if self._is_stopped:
            return
        with self._routes.lock:
            self._is_stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._routes.lock:
            connections = list(self._routes.connections)
        for connection in connections:
            connection.reset()
        with self._routes.lock:
            for invocation in self._routes.invocations.values():
                invocation.excuse()
        for thread in list(self._threads):
            thread.join(LIMIT)
            assert not thread.is_alive()

    # Violations.

    def take_violations(self) -> list[str]:
        """Return the violations of the rules so far, and forget them."""
        taken = self._routes.violations[:]
        del self._routes.violations[: len(taken)]
        return taken

    # Threads.

    def _wait_for(self, is_so: Callable[[], bool], what: str, timeout: float = LIMIT) -> None:
        with self._routes.changed:
            if not self._routes.changed.wait_for(is_so, timeout):
                seen = "\n- ".join(["", *self._routes.violations])
                raise TimeoutError(f"No sign of {what} within {timeout} s.{seen if self._routes.violations else ''}")

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name="runtime double", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._accepted += 1
            connection = Connection(sock, self._accepted, self._routes.violations.append)
            with self._routes.lock:
                if self._is_stopped:
                    connection.reset()
                self._routes.connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve(self._routes.handle)
        except Exception as exc:
            self._routes.violations.append(f"connection {connection.number}: the double itself failed: {exc!r}")
            raise
        finally:
            self._routes.forget(connection)
            self._threads.remove(threading.current_thread())


def _to_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _make_trace_id() -> str:
    text = uuid.uuid4().hex
    return f"Root=1-{text[:8]}-{text[8:]};Parent={text[:16]};Sampled=0"
