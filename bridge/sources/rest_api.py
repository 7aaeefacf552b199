"""API Gateway REST APIs (payload 1.0).

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

The client's path is in `requestContext.path`; `path` is the same without the stage, or the whole path under a
custom domain. Both are still percent-encoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources import _payload_v1
from bridge.sources._event_fields import object_field, path_field, well_formed
from bridge.sources._path import place, unquoted
from bridge.sources._payload_v1 import encode
from bridge.sources._prefix import before_route, is_prefix

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name", "streams"]

name = "rest-api"
streams = True


def matches(event: Event) -> bool:
    """Return whether the event has payload 1.0, whose version REST APIs leave out."""
    return _payload_v1.is_payload_v1(event)


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as the client sent it, with the stage or the base path mapping in `root_path`."""
    outside, inside, path = _prefixes(event, path_field(event, "path"))
    path, root_path = place(path, settings, inside=inside, outside=outside)
    return _payload_v1.request(event, path=unquoted(path), raw_path=path, root_path=unquoted(root_path))


def _prefixes(event: Event, path: str) -> tuple[str, str, str]:
    """Return the prefix of the client's path before `path`, that of `path` before the resource, and `path` as sent."""
    full = object_field(event, "requestContext").get("path")
    if not isinstance(full, str) or not full.startswith("/"):
        return "", "", path
    full = well_formed(full)
    if full.endswith("/") and not path.endswith("/"):
        path += "/"  # In older events only `path` has lost the slash.
    if full == path:
        return "", before_route(path, event.get("resource"), event) or "", path
    if path != "/" and not full.endswith(path):
        return "", "", path
    # "/prod" asks for the root of the stage, "/". Of several slashes after the stage, `path` keeps the last one alone.
    stage = full.removesuffix(path).rstrip("/")
    return (stage, "", full[len(stage) :] or "/") if is_prefix(stage) else ("", "", path)
