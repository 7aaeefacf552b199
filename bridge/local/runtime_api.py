"""The Runtime API of one execution environment, on a loopback port of its own.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from bridge.local.answer import Answer
from bridge.local.extensions import ACCEPTED, Extensions, refusal
from bridge.local.http import Disconnected, HttpServer, Reply, Request
from bridge.local.invocation import Failure
from bridge.local.processes import name_of
from bridge.local.settings import FunctionSettings
from bridge.local.variables import arn_of, handler_of
from bridge.testing.setup import new_trace_id
from bridge.testing.strict_json import strict_json

__all__ = ["Environment", "RuntimeApi"]

_INVOCATION = "/2018-06-01/runtime/invocation/"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: of a result, in bytes, as Lambda's own error
# says, and of a stream.
MAX_RESULT = 6_291_556
MAX_STREAM = 200 << 20

_STREAMING = "streaming"


class Environment(Protocol):
    """Whom the API tells what the runtime does."""

    def polled(self) -> None:
        """The runtime asks for an event."""

    def snapshot_reached(self) -> None:
        """The runtime has asked for the restore."""

    def answered(self, answer: Answer) -> None:
        """The runtime has answered an invocation, or tried to."""

    def init_failed(self, failure: Failure) -> None:
        """The runtime reports that its init phase, or its restore, has failed; or an extension that it has."""


class RuntimeApi:
    """`polls`: how many open requests for an event there are. `open`: the invocations that have no whole answer."""

    def __init__(self, environment: Environment, function: FunctionSettings) -> None:
        self._environment = environment
        self._arn = arn_of(function)
        self._is_concurrent, self._has_snapshot = function.concurrency > 1, function.snapstart
        # Which errors a runtime may report: "init" until it asks for the restore or for an event, then "restore" until
        # it asks for an event.
        self._phase = "init"
        self._last = ""  # the id of the last answer, until the runtime asks for the next event
        self._server = HttpServer(self._handle)
        self._polls: deque[asyncio.Future[Reply]] = deque()
        self._restored = asyncio.Event()
        self._is_at_snapshot = False
        self._given = Reply(200)  # the last event
        self.open: dict[str, Answer] = {}
        self.timed_out: set[str] = set()
        self.extensions = Extensions(
            [name_of(path) for path in function.extensions],
            {"functionName": function.name, "functionVersion": "$LATEST", "handler": handler_of(function)},
            has_invocations=not self._is_concurrent,  # documented: Managed Instances tell extensions of none
            polled=self._extension_polled,
            failed=environment.init_failed,
        )

    async def start(self) -> str:
        """Return the address, for AWS_LAMBDA_RUNTIME_API."""
        await self._server.start()
        return self._server.address

    async def close(self) -> None:
        await self._server.close()

    @property
    def polls(self) -> int:
        return len(self._polls)

    def hand_over(self, answer: Answer, deadline: float) -> None:
        """Give an invocation to a waiting poll. `deadline`: seconds since the epoch, on the runtime's clock."""
        invocation = answer.invocation
        arn = f"{self._arn}:{invocation.qualifier}" if invocation.qualifier else self._arn
        trace_id, milliseconds = _traced(invocation.trace_id), int(deadline * 1000)
        headers = {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": invocation.id,
            "lambda-runtime-deadline-ms": str(milliseconds),
            "lambda-runtime-invoked-function-arn": arn,
            "lambda-runtime-trace-id": trace_id,
            "lambda-runtime-client-context": invocation.client_context,
            "lambda-runtime-invocation-id": invocation.id,
            "date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        }
        self.open[invocation.id] = answer
        sent = tuple((name, value) for name, value in headers.items() if value)
        self._given = Reply(200, invocation.event, sent)
        self._polls.popleft().set_result(self._given)
        about: dict[str, object] = {"deadlineMs": milliseconds, "requestId": invocation.id, "invokedFunctionArn": arn}
        self.extensions.invoke({**about, "tracing": {"type": "X-Amzn-Trace-Id", "value": trace_id}})

    def restore(self) -> None:
        """Answer the request for the restore."""
        self._restored.set()

    async def _handle(self, request: Request) -> Reply:
        match request.method, request.path:
            case "GET", "/2018-06-01/runtime/invocation/next":
                return await self._next(request)
            case "POST", path if path.startswith(_INVOCATION):
                return await self._answered(request, *path.removeprefix(_INVOCATION).partition("/")[::2])
            case "POST", "/2018-06-01/runtime/init/error":
                return await self._failed(request, "init", "restore")  # before there was restore/error, it was for both
            case "POST", "/2018-06-01/runtime/restore/error" if self._has_snapshot:
                return await self._failed(request, "restore")
            case "GET", "/2018-06-01/runtime/restore/next" if self._has_snapshot:
                return await self._restore(request)
        reply = await self.extensions.handle(request)
        return reply or refusal(404, "NotFound", f"There is no {request.method} {request.path}.")

    async def _failed(self, request: Request, *phases: str) -> Reply:
        failure = _failure(request, await request.body())
        if self._phase not in phases:
            return refusal(403, "InvalidStateTransition", f"Expected this before the end of the {phases[0]} phase.")
        self._environment.init_failed(failure)
        return ACCEPTED

    async def _next(self, request: Request) -> Reply:
        await request.body()
        if self.open and not self._is_concurrent:
            return self._again()
        self._phase, self._last = "invoke", ""
        self.extensions.close_registration()
        for _ in range(2):  # the event loop reads first what the process has written before it asked
            await asyncio.sleep(0)
        poll: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        gone = asyncio.create_task(request.wait_until_gone(), name="bridge poll")
        self._polls.append(poll)
        self._environment.polled()
        try:
            await _first_of(poll, gone)
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            if poll in self._polls:
                self._polls.remove(poll)
        if not poll.done():
            raise Disconnected
        return poll.result()

    def _again(self) -> Reply:
        """Return the event of the invocation that has no answer, as AWS's emulator does until the answer begins."""
        if any(answer.invocation.timeline.first_byte is not None for answer in self.open.values()):
            return refusal(403, "InvalidStateTransition", "The last invocation has no whole answer yet.")
        return self._given

    async def _answered(self, request: Request, id: str, kind: str) -> Reply:
        answer = self.open.get(id)
        if answer is None or kind not in ("response", "error"):
            await request.body()
            if id in self.timed_out:
                return refusal(410, "InvokeTimeout", "Invoke timeout")
            if id and id == self._last:
                return refusal(403, "InvalidStateTransition", f"The invocation {id} has an answer already.")
            return refusal(400, "InvalidRequestID", f"No invocation {id} waits for an answer.")
        try:
            return await (self._error(request, answer) if kind == "error" else self._response(request, answer))
        except Disconnected:
            message = "The runtime closed its connection before its response was whole."
            answer.finish(Failure("Runtime.TruncatedResponse", message))
            raise
        finally:
            self.open.pop(id, None)
            self._last = "" if self._is_concurrent else id
            self._environment.answered(answer)

    async def _error(self, request: Request, answer: Answer) -> Reply:
        body = await request.body()
        answer.finish(_failure(request, body))
        return ACCEPTED

    async def _response(self, request: Request, answer: Answer) -> Reply:
        mode = request.headers.get("lambda-runtime-function-response-mode", "")
        if mode not in ("", _STREAMING):
            message = f"Expected {_STREAMING!r} or nothing as response mode, but got {mode!r}."
            answer.finish(Failure("Runtime.InvalidResponseModeHeader", message))
            return refusal(400, "InvalidFunctionResponseMode", message)
        answer.start(content_type=request.headers.get("content-type", ""), is_streamed=mode == _STREAMING)
        limit, size = MAX_STREAM if mode else MAX_RESULT, 0
        async for part in request.parts():
            size += len(part)
            if size > limit:
                return await _too_large(request, answer, limit)
            await answer.put(part)
        answer.finish(_broken(request.trailers))
        return ACCEPTED

    async def _restore(self, request: Request) -> Reply:
        await request.body()
        self._phase = "restore"
        self._is_at_snapshot = True
        self.extensions.close_registration()
        self._reach_snapshot()
        await self._restored.wait()
        return Reply(200, b"")

    def _extension_polled(self) -> None:
        self._reach_snapshot()
        self._environment.polled()

    def _reach_snapshot(self) -> None:
        """Tell the environment, once, when the runtime and all extensions wait."""
        if self._is_at_snapshot and self.extensions.are_idle:
            self._is_at_snapshot = False
            self._environment.snapshot_reached()


def _traced(value: str) -> str:
    """Return the trace id of an invocation with all its fields, as Lambda passes it on. No trace is sampled."""
    fields = [field for field in value.split(";") if field] or [new_trace_id(time.time())]
    names = {field.partition("=")[0] for field in fields}
    more = {"Parent": secrets.token_hex(8), "Sampled": "0"}
    return ";".join([*fields, *(f"{name}={text}" for name, text in more.items() if name not in names)])


async def _first_of(*waited: asyncio.Future[Any]) -> None:
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)


async def _too_large(request: Request, answer: Answer, limit: int) -> Reply:
    message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    answer.finish(Failure("Function.ResponseSizeTooLarge", message))
    async for _ in request.parts():
        pass
    return refusal(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({limit} bytes).")


def _failure(request: Request, body: bytes) -> Failure:
    """Return the failure that a runtime reports."""
    error_type = request.headers.get("lambda-runtime-function-error-type", "")
    return _described(body, error_type or "Runtime.Unknown")


def _described(body: bytes, error_type: str) -> Failure:
    try:
        document = strict_json(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return Failure(error_type, body.decode("utf-8", "replace")[:500])
    return Failure(str(document.get("errorType") or error_type), str(document.get("errorMessage", "")), body)


def _broken(trailers: dict[str, str]) -> Failure | None:
    """Return why a stream broke, as its trailers say."""
    error_type = trailers.get("lambda-runtime-function-error-type")
    if error_type is None:
        return None
    body = b""
    with suppress(ValueError):
        body = base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""))
    return _described(body, error_type)
