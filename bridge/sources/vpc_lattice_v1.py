"""VPC Lattice, event structure version 1.

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

name = "vpc-lattice-v1"


def matches(event: Event) -> bool:
    """The only source that spells `raw_path` in snake case."""
    return event.get("raw_path") is not None and "method" in event


def decode(event: Event, settings: Settings) -> EventRequest:
    """The request as Lattice got it. `raw_path` may carry the query, which is then nearer to what the client sent."""
    raw_path, _, query = path_field(event, "raw_path").partition("?")
    path, root_path = place(raw_path, settings)
    body = decode_body(event, flag="is_base64_encoded")
    return _lattice.request(event, path=path, query=query, body=body, root_path=root_path)
