"""A client's request on its way through a service: its event, the invocation, and the response."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from bridge.local.answer import Answer
from bridge.local.invocation import Invocation
from bridge.local.routes import matches
from bridge.local.service_errors import WAIT_LIMITS, too_many, too_slow
from bridge.local.settings import SourceSettings
from bridge.testing.call import parsed
from bridge.testing.messages import ClientRequest, ClientResponse, Refused
from bridge.testing.services import Service, service_of
from bridge.testing.setup import Setup

__all__ = ["Front", "Sent"]

# https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html: the content type of a stream with a
# prelude, what ends that, and how long it may be, in bytes.
_WITH_PRELUDE = "application/vnd.awslambda.http-integration-response"
_DELIMITER = bytes(8)
_MAX_PRELUDE = 16 << 10

Submit = Callable[[Invocation], Answer]


@dataclass(frozen=True)
class Sent:
    """`response`: with its body, or the head of a stream, whose body is `parts`. `invocation`: None if refused."""

    response: ClientResponse
    parts: AsyncGenerator[bytes, None] | None = None
    invocation: Invocation | None = None


class Front:
    """One service in front of the function. `submit`: invokes that."""

    def __init__(self, source: SourceSettings, submit: Submit) -> None:
        self.source = source
        self._submit = submit
        self._service: Service = service_of(source.name)

    async def send(self, request: ClientRequest, *, replay_of: str | None = None) -> Sent:
        """Return the response of the service, whatever becomes of the request."""
        setup = self._setup()
        try:
            self._check_route(request, setup)
            event = self._service.event_for(request, setup)
        except Refused as exc:
            return Sent(exc.response)
        invocation = Invocation(
            source=self.source.name,
            event=json.dumps(event).encode(),
            request=request,
            replay_of=replay_of,
            trace_id=setup.trace_id,
        )
        answer = self._submit(invocation)
        try:
            sent = await self._answered(answer, request, setup)
        except BaseException:
            answer.leave()  # the client has left, or the service waits no longer
            raise
        invocation.response = sent.response
        answer.changed()
        return sent

    def _setup(self) -> Setup:
        now = time.time()
        stage = self.source.stage if "stage" in self._service.options else ""
        trace_id = f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}"
        return Setup(stage=stage, is_streamed=self.source.is_streamed, trace_id=trace_id, time=now)

    def _check_route(self, request: ClientRequest, setup: Setup) -> None:
        """Raises Refused for a request that no route of the API has."""
        routes = self.source.routes
        path = setup.without_prefix(request.path)
        if routes is not None and path is not None and not matches(routes, request.method, path):
            is_rest = self.source.name == "rest-api"
            status, message = (403, "Missing Authentication Token") if is_rest else (404, "Not Found")
            body = json.dumps({"message": message}, separators=(",", ":")).encode()
            headers = (("content-type", "application/json"), ("content-length", str(len(body))))
            reason = f"The API has no route for {request.method} {path}."
            raise Refused(ClientResponse(status, headers, body, (reason,)))

    async def _answered(self, answer: Answer, request: ClientRequest, setup: Setup) -> Sent:
        await answer.started()
        is_stream = answer.invocation.content_type.startswith(_WITH_PRELUDE) and answer.invocation.is_streamed
        if setup.is_streamed and is_stream:
            return await self._streamed(answer, request, setup)
        limit = None if setup.is_streamed else WAIT_LIMITS.get(self.source.name)
        try:
            async with asyncio.timeout(limit):
                content = await answer.whole()
        except TimeoutError:
            answer.leave()
            response = too_slow(self.source.name)
            assert response is not None  # a service with a limit has a response
            return Sent(response, invocation=answer.invocation)
        return Sent(self._response(answer, content, request, setup), invocation=answer.invocation)

    def _response(self, answer: Answer, content: bytes, request: ClientRequest, setup: Setup) -> ClientResponse:
        failure = answer.failure
        if failure is None:
            return self._service.response(parsed(content), request, setup)
        throttled = too_many(self.source.name) if failure.error_type == "TooManyRequestsException" else None
        return throttled or self._service.failure(f"{failure.error_type}: {failure.message}", setup)

    async def _streamed(self, answer: Answer, request: ClientRequest, setup: Setup) -> Sent:
        head, parts = b"", answer.parts()
        while _DELIMITER not in head and len(head) <= _MAX_PRELUDE and (part := await anext(parts, None)) is not None:
            head += part
        text, delimiter, rest = head.partition(_DELIMITER)
        if not delimiter or len(text) > _MAX_PRELUDE:
            answer.leave()
            what = answer.failure.message if answer.failure else "The stream has no prelude."
            return Sent(self._service.failure(what, setup), invocation=answer.invocation)
        prelude = parsed(text)
        assert self._service.head is not None  # checked with the options
        if not isinstance(prelude, dict):
            answer.leave()
            return Sent(self._service.failure("The prelude is not an object.", setup), invocation=answer.invocation)
        response = self._service.head(prelude, request, setup)
        if response.body or response.status in (204, 304) or request.method == "HEAD":
            answer.leave()
            return Sent(response, invocation=answer.invocation)
        return Sent(response, _rest(rest, parts, answer), answer.invocation)


async def _rest(first: bytes, parts: AsyncGenerator[bytes, None], answer: Answer) -> AsyncGenerator[bytes, None]:
    try:
        if first:
            yield first
        async for part in parts:
            yield part
    finally:
        answer.leave()
