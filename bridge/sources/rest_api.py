"""API Gateway REST APIs (payload 1.0).

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

The client's path is in `requestContext.path`; `path` is the same without the stage, or the whole path under a
custom domain. Both are still percent-encoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources import _payload_v1
from bridge.sources._event_fields import object_field, path_field
from bridge.sources._path import has_prefix, place, unquoted
from bridge.sources._payload_v1 import encode

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
    if not isinstance(full, str):
        return "", "", path
    if full.endswith("/") and not path.endswith("/"):
        path += "/"  # In older events only `path` has lost the slash.
    if full == path:
        return "", _mapping(event, path), path
    if full.endswith(path):
        return full.removesuffix(path), "", path
    if path == "/" and full.startswith("/"):
        return full, "", path  # "/prod" asks for the root of the stage.
    return "", "", path


def _mapping(event: Event, path: str) -> str:
    """Return the base path mapping of a custom domain: `path` without the resource that matched it."""
    resource = event.get("resource")
    if not isinstance(resource, str) or not resource.startswith("/"):
        return ""
    for key, value in object_field(event, "pathParameters").items():
        resource = resource.replace(f"{{{key}+}}", str(value)).replace(f"{{{key}}}", str(value))
    # Path parameters may come decoded or encoded; a mapping key has no characters to decode.
    resource, path = resource.rstrip("/"), path.rstrip("/")
    for tail, whole in ((resource, path), (resource, unquote(path)), (unquote(resource), unquote(path))):
        prefix = whole.removesuffix(tail)
        if prefix and whole.endswith(tail) and has_prefix(path, prefix):
            return prefix
    return ""
