"""VPC Lattice, event structure version 2.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html#receive-event-from-service
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources import _lattice
from bridge.sources._fields import path_field
from bridge.sources._lattice import encode
from bridge.sources._path import place
from bridge.sources._request import decode_body

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name"]

name = "vpc-lattice-v2"


def matches(event: Event) -> bool:
    """Version 2.0 like an HTTP API's event, but its request context names a Lattice service or network."""
    context = event.get("requestContext")
    if event.get("version") != "2.0" or not isinstance(context, dict):
        return False
    return context.get("serviceArn") is not None or context.get("serviceNetworkArn") is not None


def decode(event: Event, settings: Settings) -> EventRequest:
    """The request as Lattice got it."""
    raw_path, _, query = path_field(event, "path").partition("?")
    path, root_path = place(raw_path, settings)
    return _lattice.request(event, path=path, query=query, body=decode_body(event), root_path=root_path)
