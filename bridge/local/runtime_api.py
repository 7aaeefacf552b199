"""The Runtime API of one execution environment, on a loopback port of its own.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from bridge.local.answer import Answer
from bridge.local.extensions import Extensions, refusal
from bridge.local.http import Disconnected, HttpServer, Reply, Request
from bridge.local.invocation import Failure

__all__ = ["Environment", "RuntimeApi"]

_INVOCATION = "/2018-06-01/runtime/invocation/"
_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: of a result, in bytes, as Lambda's own error
# says, and of a stream.
MAX_RESULT = 6_291_556
MAX_STREAM = 200 << 20

_ACCEPTED = Reply(202, b'{"status":"OK"}\n')
_STREAMING = "streaming"


class Environment(Protocol):
    """Whom the API tells what the runtime does."""

    is_concurrent: bool

    def polled(self) -> None:
        """The runtime asks for an event."""

    def snapshot_reached(self) -> None:
        """The runtime has asked for the restore."""

    def answered(self, answer: Answer) -> None:
        """The runtime has answered an invocation, or tried to."""

    def init_failed(self, failure: Failure) -> None:
        """The runtime reports that its init phase, or its restore, has failed."""


class RuntimeApi:
    """`polls`: how many open requests for an event there are. `open`: the invocations that have no whole answer."""

    def __init__(self, environment: Environment, *, name: str, handler: str) -> None:
        self._environment = environment
        self._name, self._handler = name, handler
        self._server = HttpServer(self._handle)
        self._polls: deque[asyncio.Future[tuple[Answer, float]]] = deque()
        self._restored = asyncio.Event()
        self.open: dict[str, Answer] = {}
        self.timed_out: set[str] = set()
        self.extensions = Extensions(environment.polled)

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
        self.open[answer.invocation.id] = answer
        self._polls.popleft().set_result((answer, deadline))
        self.extensions.tell(json.dumps(self._invoke_event(answer, deadline)).encode())

    def _invoke_event(self, answer: Answer, deadline: float) -> dict[str, object]:
        tracing = {"type": "X-Amzn-Trace-Id", "value": answer.invocation.trace_id}
        about = {"eventType": "INVOKE", "deadlineMs": int(deadline * 1000), "requestId": answer.invocation.id}
        return {**about, "invokedFunctionArn": _ARN + self._name, "tracing": tracing}

    def restore(self) -> None:
        """Answer the request for the restore."""
        self._restored.set()

    async def _handle(self, request: Request) -> Reply:
        match request.method, request.path:
            case "GET", "/2018-06-01/runtime/invocation/next":
                return await self._next(request)
            case "POST", path if path.startswith(_INVOCATION):
                return await self._answered(request, *path.removeprefix(_INVOCATION).partition("/")[::2])
            case "POST", "/2018-06-01/runtime/init/error" | "/2018-06-01/runtime/restore/error":
                self._environment.init_failed(_failure(request, await request.body()))
                return _ACCEPTED
            case "GET", "/2018-06-01/runtime/restore/next":
                return await self._restore(request)
            case "POST", "/2020-01-01/extension/register":
                about = {"functionName": self._name, "functionVersion": "$LATEST", "handler": self._handler}
                return await self.extensions.register(request, about)
            case "GET", "/2020-01-01/extension/event/next":
                return await self.extensions.next(request)
        return refusal(404, "NotFound", f"There is no {request.method} {request.path}.")

    async def _next(self, request: Request) -> Reply:
        await request.body()
        if self.open and not self._environment.is_concurrent:
            return refusal(403, "InvalidStateTransition", "The last invocation has no answer yet.")
        for _ in range(2):  # the event loop reads first what the process has written before it asked
            await asyncio.sleep(0)
        poll: asyncio.Future[tuple[Answer, float]] = asyncio.get_running_loop().create_future()
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
        return self._event(*poll.result())

    def _event(self, answer: Answer, deadline: float) -> Reply:
        invocation = answer.invocation
        headers = {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": invocation.id,
            "lambda-runtime-deadline-ms": str(int(deadline * 1000)),
            "lambda-runtime-invoked-function-arn": _ARN + self._name,
            "lambda-runtime-trace-id": invocation.trace_id,
            "lambda-runtime-client-context": invocation.client_context,
            "lambda-runtime-invocation-id": invocation.id,
            "date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        }
        return Reply(200, invocation.event, tuple((name, value) for name, value in headers.items() if value))

    async def _answered(self, request: Request, id: str, kind: str) -> Reply:
        answer = self.open.get(id)
        if answer is None or kind not in ("response", "error"):
            await request.body()
            if id in self.timed_out:
                return refusal(410, "InvokeTimeout", "Invoke timeout")
            return refusal(400, "InvalidRequestID", f"No invocation {id} waits for an answer.")
        try:
            return await (self._error(request, answer) if kind == "error" else self._response(request, answer))
        except Disconnected:
            message = "The runtime closed its connection before its response was whole."
            answer.finish(Failure("Runtime.TruncatedResponse", message))
            raise
        finally:
            self.open.pop(id, None)
            self._environment.answered(answer)

    async def _error(self, request: Request, answer: Answer) -> Reply:
        body = await request.body()
        answer.finish(_failure(request, body))
        return _ACCEPTED

    async def _response(self, request: Request, answer: Answer) -> Reply:
        mode = request.headers.get("lambda-runtime-function-response-mode", "")
        if mode not in ("", _STREAMING):
            return refusal(400, "InvalidFunctionResponseMode", f"Expected {_STREAMING!r} or nothing, but got {mode!r}.")
        answer.start(content_type=request.headers.get("content-type", ""), is_streamed=mode == _STREAMING)
        limit, size = MAX_STREAM if mode else MAX_RESULT, 0
        async for part in request.parts():
            size += len(part)
            if size > limit:
                return await _too_large(request, answer, limit)
            await answer.put(part)
        answer.finish(_broken(request.trailers))
        return _ACCEPTED

    async def _restore(self, request: Request) -> Reply:
        await request.body()
        self._environment.snapshot_reached()
        await self._restored.wait()
        return Reply(200, b"")


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
        document = json.loads(body)
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
