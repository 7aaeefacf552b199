"""VPC Lattice, event structure version 1.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html#receive-event-from-service
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources.vpc_lattice_v2 import decode_version, encode

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name"]

name = "vpc-lattice-v1"


def matches(event: Event) -> bool:
    """Return whether the event has `raw_path`, which no other source spells in snake case."""
    return event.get("raw_path") is not None and "method" in event


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as Lattice received it."""
    return decode_version(event, settings, path="raw_path", flag="is_base64_encoded")
