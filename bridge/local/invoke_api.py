"""Lambda's invoke API, as AWS's emulator has it: for boto3, the AWS CLI, LambdaTransport and curl. No signature counts.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bridge.local.answer import Answer
from bridge.local.event_stream import complete, payload_chunk
from bridge.local.invocation import Invocation

__all__ = ["invoke_routes"]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: of an event, in bytes, and how much of a log
# the caller gets, in characters.
MAX_EVENT = 6_291_556
MAX_LOG_TAIL = 4096

# The name of the function in AWS's emulator.
_EMULATED = "function"


class _Refused(Exception):
    """Raised for what the API refuses: a status, the name of an error, and why."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        content = json.dumps({"Type": "User", "Message": message})
        self.response = Response(content, status, {"x-amzn-errortype": name}, "application/json")


def invoke_routes(name: str, submit: Callable[[Invocation], Answer]) -> list[Route]:
    """Return the routes of the API for the function called `name`."""
    api = _InvokeApi(name, submit)
    return [
        Route("/2015-03-31/functions/{name}/invocations", api.invoke, methods=["POST"]),
        Route("/2021-11-15/functions/{name}/response-streaming-invocations", api.stream, methods=["POST"]),
    ]


class _InvokeApi:
    def __init__(self, name: str, submit: Callable[[Invocation], Answer]) -> None:
        self._names = {name, _EMULATED}
        self._submit = submit

    async def invoke(self, request: Request) -> Response:
        """Invoke the function and return its whole result; 202 without one for the invocation type Event."""
        try:
            invocation = await self._invocation(request)
        except _Refused as exc:
            return exc.response
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        if kind == "DryRun":
            return Response(status_code=204)
        answer = self._submit(invocation)
        if kind == "Event":
            answer.leave()
            return Response(status_code=202, headers={"x-amzn-requestid": invocation.id})
        content = await answer.whole()
        headers = {"x-amzn-requestid": invocation.id, "x-amz-executed-version": "$LATEST"}
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["x-amz-log-result"] = _log_tail(invocation)
        if answer.failure is None:
            return Response(content, 200, headers, "application/json")
        if answer.failure.error_type == "TooManyRequestsException":
            return _Refused(429, answer.failure.error_type, answer.failure.message).response
        headers["x-amz-function-error"] = "Unhandled"
        return Response(answer.failure.to_json(), 200, headers, "application/json")

    async def stream(self, request: Request) -> Response:
        """Invoke the function and return its parts as they come."""
        try:
            invocation = await self._invocation(request)
        except _Refused as exc:
            return exc.response
        answer = self._submit(invocation)
        await answer.started()
        headers = {
            "content-type": invocation.content_type or "application/octet-stream",
            "x-amzn-requestid": invocation.id,
            "x-amz-executed-version": "$LATEST",
        }
        has_tail = request.headers.get("x-amz-log-type") == "Tail"
        return StreamingResponse(_messages(answer, has_tail=has_tail), 200, headers)

    async def _invocation(self, request: Request) -> Invocation:
        name = request.path_params["name"]
        if name.rpartition(":function:")[2].partition(":")[0] not in self._names:
            known = ", ".join(sorted(self._names))
            raise _Refused(404, "ResourceNotFoundException", f"Function not found: {name}. Here it is called {known}.")
        return Invocation(
            source="invoke",
            event=await _event(request),
            client_context=_client_context(request.headers.get("x-amz-client-context", "")),
            trace_id=request.headers.get("x-amzn-trace-id", ""),
        )


async def _event(request: Request) -> bytes:
    """Return the event; that of an empty body is {}. Raises _Refused."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_EVENT:
            message = f"The event has more than {MAX_EVENT} bytes."
            raise _Refused(413, "RequestTooLargeException", message)
    try:
        json.loads(content or b"{}")
    except (ValueError, RecursionError) as exc:
        message = f"Could not parse request body into json: {exc}"
        raise _Refused(400, "InvalidRequestContentException", message) from None
    return bytes(content) or b"{}"


def _client_context(value: str) -> str:
    """Return the client context as JSON in ASCII on one line, because it becomes a header. Raises _Refused."""
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
        return json.dumps(json.loads(text)) if text else ""
    except (ValueError, RecursionError):
        message = "Expected the client context to be JSON in base64."
        raise _Refused(400, "InvalidRequestContentException", message) from None


async def _messages(answer: Answer, *, has_tail: bool) -> AsyncIterator[bytes]:
    try:
        async for part in answer.parts():
            yield payload_chunk(part)
        yield complete(answer.failure, _log_tail(answer.invocation) if has_tail else "")
    finally:
        answer.leave()


def _log_tail(invocation: Invocation) -> str:
    text = "\n".join(line.text for line in invocation.logs)
    return base64.b64encode(text[-MAX_LOG_TAIL:].encode()).decode("ascii")
