"""API Gateway's proxy payload 1.0, as REST APIs send it and HTTP APIs can be told to.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from typing import Any
from urllib.parse import quote_plus

from bridge._messages import EventRequest
from bridge._types import Event
from bridge.sources._address import client_address
from bridge.sources._fields import object_field
from bridge.sources._request import decode_body, decode_headers, join_query, make_request, query_pairs
from bridge.sources._response import EncodedResponse, listed

__all__ = ["is_payload_v1", "request", "response"]


def is_payload_v1(event: Event) -> bool:
    """`resource` and even `requestContext` may be missing; a path is what Bedrock agent events do not have.

    Authorizer events have all of it and a `methodArn`; WebSocket events carry a `connectionId`.
    """
    if "httpMethod" not in event or "methodArn" in event or "routeArn" in event:
        return False
    context = event.get("requestContext")
    if not isinstance(context, dict):
        return "path" in event
    return "elb" not in context and "connectionId" not in context


def request(event: Event, *, path: str, root_path: str) -> EventRequest:
    """`path`: percent-encoded, with `root_path`; everything else is read from the event."""
    context = object_field(event, "requestContext")
    query = _query(event)
    return make_request(
        method=event.get("httpMethod"),
        target=f"{path}?{query}" if query else path,
        headers=decode_headers(event.get("multiValueHeaders"), event.get("headers")),
        body=decode_body(event),
        domain=context.get("domainName"),
        client=client_address(object_field(context, "identity").get("sourceIp")),
        protocol=context.get("protocol"),
        root_path=root_path,
    )


def _query(event: Event) -> str:
    """AWS decoded names and values, so they are encoded again: `a=%20` and `a=+` both come out as `a=+`."""
    pairs = query_pairs(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters"))
    return join_query((_quote(key), None if value is None else _quote(value)) for key, value in pairs)


def _quote(value: str) -> str:
    return quote_plus(value, errors="replace")


def response(encoded: EncodedResponse) -> dict[str, Any]:
    """All headers in `multiValueHeaders` and none in `headers`: API Gateway merges the two, and would send both."""
    return {
        "statusCode": encoded.status_code,
        "multiValueHeaders": listed(encoded.headers),
        "body": encoded.body,
        "isBase64Encoded": encoded.is_base64,
    }
