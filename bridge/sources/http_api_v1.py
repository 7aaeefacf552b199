"""API Gateway HTTP APIs with payload format 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

Like a REST API's event with `version: "1.0"`, but `path` is the client's whole path: with the stage under the API's own
domain, with the API mapping under a custom domain. It is percent-encoded, and the path parameters are decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources import _payload_v1
from bridge.sources._event_fields import path_field
from bridge.sources._path import has_prefix, place, unquoted
from bridge.sources._payload_v1 import encode
from bridge.sources._prefix import before_route, has_custom_domain, stage_prefix

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name"]

name = "http-api-v1"


def matches(event: Event) -> bool:
    """Return whether the event has payload 1.0 and says so: REST APIs leave `version` out."""
    return event.get("version") is not None and _payload_v1.is_payload_v1(event)


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as the client sent it, with the stage or the API mapping in `root_path`."""
    path = path_field(event, "path")
    path, root_path = place(path, settings, inside=_prefix(event, path))
    return _payload_v1.request(event, path=unquoted(path), raw_path=path, root_path=unquoted(root_path))


def _prefix(event: Event, path: str) -> str:
    stage = stage_prefix(event)
    if stage and not has_custom_domain(event) and has_prefix(path, stage):
        return stage
    return before_route(path, event.get("resource"), event) or ""
