"""What a service's client gets when Lambda is busy, or takes longer than the service waits.

Measured or reported of REST APIs, HTTP APIs and Function URLs. Not documented of load balancers and VPC Lattice:
assumed to be their error for a function that failed.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.testing.messages import ClientResponse
from bridge.testing.services import ServiceName

__all__ = ["WAIT_LIMITS", "no_route", "too_many", "too_slow"]

_JSON = "application/json"

_TOO_MANY = {
    "function-url": (429, '{"Message":"Rate Exceeded."}'),
    "http-api": (429, '{"message":"Too Many Requests"}'),
    "http-api-v1": (429, '{"message":"Too Many Requests"}'),
    "rest-api": (429, '{"message":"Too Many Requests"}'),
    "edge-viewer": (503, "The Lambda function associated with the CloudFront distribution was throttled."),
    "edge-origin": (503, "The Lambda function associated with the CloudFront distribution was throttled."),
}

_TOO_SLOW = {
    "http-api": (503, '{"message":"Service Unavailable"}'),
    "http-api-v1": (503, '{"message":"Service Unavailable"}'),
    "rest-api": (504, '{"message": "Endpoint request timed out"}'),
    "edge-viewer": (503, "The Lambda function did not answer in time."),
    "edge-origin": (503, "The Lambda function did not answer in time."),
}

# How long a service waits for a response that is not streamed, in seconds. All others wait as long as the function may
# run. https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html and
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-functions-restrictions.html
WAIT_LIMITS: dict[ServiceName, float] = {
    "http-api": 30.0,
    "http-api-v1": 30.0,
    "rest-api": 29.0,
    "edge-viewer": 5.0,
    "edge-origin": 30.0,
}


def no_route(source: ServiceName, reason: str) -> ClientResponse:
    """Return the response to a request that no route of an API has."""
    if source != "rest-api":
        return _response(404, '{"message":"Not Found"}', reason)
    response = _response(403, '{"message":"Missing Authentication Token"}', reason)
    more = ("x-amzn-ErrorType", "MissingAuthenticationTokenException")
    return replace(response, headers=(*response.headers, more))


def too_many(source: ServiceName) -> ClientResponse | None:
    """Return the response when all environments are busy; None if it is that of any failure."""
    found = _TOO_MANY.get(source)
    return _response(*found, "All environments of the function are busy.") if found else None


def too_slow(source: ServiceName) -> ClientResponse | None:
    """Return the response when the service has waited long enough."""
    found = _TOO_SLOW.get(source)
    return _response(*found, f"The service waits {WAIT_LIMITS.get(source, 0):g} s at most.") if found else None


def _response(status: int, text: str, reason: str) -> ClientResponse:
    body = text.encode()
    content_type = _JSON if text.startswith("{") else "text/plain"
    headers = (("content-type", content_type), ("content-length", str(len(body))))
    return ClientResponse(status, headers, body, (reason,))
