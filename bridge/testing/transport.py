"""LambdaTransport: an httpx transport that calls a Lambda handler as an AWS service does."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bridge._httpx import httpx
from bridge.errors import RunningLoopError
from bridge.testing.call import Call
from bridge.testing.context import LambdaContext
from bridge.testing.failures import Failures
from bridge.testing.functions import function_of
from bridge.testing.interface import StreamingFunction
from bridge.testing.messages import ClientRequest
from bridge.testing.services import Service, ServiceName, service_of
from bridge.testing.setup import Setup, new_trace_id

__all__ = ["LambdaTransport"]

# What stages and base paths are made of: other characters would be encoded in a path, and never match it.
_SEGMENT = re.compile(r"[A-Za-z0-9$._+!*'()~-]*")

# RFC 9110, 5.6.2 and 5.5; RFC 9112, 3.2. A client's HTTP library sends nothing else.
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\r\n\0]*")
_TARGET = re.compile(rb"[!-~]+")


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
    the service's own error. The function's SystemExit counts as such an exception.

    `response.extensions["bridge.reason"]` says why a service refused something, and what it changed. Raises ValueError
    for an option that the service does not have. A request raises httpx.LocalProtocolError if HTTP cannot carry it,
    and RunningLoopError if a sync client sends it to a handler inside a running event loop.
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
        if isinstance(binary_media_types, str):
            raise ValueError(f"Expected a list of binary_media_types, but got {binary_media_types!r}.")
        if authorizer is not None and not isinstance(authorizer, Mapping):
            raise ValueError(f"Expected a mapping as authorizer, but got {authorizer!r}.")
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
        self._streaming = self._function if stream and isinstance(self._function, StreamingFunction) else None
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
                if self._streaming is not None:
                    return self._streamed(self._streaming, call, failures)
                result = self._function.call(call.event, self._new_context())
        except (Exception, SystemExit) as exc:
            if self._is_raised or isinstance(exc, RunningLoopError):
                raise
            return call.failed(exc)
        return failures.settle(call.finished(result))

    def _streamed(self, function: StreamingFunction, call: Call, failures: Failures) -> httpx.Response:
        from bridge.testing.streams import streamed

        stream = function.open(call.event, self._new_context())
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
                if self._streaming is not None:
                    return await self._streamed_async(self._streaming, call, failures)
                result = await self._function.call_async(call.event, self._new_context())
        except (Exception, SystemExit) as exc:
            if self._is_raised or isinstance(exc, RunningLoopError):
                raise
            return call.failed(exc)
        return failures.settle(call.finished(result))

    async def _streamed_async(self, function: StreamingFunction, call: Call, failures: Failures) -> httpx.Response:
        from bridge.testing.streams import streamed_async

        stream = await function.open_async(call.event, self._new_context())
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
        """Shut the application down. The transport can be used again afterwards.

        Raises RunningLoopError for a handler inside a running event loop.
        """
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
    if not _SEGMENT.fullmatch(segment):
        raise ValueError(f"Expected one segment of a path as {name}, such as 'prod', but got {value!r}.")
    return segment


def _client_request(request: httpx.Request, body: bytes, client: tuple[str, int]) -> ClientRequest:
    """Return the request as it would be on the wire. The extension `target` counts, as it does in httpcore."""
    target = request.extensions.get("target", request.url.raw_path)
    _check_wire(request, target)
    return ClientRequest(
        method=request.method,
        target=target.decode("ascii"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw),
        body=body,
        scheme=request.url.scheme,
        client=client,
        server_port=request.url.port,
    )


def _check_wire(request: httpx.Request, target: bytes) -> None:
    """Raise httpx.LocalProtocolError for what no HTTP library sends."""
    parts = [("method", _TOKEN, request.method.encode("utf-8")), ("request-target", _TARGET, target)]
    for name, value in request.headers.raw:
        parts += [("header name", _TOKEN, name), ("header value", _VALUE, value)]
    for kind, form, value in parts:
        if not form.fullmatch(value):
            raise httpx.LocalProtocolError(f"The {kind} {value!r} cannot be sent in HTTP.", request=request)


def _identifiers() -> dict[str, Any]:
    """Return what differs in each request: its identifiers, and the time."""
    now = time.time()
    return {"request_id": str(uuid.uuid4()), "trace_id": new_trace_id(now), "time": now}
