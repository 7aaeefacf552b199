"""Descriptions of events that no source matches, for the error message."""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.sources._event_fields import is_array, is_object

__all__ = ["describe"]

_EXPECTED = (
    "an HTTP request from API Gateway (REST or HTTP API), a Function URL, an Application Load Balancer, Lambda@Edge "
    "(viewer or origin request) or VPC Lattice"
)

# More keys would only fill the log.
_MAX_KEYS = 20


def describe(event: object) -> str:
    """Say what kind of event this is, if that is known, which keys it has, and what was expected."""
    if not is_object(event):
        return f"The event is not an HTTP request: expected {_EXPECTED}, but got a JSON {type(event).__name__}."
    kind = next((kind for kind, matches in _KNOWN_KINDS if matches(event)), "")
    keys = ", ".join(repr(str(key))[:60] for key in list(event)[:_MAX_KEYS]) or "none"
    more = f" and {len(event) - _MAX_KEYS} more" if len(event) > _MAX_KEYS else ""
    return (
        f"The event is not an HTTP request{kind}: expected {_EXPECTED}, but got an object with the keys {keys}{more}."
    )


def _context(event: Mapping[str, Any]) -> Mapping[str, Any]:
    context = event.get("requestContext")
    return context if is_object(context) else {}


def _is_authorizer(event: Mapping[str, Any]) -> bool:
    return event.get("methodArn") is not None or event.get("routeArn") is not None


def _is_websocket(event: Mapping[str, Any]) -> bool:
    return _context(event).get("connectionId") is not None


def _is_bedrock_agent(event: Mapping[str, Any]) -> bool:
    return event.get("actionGroup") is not None


def _is_edge_response(event: Mapping[str, Any]) -> bool:
    records = event.get("Records")
    first = records[0] if is_array(records) and records else None
    return is_object(first) and is_object(first.get("cf")) and first["cf"].get("response") is not None


_KNOWN_KINDS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...] = (
    (" but a Lambda authorizer's, which needs a function of its own that returns a policy", _is_authorizer),
    (" but a WebSocket API's, whose messages are not ASGI's 'websocket' protocol", _is_websocket),
    (" but a Bedrock agent's action, which needs a function of its own", _is_bedrock_agent),
    (" but Lambda@Edge's response event, which has a response already", _is_edge_response),
)
