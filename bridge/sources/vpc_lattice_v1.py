"""VPC Lattice, event structure version 1.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html#receive-event-from-service
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge._messages import CompleteResponse, EventRequest
from bridge.settings import Settings
from bridge.sources._event_fields import event_line
from bridge.sources._response import cookie_names, encode_response, joined
from bridge.sources.vpc_lattice_v2 import decode_version, result

if TYPE_CHECKING:
    from bridge._types import Event, Result

__all__ = ["decode", "encode", "matches", "name"]

logger = logging.getLogger("bridge")

name = "vpc-lattice-v1"


def matches(event: Event) -> bool:
    """Return whether the event has `raw_path`, which no other source spells in snake case."""
    return event.get("raw_path") is not None and "method" in event


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as Lattice received it."""
    return decode_version(event, settings, path="raw_path", flag="is_base64_encoded")


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """Return statusCode, headers, body, isBase64Encoded, with one cookie at most.

    The values of this version are strings, and cookies joined by commas would be one broken cookie: the last one is
    sent, as Lattice keeps the last of repeated query parameters.
    """
    encoded = encode_response(response, method=event.get("method"), settings=settings, event=event)
    headers, cookies = joined(encoded.headers, encoded.values)
    if len(cookies) > 1:
        logger.warning(
            "%s: The response lost the Set-Cookie of %.200r: version 1 of VPC Lattice's events has room for one. "
            "Choose version 2 for the target group.",
            event_line(event),
            cookie_names(cookies[:-1]),
        )
    return result(encoded, headers, cookies[-1] if cookies else None)
