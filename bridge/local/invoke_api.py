"""Lambda's invoke API, as AWS's emulator has it: for boto3, the AWS CLI, LambdaTransport and curl. No signature counts.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
Names and texts of errors are those that callers of Lambda have reported.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bridge.local.answer import Answer
from bridge.local.bodies import read_up_to
from bridge.local.event_stream import complete, payload_chunk
from bridge.local.invocation import Invocation
from bridge.local.invoke_errors import InvokeRefused, unless_throttled
from bridge.testing.strict_json import strict_json

__all__ = ["invoke_routes"]

# Of an event by invocation type, in bytes. The first is in the error of Lambda itself, and the second in its quotas:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_EVENT = {"RequestResponse": 6_291_456, "DryRun": 6_291_456, "Event": 1_048_576}

# The same page: how much of a log the caller gets, in bytes.
_MAX_LOG_TAIL = 4096

# The name of the function in AWS's emulator.
_EMULATED = "function"


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
            kind = _kind(request, "Event", "RequestResponse", "DryRun")
            invocation = await self._invocation(request, kind)
            if kind == "DryRun":
                return Response(status_code=204)
            answer = self._submit(invocation)
            if kind == "Event":
                answer.leave()
                return Response(status_code=202, headers={"x-amzn-requestid": invocation.id})
            content = await answer.whole()
            unless_throttled(answer)
        except InvokeRefused as exc:
            return exc.response
        headers = _headers(invocation)
        if _wants_log(request):
            headers["x-amz-log-result"] = _log_tail(invocation)
        if answer.failure is None:
            return Response(content, 200, headers, "application/json")
        headers["x-amz-function-error"] = "Unhandled"
        return Response(answer.failure.to_json(), 200, headers, "application/json")

    async def stream(self, request: Request) -> Response:
        """Invoke the function and return its parts as they come."""
        try:
            kind = _kind(request, "RequestResponse", "DryRun")
            invocation = await self._invocation(request, kind)
            if kind == "DryRun":
                return Response(status_code=204)
            answer = self._submit(invocation)
            await answer.started()
            unless_throttled(answer)
        except InvokeRefused as exc:
            return exc.response
        headers = {"content-type": invocation.content_type or "application/octet-stream", **_headers(invocation)}
        return StreamingResponse(_messages(answer, has_tail=_wants_log(request)), 200, headers)

    async def _invocation(self, request: Request, kind: str) -> Invocation:
        """Raises InvokeRefused."""
        qualifier = self._qualifier(request.path_params["name"], request.query_params.get("Qualifier", ""))
        event = await _event(request, kind)
        context = _client_context(request.headers.get("x-amz-client-context", ""))
        return Invocation(
            source="invoke",
            event=event,
            client_context="" if kind == "Event" else context,  # documented: of synchronous invocations alone
            qualifier=qualifier,
            trace_id=request.headers.get("x-amzn-trace-id", ""),
        )

    def _qualifier(self, name: str, qualifier: str) -> str:
        """Return the version or alias that is named. Raises InvokeRefused for another function.

        A name is NAME, ACCOUNT:function:NAME or an ARN, and each can have a qualifier at its end.
        """
        _, separator, rest = name.partition(":function:")
        own, _, suffix = (rest if separator else name).partition(":")
        if own not in self._names:
            known = ", ".join(sorted(self._names))
            raise InvokeRefused(404, "ResourceNotFoundException", f"Function not found: {name}. Here it is {known}.")
        if suffix and qualifier and suffix != qualifier:
            message = "The derived qualifier from the function name does not match the specified qualifier."
            raise InvokeRefused(400, "InvalidParameterValueException", message)
        return suffix or qualifier


def _kind(request: Request, *accepted: str) -> str:
    """Return the invocation type. Raises InvokeRefused."""
    kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
    if kind not in accepted:
        message = f"Expected one of {', '.join(accepted)} as invocation type, but got {kind!r}."
        raise InvokeRefused(400, "InvalidParameterValueException", message)
    return kind


async def _event(request: Request, kind: str) -> bytes:
    """Return the event; that of an empty body is {}. Raises InvokeRefused."""
    limit = _MAX_EVENT[kind]
    content = await read_up_to(request, limit) or b"{}"
    if len(content) > limit:
        size = request.headers.get("content-length", len(content))
        message = f"{size} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        raise InvokeRefused(413, "RequestEntityTooLargeException", message)
    try:
        strict_json(content)
    except ValueError as exc:
        message = f"Could not parse request body into json: Could not parse payload into json: {exc}"
        raise InvokeRefused(400, "InvalidRequestContentException", message) from None
    return content


def _client_context(value: str) -> str:
    """Return the client context as JSON in ASCII on one line, because it becomes a header. Raises InvokeRefused."""
    if not value:
        return ""
    try:
        document = strict_json(base64.b64decode(value, validate=True))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        message = "Client context must be a valid Base64-encoded JSON object."
        raise InvokeRefused(400, "InvalidRequestContentException", message)
    return json.dumps(document)


async def _messages(answer: Answer, *, has_tail: bool) -> AsyncIterator[bytes]:
    try:
        async for part in answer.parts():
            yield payload_chunk(part)
        yield complete(answer.failure, _log_tail(answer.invocation) if has_tail else "")
    finally:
        answer.leave()


def _headers(invocation: Invocation) -> dict[str, str]:
    return {"x-amzn-requestid": invocation.id, "x-amz-executed-version": "$LATEST"}


def _wants_log(request: Request) -> bool:
    return request.headers.get("x-amz-log-type") == "Tail"


def _log_tail(invocation: Invocation) -> str:
    text = "".join(f"{line.text}\n" for line in invocation.logs)
    return base64.b64encode(text.encode("utf-8", "replace")[-_MAX_LOG_TAIL:]).decode("ascii")
