"""Events that no source matches: their descriptions, and which of them must not be passed to the application."""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.sources._event_fields import is_array, is_object

__all__ = ["describe", "must_not_pass"]

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


def must_not_pass(event: object) -> bool:
    """Return whether a wrong answer to `event` would do harm, or no answer of an application could be right.

    An authorizer's answer lets people in. A request that lacks a part of its shape must not become an event, which the
    application trusts more.
    """
    return is_object(event) and any(matches(event) for _, matches in _KNOWN_KINDS)


def _context(event: Mapping[str, Any]) -> Mapping[str, Any]:
    context = event.get("requestContext")
    return context if is_object(context) else {}


def _edge_record(event: Mapping[str, Any]) -> object:
    """Return what a Lambda@Edge event has under "cf"; None for every other event."""
    records = event.get("Records")
    first = records[0] if is_array(records) and records else None
    return first.get("cf") if is_object(first) else None


def _is_authorizer(event: Mapping[str, Any]) -> bool:
    keys = ("methodArn", "routeArn", "authorizationToken")  # of API Gateway and AppSync
    return any(event.get(key) is not None for key in keys)


def _is_iot_authorizer(event: Mapping[str, Any]) -> bool:
    return event.get("signatureVerified") is not None or event.get("protocolData") is not None


def _is_vpn_authorizer(event: Mapping[str, Any]) -> bool:
    return event.get("connection-id") is not None and event.get("endpoint-id") is not None


def _is_identity_provider(event: Mapping[str, Any]) -> bool:
    return all(event.get(key) is not None for key in ("username", "protocol", "serverId"))  # of Transfer Family


def _is_websocket(event: Mapping[str, Any]) -> bool:
    return _context(event).get("connectionId") is not None


def _is_durable_execution(event: Mapping[str, Any]) -> bool:
    return event.get("DurableExecutionArn") is not None


def _is_edge_response(event: Mapping[str, Any]) -> bool:
    cf = _edge_record(event)
    return is_object(cf) and cf.get("response") is not None


def _is_incomplete_request(event: Mapping[str, Any]) -> bool:
    if event.get("actionGroup") is not None:  # a Bedrock agent's, which has a method and a path too
        return False
    return (
        any(event.get(key) is not None for key in _OF_REQUESTS)
        or any(_context(event).get(key) is not None for key in _OF_CONTEXTS)
        or _edge_record(event) is not None
    )


# The keys of requests that no other event has.
_OF_REQUESTS = ("httpMethod", "rawPath", "raw_path", "isBase64Encoded", "is_base64_encoded")
_OF_CONTEXTS = ("elb", "http", "httpMethod", "resourcePath", "serviceArn", "serviceNetworkArn")


_KNOWN_KINDS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...] = (
    (" but a Lambda authorizer's, which needs a function of its own that returns a policy", _is_authorizer),
    (" but an authorizer's of AWS IoT, which needs a function of its own that returns a policy", _is_iot_authorizer),
    (" but Client VPN's question whether to let a client in, which needs a function of its own", _is_vpn_authorizer),
    (" but a login at Transfer Family, which needs a function of its own", _is_identity_provider),
    (" but a WebSocket API's that is incomplete, or whose source is not among the given ones", _is_websocket),
    (" but Lambda@Edge's response event, which has a response already", _is_edge_response),
    (" but a durable execution's, which needs a handler of the durable execution SDK", _is_durable_execution),
    (" that is complete, or its source is not among the given ones", _is_incomplete_request),
)
