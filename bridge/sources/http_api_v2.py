"""API Gateway HTTP APIs with payload format 2.0, their default.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

`rawPath` is decoded despite its name (a client's `/a%2Fb` arrives as `/a/b`:
fastify/aws-lambda-fastify#169), so the target here is one of the spellings that the client may have used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources import _payload_v2
from bridge.sources._event_fields import path_field
from bridge.sources._path import has_prefix, place, strip_prefix
from bridge.sources._payload_v2 import encode
from bridge.sources._prefix import before_route, has_custom_domain, stage_prefix

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name"]

name = "http-api-v2"


def matches(event: Event) -> bool:
    """Return whether the event has payload 2.0. Function URLs come first; only HTTP APIs can have a custom domain."""
    return _payload_v2.is_payload_v2(event)


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as the client sent it, with the stage in `root_path`."""
    path, root_path = _place(path_field(event, "rawPath"), event, settings)
    return _payload_v2.request(event, path=path, raw_path=None, root_path=root_path)


def _place(path: str, event: Event, settings: Settings) -> tuple[str, str]:
    """Return what `place` returns, for a path that begins with the stage if that has a name.

    Under the API's own domain the client asked for the stage. With a custom domain it did not: the domain maps to the
    stage, but the event's path contains it all the same (CodeGenieApp/serverless-express#465). Where the route tells
    that the path has nothing before it, the first segment is the client's own, even if it is called like the stage.
    """
    stage = stage_prefix(event)
    if not stage or not has_prefix(path, stage):
        return place(path, settings)
    if not has_custom_domain(event):
        return place(path, settings, inside=stage)
    has_base_path = settings.base_path and has_prefix(path, settings.base_path)
    if has_base_path or before_route(path, _template(event), event) == "":
        return place(path, settings)
    return place(strip_prefix(path, stage), settings)


def _template(event: Event) -> str:
    """Return "/orders/{id}" of the route key "GET /orders/{id}"; "$default" is not a template."""
    route = event.get("routeKey")
    return route.rpartition(" ")[2] if isinstance(route, str) else ""
