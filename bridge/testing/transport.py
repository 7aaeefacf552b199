"""LambdaTransport: an httpx transport that calls a Lambda handler as an AWS service does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bridge._httpx import httpx
from bridge.testing.call import Call
from bridge.testing.context import LambdaContext
from bridge.testing.failures import Failures
from bridge.testing.functions import function_of
from bridge.testing.messages import ClientRequest
from bridge.testing.services import Service, ServiceName, service_of
from bridge.testing.setup import Setup

__all__ = ["LambdaTransport"]


class LambdaTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Call `handler` with the event that a service makes of each request, and return the response that it makes.

        with httpx.Client(transport=LambdaTransport(handler, "rest-api", stage="prod"), base_url="https://x/prod") as c:
            c.get("/users")

    `handler`: a Bridge, a Proxy, any function `(event, context)`, sync or async, or the URL of an endpoint of Lambda's
    invoke API. `source`: the service. `stage`: the stage of an API, which begins the client's path. `domain`: a custom
    domain in its place, with `base_path_mapping` ("shop") as the first segment. `authorizer`: the value of
    `requestContext.authorizer`. `client`: the address and port of the client. `binary_media_types`: those of a REST
    API. `stream`: whether the service streams, and the response is read as it comes. `context`: the Lambda context, or
    a function that returns one for each call. `raise_exceptions`: raise what the handler raises, rather than return
    the service's own error.

    `response.extensions["bridge.reason"]` says why a service refused something, and what it changed. Raises ValueError
    for an option that the service does not have.
    """

    def __init__(
        self,
        handler: object,
        source: ServiceName = "function-url",
        *,
        stage: str | None = None,
        domain: str | None = None,
        base_path_mapping: str | None = None,
        authorizer: Mapping[str, Any] | None = None,
        client: tuple[str, int] = ("203.0.113.7", 50000),
        binary_media_types: Iterable[str] = ("*/*",),
        stream: bool = False,
        context: object = None,
        raise_exceptions: bool = False,
    ) -> None:
        self._service = service_of(source)
        binary = tuple(binary_media_types)
        given = {
            "authorizer": authorizer is not None,
            "base_path_mapping": base_path_mapping is not None,
            "binary_media_types": binary != ("*/*",),
            "domain": domain is not None,
            "stage": stage is not None,
            "stream": stream,
        }
        _check_options(source, self._service, [name for name, is_given in given.items() if is_given])
        mapping = _segment("base_path_mapping", base_path_mapping)
        self._setup = Setup(
            stage=_segment("stage", stage),
            domain=domain or "",
            base_path=f"/{mapping}" if mapping else "",
            authorizer=authorizer,
            binary_media_types=binary,
            is_streamed=stream,
        )
        self._function = function_of(handler)
        self._is_streamed = stream and self._function.streams
        self._client = client
        self._context = context
        self._is_raised = raise_exceptions

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response. Raises what the handler raises, if it was told to."""
        call = self._call(request, request.read())
        if call.refused is not None:
            return call.refused
        failures = Failures(is_raised=self._is_raised)
        try:
            with failures.noting():
                if self._is_streamed:
                    return self._streamed(call, failures)
                result = self._function.call(call.event, self._new_context())
        except Exception as exc:
            if self._is_raised:
                raise
            return call.failed(exc)
        return failures.settle(call.finished(result))

    def _streamed(self, call: Call, failures: Failures) -> httpx.Response:
        from bridge.testing.streams import streamed

        stream = self._function.open(call.event, self._new_context())
        try:
            return failures.settle(streamed(stream, call, failures))
        except BaseException:
            stream.close()
            raise

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response. Raises what the handler raises, if it was told to."""
        call = self._call(request, await request.aread())
        if call.refused is not None:
            return call.refused
        failures = Failures(is_raised=self._is_raised)
        try:
            with failures.noting():
                if self._is_streamed:
                    return await self._streamed_async(call, failures)
                result = await self._function.call_async(call.event, self._new_context())
        except Exception as exc:
            if self._is_raised:
                raise
            return call.failed(exc)
        return failures.settle(call.finished(result))

    async def _streamed_async(self, call: Call, failures: Failures) -> httpx.Response:
        from bridge.testing.streams import streamed_async

        stream = await self._function.open_async(call.event, self._new_context())
        try:
            return failures.settle(await streamed_async(stream, call, failures))
        except BaseException:
            await stream.aclose()
            raise

    def _call(self, request: httpx.Request, body: bytes) -> Call:
        return Call(self._service, _client_request(request, body, self._client), replace(self._setup, **_identifiers()))

    def _new_context(self) -> object:
        if self._context is None:
            return LambdaContext()
        return self._context() if callable(self._context) else self._context

    def close(self) -> None:
        """Shut the application down. The transport can be used again afterwards."""
        self._function.close()

    async def aclose(self) -> None:
        """Shut the application down, in async code."""
        await self._function.close_async()


def _check_options(source: str, service: Service, given: list[str]) -> None:
    for name in given:
        if name not in service.options:
            raise ValueError(
                f"The source {source!r} has no {name}. It has: {', '.join(sorted(service.options)) or 'none'}."
            )
    if "base_path_mapping" in given and "domain" not in given:
        raise ValueError("A base_path_mapping is part of a custom domain: give its domain, too.")
    if "stage" in given and "domain" in given:
        raise ValueError("The URL of a custom domain has no stage: give either stage or domain.")


def _segment(name: str, value: str | None) -> str:
    """Return one segment of a path, without slashes. Raises ValueError."""
    segment = (value or "").strip("/")
    if "/" in segment or any(char in segment for char in "?#%") or not segment.isprintable():
        raise ValueError(f"Expected one segment of a path as {name}, such as 'prod', but got {value!r}.")
    return segment


def _client_request(request: httpx.Request, body: bytes, client: tuple[str, int]) -> ClientRequest:
    """Return the request as it would be on the wire. The extension `target` counts, as it does in httpcore."""
    target = request.extensions.get("target", request.url.raw_path)
    return ClientRequest(
        method=request.method,
        target=target.decode("ascii"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw),
        body=body,
        scheme=request.url.scheme,
        client=client,
        server_port=request.url.port,
    )


def _identifiers() -> dict[str, Any]:
    """Return what differs in each request: its identifiers, and the time."""
    now = time.time()
    trace_id = f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}"
    return {"request_id": str(uuid.uuid4()), "trace_id": trace_id, "time": now}
