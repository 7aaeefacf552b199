"""An event as a POST to the application, and the application's JSON as the result of the invocation.

The way of Lambda Web Adapter, except that a failure fails the invocation, so that a queue keeps its messages.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bridge._httpx import httpx
from bridge._messages import WHOLE_RESPONSE, CompleteResponse, PassedEvent, header_pairs, request_line
from bridge.errors import EventFailed, UnsupportedEvent
from bridge.responses import error_status, whole_response
from bridge.sources._event_fields import json_value
from bridge.sources._path import requoted, unquoted
from bridge.sources._request import make_request

if TYPE_CHECKING:
    from bridge._types import Event
    from bridge.settings import Settings

__all__ = ["DEFAULT_PATH", "post", "request_to"]

# Lambda Web Adapter's.
DEFAULT_PATH = "/events"

# The longest part of an answer in an error, in characters: what invokes the function may show it to a person.
_MAX_SHOWN = 2000

_ADVICE = (
    " The application needs a route for events that are not HTTP requests; AWS_LWA_PASS_THROUGH_PATH sets its path. Or "
    "give the handler a function for them, on_event."
)


def request_to(path: str) -> PassedEvent:
    """Return the request to `path`, percent-encoded, without a body. Everything in it is ours, and nothing a client's.

    The base path and the root path belong to the URLs of clients: neither changes it.
    """
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    plain = make_request(method="POST", path=unquoted(path), raw_path=path, headers=headers, is_forwarded=False)
    return PassedEvent("POST", requoted(path), headers, b"", plain.extensions["asgi"])


async def post(event: Event, request: PassedEvent, transport: httpx.AsyncBaseTransport, settings: Settings) -> Any:
    """Send `request` with `event` in its body and scope, and return the JSON of the answer; None for an empty one.

    Raises EventFailed, ErrorStatus, UnsupportedEvent for an event that JSON lacks, and what the application or the
    transport raises.
    """
    sent = _with_event(request, event)
    sent.extensions[WHOLE_RESPONSE] = True
    response = await whole_response(transport, sent)
    if response.status_code in settings.error_status_codes:
        raise error_status(response)
    body = _decoded(response)
    if not 200 <= response.status_code < 300:
        raise EventFailed(_refused(response, body, sent))
    return _value(body, sent)


def _with_event(request: PassedEvent, event: Event) -> PassedEvent:
    body = _encoded(event)
    headers = [*request.raw_headers, (b"content-length", b"%d" % len(body))]
    scope = {**request.extensions["asgi"], "aws.event": event, "headers": headers}
    if "state" in scope:
        scope["state"] = scope["state"].copy()
    sent = PassedEvent(request.method, request.extensions["target"], headers, body, scope)
    sent.service = request.service
    return sent


def _encoded(event: Event) -> bytes:
    try:
        return json.dumps(event, allow_nan=False, separators=(",", ":"), default=json_value).encode("ascii")
    except (TypeError, ValueError, RecursionError) as exc:
        raise UnsupportedEvent(f"Expected an event that JSON can hold, but it cannot be encoded: {exc}") from None


def _decoded(response: CompleteResponse) -> bytes:
    """Return the body without its content-encoding, or as it is if that is broken."""
    try:
        return response.read()
    except httpx.DecodingError:
        return response.body


def _value(body: bytes, request: PassedEvent) -> Any:
    if not body:
        return None
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise EventFailed(
            f"{request_line(request)}: expected a JSON answer to the event, or an empty one, but got {_shown(body)}."
        ) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _refused(response: CompleteResponse, body: bytes, request: PassedEvent) -> str:
    advice = ""
    if response.status_code in (404, 405):
        advice = _ADVICE
    elif 300 <= response.status_code < 400:
        location = dict(header_pairs(response)).get(b"location", b"").decode("latin-1")
        advice = f" It redirects to {location[:_MAX_SHOWN]!a}."
    return (
        f"{request_line(request)}: expected the application to answer the event with a status in 2xx, but got "
        f"{response.status_code}: {_shown(body)}.{advice}"
    )


def _shown(body: bytes) -> str:
    text = body[: 4 * _MAX_SHOWN].decode("utf-8", "replace")
    return repr(text[:_MAX_SHOWN])
