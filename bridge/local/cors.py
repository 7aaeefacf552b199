"""What a service does itself for requests from other origins, as a template sets it up.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html: an HTTP API answers preflights, and
its headers take the place of the function's.
https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors: a Function URL answers preflights, and
adds its headers to the function's.
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-api-corsconfiguration.html:
SAM gives a REST API a method OPTIONS on each path, and nothing else.
The status of a preflight is not documented of the first two: assumed to be 204 and 200.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridge.local.settings import Cors
from bridge.testing.messages import ClientRequest, ClientResponse, values_of
from bridge.testing.services import ServiceName

__all__ = ["applied", "preflight"]

_PREFIX = "access-control-"


def preflight(source: ServiceName, cors: Cors | None, request: ClientRequest) -> ClientResponse | None:
    """Return the service's own answer to a preflight; None for every other request, and without settings."""
    is_rest = source == "rest-api"
    is_preflight = "origin" in _names(request) and _PREFIX + "request-method" in _names(request)
    if cors is None or request.method != "OPTIONS" or not (is_rest or is_preflight):
        return None
    origin = "".join(cors.allow_origins[:1]) if is_rest else _allowed(cors, request)
    lists = {"allow-methods": cors.allow_methods, "allow-headers": cors.allow_headers}
    headers = [(_PREFIX + name, ",".join(values)) for name, values in lists.items() if values]
    if cors.max_age is not None:
        headers.append((_PREFIX + "max-age", str(cors.max_age)))
    found = (*_of_origin(cors, origin), *headers) if origin else ()
    content = (("content-type", "application/json"),) if is_rest else ()
    status = 204 if source.startswith("http-api") else 200
    return ClientResponse(status, (*content, *found, ("content-length", "0")) if status == 200 else found)


def applied(source: ServiceName, cors: Cors | None, request: ClientRequest, response: ClientResponse) -> ClientResponse:
    """Return a response with the service's headers; as it is without settings."""
    if cors is None or source == "rest-api":
        return response
    kept: Iterable[tuple[str, str]] = response.headers
    if source.startswith("http-api"):
        kept = [pair for pair in kept if not pair[0].lower().startswith(_PREFIX)]
    origin = _allowed(cors, request)
    exposed = [(_PREFIX + "expose-headers", ",".join(cors.expose_headers))] if cors.expose_headers else []
    return replace(response, headers=(*kept, *_of_origin(cors, origin), *exposed) if origin else tuple(kept))


def _names(request: ClientRequest) -> set[str]:
    return {name.lower() for name, _ in request.headers}


def _allowed(cors: Cors, request: ClientRequest) -> str:
    """Return the value of access-control-allow-origin; "" for a request without an origin that is allowed."""
    origin = "".join(values_of(request.headers, "origin")[:1])
    if not origin:
        return ""
    if "*" in cors.allow_origins:
        return origin if cors.allow_credentials else "*"
    schemes = [each.removesuffix("*") for each in cors.allow_origins if each in ("http://*", "https://*")]
    return origin if origin in cors.allow_origins or origin.startswith(tuple(schemes)) else ""


def _of_origin(cors: Cors, origin: str) -> list[tuple[str, str]]:
    credentials = [(_PREFIX + "allow-credentials", "true")] if cors.allow_credentials else []
    vary = [("vary", "origin")] if origin != "*" else []
    return [(_PREFIX + "allow-origin", origin), *credentials, *vary]
