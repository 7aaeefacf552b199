"""API Gateway HTTP APIs with payload format 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

Like a REST API's event with `version: "1.0"`, but with the stage in its path. It is not documented whether that path
arrives decoded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources import _payload_v1
from bridge.sources._event_fields import object_field, path_field
from bridge.sources._path import place_in_stage, unquoted
from bridge.sources._payload_v1 import encode

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name"]

name = "http-api-v1"

# A path that an HTTP client can have sent; any other path was decoded on the way. A decoded path that looks encoded is
# read as encoded: reports disagree on what AWS does.
_ENCODED_PATH = r"(?:[\x21\x22\x24\x26-\x3e\x40-\x7e]|%[0-9A-Fa-f]{2})*"


def matches(event: Event) -> bool:
    """Return whether the event has payload 1.0 and says so: REST APIs leave `version` out."""
    return event.get("version") is not None and _payload_v1.is_payload_v1(event)


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as the client sent it, with the stage in `root_path`."""
    path, root_path = place_in_stage(path_field(event, "path"), object_field(event, "requestContext"), settings)
    if not re.fullmatch(_ENCODED_PATH, path):
        return _payload_v1.request(event, path=path, raw_path=None, root_path=root_path)
    return _payload_v1.request(event, path=unquoted(path), raw_path=path, root_path=unquoted(root_path))
