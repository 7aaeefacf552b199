"""What the request side of several services has in common.

How header values are decoded is documented of CloudFront alone. Reports of ALB and of an HTTP service that is not named
fit UTF-8 with U+FFFD for other bytes (honojs/hono#4432, lukeshay/astro-aws#155): assumed of all others.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused, by_name, values_of
from bridge.testing.setup import ACCOUNT, REGION, Setup

__all__ = [
    "Event",
    "api_domain",
    "appended",
    "body_fields",
    "client_ip",
    "decoded_value",
    "forwarded",
    "joined",
    "listed",
    "payload_v1_context",
    "payload_v1_fields",
    "payload_v2",
    "query_pairs",
    "received",
    "refuse_large",
]

Event = dict[str, Any]

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html: the types that a load
# balancer passes as text. Assumed: HTTP APIs, Function URLs and Lattice do the same.
_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})

# Measured: the spelling of names that API Gateway sets or reads itself, in payload format 1.0 and in REST APIs. All
# other names are as sent.
_TITLE_CASE = {
    name.lower(): name
    for name in (
        *("Authorization", "Content-Length", "Host", "User-Agent", "X-Amzn-Trace-Id"),
        *("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"),
    )
}

_FORWARDED_FOR = "x-forwarded-for"

# The date format of API Gateway's request contexts: "12/Mar/2020:19:03:58 +0000".
_TIME = "%d/%b/%Y:%H:%M:%S +0000"


def api_domain(setup: Setup) -> str:
    """Return the domain name of an API: the custom one, or the one that API Gateway gives."""
    return setup.domain or f"a1b2c3d4e5.execute-api.{REGION}.amazonaws.com"


def client_ip(request: ClientRequest) -> str:
    return request.client[0]


def forwarded(request: ClientRequest, setup: Setup) -> Headers:
    """Return the headers with which a front end describes the client's connection."""
    return (
        ("x-forwarded-for", client_ip(request)),
        ("x-forwarded-port", request.port),
        ("x-forwarded-proto", request.scheme),
        ("x-amzn-trace-id", setup.trace_id),
    )


def received(request: ClientRequest, added: Headers) -> list[tuple[str, str]]:
    """Return the headers after a front end that reads the whole body before it calls the function."""
    kept = [pair for pair in appended(request.headers, added) if pair[0].lower() != "transfer-encoding"]
    headers = [(name, decoded_value(value)) for name, value in kept]
    if request.is_chunked:
        headers.append(("content-length", str(len(request.body))))
    return headers


def decoded_value(value: str) -> str:
    """Return a value whose bytes were decoded as UTF-8."""
    return value.encode("latin-1").decode("utf-8", "replace")


def appended(headers: Headers, added: Headers) -> list[tuple[str, str]]:
    """Return `headers` and those that AWS adds. AWS appends to the client's own x-forwarded-for.

    Assumed: of several ones it appends to the last, so that no client can hide its address.

    Assumed: the other ones that describe the connection take the place of the client's own, and so does the trace id,
    except at a load balancer, for which it is documented.
    """
    new = dict(added)
    kept = [pair for pair in headers if pair[0].lower() == _FORWARDED_FOR or pair[0].lower() not in new]
    places = [index for index, (name, _) in enumerate(kept) if name.lower() == _FORWARDED_FOR]
    if places and _FORWARDED_FOR in new:
        name, value = kept[places[-1]]
        kept[places[-1]] = (name, f"{value}, {new.pop(_FORWARDED_FOR)}")
    return [*kept, *new.items()]


