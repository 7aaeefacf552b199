"""The routes of the double: those of the Runtime API, and those of the Extensions API.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import h11

from tests.runtime.double_checks import (
    PAYLOAD_LIMIT,
    RESPONSE_MODE,
    check_buffered,
    check_error,
    check_error_type,
    check_invocation_id,
    check_prelude,
    check_stream_head,
    check_trailers,
)
from tests.runtime.double_connections import Connection, Gone, Headers, Request, Trailers
from tests.runtime.double_invocations import Answer, Invocation

__all__ = ["Extension", "Refusal", "Report", "Routes"]

_RUNTIME = "/2018-06-01/runtime"
_INVOCATION = f"{_RUNTIME}/invocation/"
_EXTENSION = "/2020-01-01/extension"

_JSON = ("Content-Type", "application/json")


class Extension:
    """A registered extension. `polled`: it asked for its events."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.identifier = str(uuid.uuid4())
        self.name = name
        self.events = events
        self.polled = False


class Report(NamedTuple):
    """A report to init/error or restore/error."""

    headers: Headers
    document: Any


class Refusal(NamedTuple):
    """The answer to a result instead of 202."""

    status: int
    error_type: str
    message: str


class Routes:
    """The state of one API. `lock` guards it; `changed` is notified of everything but an invocation's answer."""

    def __init__(self, *, snapstart: bool, refuse_extensions: bool) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.connections: list[Connection] = []  # the open ones
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.polls: deque[Connection] = deque()
        self.queue: deque[Invocation] = deque()
        self.invocations: dict[str, Invocation] = {}
        self.refusals: deque[Refusal] = deque()
        self.extensions: list[Extension] = []
        self.reports: dict[str, Report] = {}  # to init/error and restore/error, by "init" and "restore"
        # The connection that asked for restore/next, and the number of the others.
        self.snapshot: tuple[Connection, int] | None = None
        self.is_restored = not snapstart
        self._is_initialized = False  # a `next` was seen
        self._handed_to: dict[Connection, Invocation] = {}
        self._snapstart = snapstart
        self._refuse_extensions = refuse_extensions
        self._routes: dict[tuple[str, str], Callable[[Connection, Request], None]] = {
            ("GET", f"{_INVOCATION}next"): self._next,
            ("POST", f"{_RUNTIME}/init/error"): self._init_error,
            ("POST", f"{_EXTENSION}/register"): self._register,
            ("GET", f"{_EXTENSION}/event/next"): self._extension_next,
        }
        if snapstart:
            self._routes["GET", f"{_RUNTIME}/restore/next"] = self._restore_next
            self._routes["POST", f"{_RUNTIME}/restore/error"] = self._restore_error

    def handle(self, connection: Connection, request: Request) -> None:
        with self.lock:
            self.requests.append(request)
            self.changed.notify_all()
        if (route := self._routes.get((request.method, request.path))) is not None:
            route(connection, request)
        elif request.method == "POST" and request.path.startswith(_INVOCATION):
            self._answer(connection, request)
        else:
            self._not_found(connection, request)

    def _complain(self, request: Request, *complaints: str) -> None:
        where = f"connection {request.connection}: {request.method} {request.path}"
        self.violations += [f"{where}: {complaint}" for complaint in complaints]

    def _refuse(self, connection: Connection, request: Request, status: int, error_type: str, *complaints: str) -> None:
        self._complain(request, *complaints)
        _reply_error(connection, status, error_type, "; ".join(complaints))

    def _not_found(self, connection: Connection, request: Request) -> None:
        connection.read_body()
        self._refuse(connection, request, 404, "NotFound", "there is no such method and path")

    # The next invocation.

    def _next(self, connection: Connection, request: Request) -> None:
        connection.read_body()
        with self.lock:
            before = self._handed_to.pop(connection, None)
            is_restored = self.is_restored
            if is_restored and (before is None or before.is_settled):
                self._is_initialized = True
                self.polls.append(connection)
                self.changed.notify_all()
        if not is_restored:
            self._refuse(connection, request, 403, "InvalidStateTransition", "asked before restore/next was answered")
        elif before is not None and not before.is_settled:
            self._refuse(connection, request, 403, "InvalidStateTransition", f"asked while {before.describe()}")
        else:
            for hand_over in self.match():
                hand_over()

    def match(self) -> list[Callable[[], None]]:
        """Give queued events to open polls, oldest to oldest. What is returned sends them."""
        given = []
        with self.lock:
            while self.queue and self.polls and all(extension.polled for extension in self.extensions):
                connection = self.polls.popleft()
                if not connection.is_open():
                    continue
                given.append(self._hand_out(connection, self.queue.popleft()))
        return given

    def _hand_out(self, connection: Connection, invocation: Invocation) -> Callable[[], None]:
        self._handed_to[connection] = invocation
        headers = invocation.hand_out()
        return lambda: connection.reply(200, invocation.event, headers, chunk_size=invocation.chunk_size)

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        with self.lock:
            self.connections.remove(connection)
            self._handed_to.pop(connection, None)
            if connection in self.polls:
                self.polls.remove(connection)
            self.changed.notify_all()

    # Its answer.

    def _answer(self, connection: Connection, request: Request) -> None:
        request_id, _, kind = request.path.removeprefix(_INVOCATION).partition("/")
        if kind not in ("response", "error"):
            self._not_found(connection, request)
            return
        invocation = self.invocations.get(request_id)
        answer = Answer("error" if kind == "error" else "response", request.headers)
        if invocation is None or not invocation.start(answer, connection):
            connection.read_body()
            said = "there is no such invocation" if invocation is None else invocation.describe()
            self._refuse(connection, request, 400, "InvalidRequestID", said)
            return
        trailers = self._receive(connection, invocation)
        self._check(request, invocation, answer, trailers)
        self._conclude(connection, invocation, answer, trailers)

    def _receive(self, connection: Connection, invocation: Invocation) -> Headers | None:
        """Return the trailers, or None if the body was broken off."""
        try:
            for event in connection.body():
                if isinstance(event, Trailers):
                    return event.headers
                invocation.receive(event.data, event.chunk_end)
        except Gone:
            return None
        except h11.RemoteProtocolError:
            invocation.settle(None)
            invocation.end(400)
            raise
        return None

    def _check(self, request: Request, invocation: Invocation, answer: Answer, trailers: Headers | None) -> None:
        self._complain(request, *check_invocation_id(answer.headers, invocation.invocation_id))
        if (mode := answer.headers.get(RESPONSE_MODE, "streaming")) != "streaming":
            self._complain(request, f"its Lambda-Runtime-Function-Response-Mode is {mode!r}, expected 'streaming'")
        if answer.is_streamed:
            self._complain(request, *check_stream_head(answer.headers))
        if answer.has_prelude and (trailers is not None or b"\0" in answer.body):
            self._complain(request, *check_prelude(answer.body))
        if trailers is None:
            return
        if answer.kind == "error":
            self._complain(request, *check_error(answer.body))
        elif not answer.is_streamed:
            self._complain(request, *check_buffered(answer.headers, answer.body))
        self._complain(request, *check_trailers(answer.headers, trailers))

    def _conclude(
        self, connection: Connection, invocation: Invocation, answer: Answer, trailers: Headers | None
    ) -> None:
        if trailers is None:
            invocation.settle(None)
            invocation.end(0)
            raise Gone
        refusal = self._refusal_of(answer)
        invocation.settle(trailers)
        if refusal is None:
            connection.reply(202, b'{"status":"OK"}\n', [_JSON])
        else:
            _reply_error(connection, refusal.status, refusal.error_type, refusal.message)
        invocation.end(202 if refusal is None else refusal.status)

    def _refusal_of(self, answer: Answer) -> Refusal | None:
        with self.lock:
            if self.refusals:
                return self.refusals.popleft()
        if answer.is_streamed or answer.size <= PAYLOAD_LIMIT:
            return None
        said = f"Exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
        return Refusal(413, "RequestEntityTooLarge", said)

    # Errors outside invocations.

    def _init_error(self, connection: Connection, request: Request) -> None:
        self._error_of(connection, request, "init", is_under_way=not self._is_initialized)

    def _restore_error(self, connection: Connection, request: Request) -> None:
        is_under_way = self.snapshot is not None and self.is_restored and not self._is_initialized
        self._error_of(connection, request, "restore", is_under_way=is_under_way)

    def _error_of(self, connection: Connection, request: Request, phase: str, *, is_under_way: bool) -> None:
        report = self._read_report(connection, request)
        if not is_under_way or phase in self.reports:
            self._refuse(connection, request, 403, "InvalidStateTransition", f"the {phase} phase is over")
            return
        with self.lock:
            self.reports[phase] = report
            self.changed.notify_all()
        connection.reply(202, b'{"status":"OK"}\n', [_JSON])

    def _read_report(self, connection: Connection, request: Request) -> Report:
        body = connection.read_body()
        complaints = check_error(body)
        self._complain(request, *complaints, *check_error_type(request.headers))
        return Report(request.headers, body if complaints else json.loads(body))

    # SnapStart.

    def _restore_next(self, connection: Connection, request: Request) -> None:
        connection.read_body()
        with self.lock:
            is_first = self.snapshot is None
            if is_first:
                others = [each for each in self.connections if each is not connection and each.is_open()]
                self.snapshot = connection, len(others)
                self.changed.notify_all()
        if not is_first:
            self._refuse(connection, request, 403, "InvalidStateTransition", "restore/next was asked for before")

    def restore(self) -> None:
        """Answer restore/next, which was asked for."""
        assert self.snapshot is not None
        with self.lock:
            self.is_restored = True
        self.snapshot[0].reply(200, b"{}", [_JSON])

    # Extensions.

    def _register(self, connection: Connection, request: Request) -> None:
        body = connection.read_body()
        if self._refuse_extensions:
            _reply_error(connection, 403, "Extension.RegistrationRefused", "the test refuses extensions")
            return
        name, events = request.headers.get("lambda-extension-name", ""), json.loads(body)["events"]
        if not name or self._is_initialized or any(name == each.name for each in self.extensions):
            said = f"{name!r} came after the first `next`, or twice, or without a name"
            self._refuse(connection, request, 403, "Extension.InvalidExtensionState", said)
            return
        extension = Extension(name, events)
        with self.lock:
            self.extensions.append(extension)
        function = {"functionName": "shop", "functionVersion": "$LATEST", "handler": "app.handler"}
        identifier = ("Lambda-Extension-Identifier", extension.identifier)
        connection.reply(200, json.dumps(function).encode(), [_JSON, identifier])

    def _extension_next(self, connection: Connection, request: Request) -> None:
        connection.read_body()
        identifier = request.headers.get("lambda-extension-identifier")
        extension = next((each for each in self.extensions if each.identifier == identifier), None)
        if extension is None or extension.polled:
            said = f"there is no extension {identifier!r}" if extension is None else "it asked for its events before"
            self._refuse(connection, request, 403, "Extension.InvalidExtensionIdentifier", said)
            return
        with self.lock:
            extension.polled = True
            self.changed.notify_all()
        for hand_over in self.match():
            hand_over()


def _reply_error(connection: Connection, status: int, error_type: str, message: str) -> None:
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    connection.reply(status, body, [_JSON])
