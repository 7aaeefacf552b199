"""Lambda Function URLs (payload 2.0).

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads

`rawPath` is percent-encoded as the client sent it, unlike an HTTP API's, and there is no stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._messages import EventRequest
from bridge.settings import Settings
from bridge.sources import _payload_v2
from bridge.sources._event_fields import path_field
from bridge.sources._path import place, unquoted
from bridge.sources._payload_v2 import encode

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["decode", "encode", "matches", "name", "streams"]

name = "function-url"
streams = True

# <url-id>.lambda-url.<region> before them; the second in China.
_DOMAINS = (".on.aws", ".on.amazonwebservices.com.cn")


def matches(event: Event) -> bool:
    """Return whether the event has payload 2.0 and a lambda-url domain, which CloudFront in front does not change."""
    if not _payload_v2.is_payload_v2(event):
        return False
    domain = _payload_v2.domain_name(event)
    return ".lambda-url." in domain and domain.endswith(_DOMAINS)


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as the client sent it."""
    path, root_path = place(path_field(event, "rawPath"), settings)
    return _payload_v2.request(event, path=unquoted(path), raw_path=path, root_path=unquoted(root_path))