def joined(headers: Iterable[tuple[str, str]], separator: str = ",") -> dict[str, str]:
    return {name: separator.join(values) for name, values in by_name(headers).items()}


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return names and values as the client encoded them; a name without an equals sign has the value ""."""
    split = (part.partition("=") for part in query.split("&") if part)
    return [(name, value) for name, _, value in split]


def listed(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def body_fields(request: ClientRequest, *, none: str | None, compressed_text: bool = False) -> Event:
    """Return text unchanged, and other bodies as base64. Bytes that are not UTF-8 are assumed to be replaced.

    `compressed_text`: whether a body with a text type and a content-encoding is text.
    """
    if not request.body:
        return {"body": none, "isBase64Encoded": False}
    media_type = "".join(values_of(request.headers, "content-type")[-1:]).partition(";")[0].strip().lower()
    is_text = media_type.startswith("text/") or media_type in _TEXT_TYPES
    if is_text and (compressed_text or not values_of(request.headers, "content-encoding")):
        return {"body": request.body.decode("utf-8", "replace"), "isBase64Encoded": False}
    return {"body": b64encode(request.body).decode("ascii"), "isBase64Encoded": True}


def payload_v1_fields(method: str, headers: list[tuple[str, str]], query_string: str) -> Event:
    """Return one map with the last value of each name, and one with all values; null instead of empty maps."""
    multi = listed((_TITLE_CASE.get(name.lower(), name), value) for name, value in headers)
    query = listed(parse_qsl(query_string, keep_blank_values=True, errors="replace"))
    return {
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in multi.items()},
        "multiValueHeaders": multi,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "stageVariables": None,
    }


def payload_v1_context(request: ClientRequest, setup: Setup, *, method: str, stage: str, request_id: str) -> Event:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
    agent = values_of(request.headers, "user-agent")
    return {
        "accountId": ACCOUNT,
        "apiId": "a1b2c3d4e5",
        **({} if setup.authorizer is None else {"authorizer": dict(setup.authorizer)}),
        "domainName": api_domain(setup),
        "domainPrefix": api_domain(setup).partition(".")[0],
        "extendedRequestId": setup.extended_id,
        "httpMethod": method,
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": client_ip(request),
            "user": None,
            "userAgent": decoded_value(agent[-1]) if agent else None,
            "userArn": None,
        },
        "protocol": f"HTTP/{request.http_version}",
        "requestId": request_id,
        **_times(setup, "requestTime", "requestTimeEpoch"),
        "stage": stage,
    }


def payload_v2(
    request: ClientRequest, setup: Setup, headers: dict[str, str], *, path: str, decoded_path: str, context: Event
) -> Event:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    `path`: that of `rawPath`. `decoded_path`: that of the request context. `context`: the fields of the request context
    that differ, or are added.
    """
    sent = values_of(request.headers, "cookie")
    cookies = [decoded_value(cookie.strip()) for value in sent for cookie in value.split(";")]
    query = listed(parse_qsl(request.query, keep_blank_values=True, errors="replace"))
    parameters = {name: ",".join(values) for name, values in query.items()}
    body = body_fields(request, none=None)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        **({"queryStringParameters": parameters} if parameters else {}),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "a1b2c3d4e5",
            **({} if setup.authorizer is None else {"authorizer": dict(setup.authorizer)}),
            "http": {
                "method": request.method,
                "path": decoded_path,
                "protocol": f"HTTP/{request.http_version}",
                "sourceIp": client_ip(request),
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": setup.request_id,
            "routeKey": "$default",
            "stage": "$default",
            **_times(setup, "time", "timeEpoch"),
            **context,
        },
        **(body if request.body else {"isBase64Encoded": False}),
    }


def _times(setup: Setup, text: str, number: str) -> Event:
    from time import gmtime, strftime

    return {text: strftime(_TIME, gmtime(setup.time)), number: int(setup.time * 1000)}


def refuse_large(request: ClientRequest, limits: Iterable[tuple[int, int, ClientResponse]]) -> None:
    """Raise Refused with the response of the first limit that is passed: (size, limit, response), in bytes."""
    for size, limit, response in limits:
        if size > limit:
            raise Refused(response.because(f"The request has {size} bytes where the service accepts {limit}."))
