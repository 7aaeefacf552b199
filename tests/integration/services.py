"""Every AWS service that invokes a function with an HTTP request, in each configuration that changes what it sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.testing.messages import ClientRequest, ClientResponse, Headers
from bridge.testing.services import ServiceName, service_of
from bridge.testing.setup import Setup

__all__ = ["SERVICES", "Service"]

_SETUP = Setup(
    request_id="0f6b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d",
    trace_id="Root=1-67891233-abcdef012345678912345678",
    time=1735725600.0,
)

# What the services add to responses about themselves.
_OWN = {
    ("apigw-requestid", _SETUP.extended_id),
    ("x-amz-apigw-id", _SETUP.extended_id),
    ("x-amzn-requestid", _SETUP.request_id),
    ("x-amzn-trace-id", _SETUP.trace_id),
    ("date", "Wed, 01 Jan 2025 10:00:00 GMT"),
    ("server", "awselb/2.0"),
    ("via", "1.1 abcdef0123456789.cloudfront.net (CloudFront)"),
    ("x-cache", "LambdaGeneratedResponse from cloudfront"),
}


@dataclass(frozen=True)
class Service:
    """`source`: its name in bridge.testing. `group`: its column in docs/fidelity.md.

    `stage`: the first segment of the client's path, which the service tells the function in a place of its own.
    """

    id: str
    source: ServiceName
    group: str
    title: str
    stage: str = ""
    _setup: Setup = field(default=_SETUP, repr=False)

    def event(self, request: ClientRequest) -> dict[str, Any]:
        """Return the event that a function gets. Raises Refused."""
        return service_of(self.source).event_for(request, self._setup)

    def added(self, request: ClientRequest) -> Headers:
        """Return the headers that the service adds to a client's request."""
        return service_of(self.source).added(request, self._setup)

    def response(self, result: object, request: ClientRequest) -> ClientResponse:
        """Return the client's response, without the service's own headers."""
        return _without_own(service_of(self.source).response(json.loads(json.dumps(result)), request, self._setup))

    def streamed(self, prelude: Mapping[str, Any], body: bytes, request: ClientRequest) -> ClientResponse:
        """Return the client's response to a stream that has ended, with the length that its body turned out to have."""
        head = service_of(self.source).head
        assert head is not None, f"{self.title} does not stream"
        response = _without_own(head(prelude, request, replace(self._setup, is_streamed=True)))
        return replace(response, headers=(*response.headers, ("content-length", str(len(body)))), body=body)


def _without_own(response: ClientResponse) -> ClientResponse:
    headers = tuple((name.lower(), value) for name, value in response.headers)
    return replace(response, headers=tuple(pair for pair in headers if pair not in _OWN))


def _api(name: str, source: ServiceName, title: str) -> tuple[Service, Service]:
    """An API with a custom domain, and one with a named stage in the client's URL."""
    own, staged = replace(_SETUP, domain="api.example.com"), replace(_SETUP, stage="prod")
    return (
        Service(name, source, title, title, _setup=own),
        Service(f"{name}-stage", source, title, f"{title} with a named stage", "/prod", _setup=staged),
    )


SERVICES = (
    *_api("rest", "rest-api", "REST API"),
    *_api("http1", "http-api-v1", "HTTP API 1.0"),
    *_api("http2", "http-api", "HTTP API 2.0"),
    Service("url", "function-url", "Function URL", "Function URL"),
    Service("alb", "alb", "ALB", "ALB"),
    Service("alb-multi", "alb-multi", "ALB multi", "ALB with multi-value headers"),
    Service("edge-viewer", "edge-viewer", "Lambda@Edge", "Lambda@Edge viewer request"),
    Service("edge-origin", "edge-origin", "Lambda@Edge", "Lambda@Edge origin request"),
    Service("lattice1", "lattice-v1", "Lattice v1", "VPC Lattice v1"),
    Service("lattice2", "lattice-v2", "Lattice v2", "VPC Lattice v2"),
)
