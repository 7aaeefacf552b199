"""A client's request on its way through a service: its event, the invocation, and the response."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace

from bridge.local.answer import Answer
from bridge.local.cors import applied, preflight
from bridge.local.invocation import Invocation
from bridge.local.routes import find_route
from bridge.local.service_errors import WAIT_LIMITS, no_route, too_many, too_slow
from bridge.local.settings import SourceSettings
from bridge.testing.call import parsed
from bridge.testing.messages import ClientRequest, ClientResponse, Refused
from bridge.testing.services import Service, service_of
from bridge.testing.setup import MatchedRoute, Setup, new_trace_id

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
        own = preflight(self.source.name, self.source.cors, request)
        if own is not None:
            return Sent(own)
        setup = self._setup()
        try:
            setup = replace(setup, route=self._route(request, setup))
            event = self._service.event_for(request, setup)
        except Refused as exc:
            return Sent(applied(self.source.name, self.source.cors, request, exc.response))
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
        invocation.response = applied(self.source.name, self.source.cors, request, sent.response)
        answer.changed()
        return replace(sent, response=invocation.response)

    def moved(self, request: ClientRequest, before: Front) -> ClientRequest:
        """Return a request to the service of `before` as a client sends it here: with the stage of this service."""
        path = before._setup().without_prefix(request.path)
        if path is None:  # it was refused there
            return request
        return replace(request, target=self._setup().prefix + path + request.target.removeprefix(request.path))

    def _setup(self) -> Setup:
        now = time.time()
        stage = self.source.stage if "stage" in self._service.options else ""
        return Setup(
            stage=stage,
            binary_media_types=self.source.binary_media_types,
            is_streamed=self.source.is_streamed,
            trace_id=new_trace_id(now),
            time=now,
        )

    def _route(self, request: ClientRequest, setup: Setup) -> MatchedRoute | None:
        """Return the API's route for a request; None if it has none of its own. Raises Refused for one without."""
        routes, path = self.source.routes, setup.without_prefix(request.path)
        if routes is None or path is None:  # the service refuses the path of another deployment
            return None
        is_rest, method = self.source.name == "rest-api", self._service.method_of(request)
        route = find_route(routes, method, "/" + path.lstrip("/") if is_rest else path, is_rest=is_rest)
        if route is None:
            raise Refused(no_route(self.source.name, f"The API has no route for {method} {path}."))
        return route

    async def _answered(self, answer: Answer, request: ClientRequest, setup: Setup) -> Sent:
        await answer.started()
        is_stream = answer.invocation.content_type.startswith(_WITH_PRELUDE) and answer.invocation.is_streamed
        if setup.is_streamed and is_stream:
            return await self._streamed(answer, request, setup)
        limit = None if setup.is_streamed else WAIT_LIMITS.get(self.source.name)
        try:
            content = await answer.whole_within(limit)
        except TimeoutError:
            response = too_slow(self.source.name)
            assert response is not None  # a service with a limit has a response
            return Sent(response, invocation=answer.invocation)
        return Sent(self._response(answer, content, request, setup), invocation=answer.invocation)

    def _response(self, answer: Answer, content: bytes, request: ClientRequest, setup: Setup) -> ClientResponse:
        failure = answer.failure
        if failure is None:
            return self._service.response(parsed(content), request, setup)
        throttled = too_many(self.source.name) if failure.is_throttled else None
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
