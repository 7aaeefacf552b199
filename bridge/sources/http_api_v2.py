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
from bridge.sources._path import place_in_stage
from bridge.sources._payload_v2 import encode

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name"]

name = "http-api-v2"


def matches(event: Event) -> bool:
    """Return whether the event has payload 2.0. Function URLs come first; only HTTP APIs can have a custom domain."""
    return _payload_v2.is_payload_v2(event)


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as the client sent it, with the stage in `root_path`."""
    path, root_path = place_in_stage(path_field(event, "rawPath"), event["requestContext"], settings)
    return _payload_v2.request(event, path=path, raw_path=None, root_path=root_path)
