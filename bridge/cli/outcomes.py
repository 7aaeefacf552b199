"""The outcome of one invocation: the response that the client would see, a result that is not one, or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.errors import BridgeError
from bridge.settings import Settings
from bridge.sources import DEFAULT_SOURCES, find_source
from bridge.sources._decode import decode_event
from bridge.testing.call import as_json
from bridge.testing.messages import ClientRequest, ClientResponse, values_of
from bridge.testing.services import ServiceName, service_of
from bridge.testing.setup import Setup

__all__ = ["Outcome", "outcome_of", "service_name"]

# The services by the names of the sources of this package. Two sources serve two services each.
_SERVICES: dict[str, ServiceName] = {
    "alb": "alb",
    "function-url": "function-url",
    "http-api-v1": "http-api-v1",
    "http-api-v2": "http-api",
    "lambda-edge": "edge-viewer",
    "rest-api": "rest-api",
    "vpc-lattice-v1": "lattice-v1",
    "vpc-lattice-v2": "lattice-v2",
}


@dataclass(frozen=True)
class Outcome:
    """One invocation. `response`: None for an event that is not an HTTP request, whose `result` counts.

    `error`: what the function raised. `seconds`: how long it took.
    """

    name: str
    source: str
    request_line: str
    response: ClientResponse | None
    result: Any
    error: Exception | SystemExit | None
    seconds: float

    @property
    def has_failed(self) -> bool:
        return self.error is not None or (self.response is not None and self.response.status >= 500)


def service_name(event: Any) -> ServiceName | None:
    """Return the service that sent `event`, by its shape; None for an event that is not an HTTP request."""
    source = find_source(event, DEFAULT_SOURCES) if isinstance(event, dict) else None
    if source is None or source.name not in _SERVICES:
        return None
    name = _SERVICES[source.name]
    if name == "alb" and event.get("multiValueHeaders") is not None:
        return "alb-multi"
    if name == "edge-viewer" and _edge_event_type(event) == "origin-request":
        return "edge-origin"
    return name


def _edge_event_type(event: Any) -> object:
    config = event["Records"][0]["cf"].get("config")
    return config.get("eventType") if isinstance(config, dict) else None


def outcome_of(
    name: str, event: Any, source: ServiceName | None, result: Any, error: Exception | SystemExit | None, seconds: float
) -> Outcome:
    """Return the outcome of an invocation that returned `result` or raised `error`."""
    service = source or service_name(event)
    if error is not None:
        return Outcome(name, service or "event", "", None, result, error, seconds)
    try:
        plain = as_json(result)
    except (TypeError, ValueError, RecursionError) as exc:
        return Outcome(name, service or "event", _line(_request_of(event)) if service else "", None, None, exc, seconds)
    if service is None:
        return Outcome(name, "event", "", None, plain, None, seconds)
    request = _request_of(event)
    setup = Setup(trace_id="".join(values_of(request.headers, "x-amzn-trace-id")[:1]))
    response = service_of(service).response(plain, request, setup)
    return Outcome(name, service, _line(request), response, result, None, seconds)


def _request_of(event: Any) -> ClientRequest:
    """Return what the response depends on: method, target and headers. A broken event counts as GET /."""
    try:
        source = find_source(event, DEFAULT_SOURCES)
        assert source is not None
        # A path that is closed to clients is a request too.
        request = decode_event(source, event, Settings(open_pass_through_path=True, open_websocket_path=True))
    except (AssertionError, BridgeError):
        return ClientRequest(method="GET", target="/", headers=())
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return ClientRequest(method=request.method, target=request.extensions["target"].decode("ascii"), headers=headers)


def _line(request: ClientRequest) -> str:
    return f"{request.method} {request.target}"
