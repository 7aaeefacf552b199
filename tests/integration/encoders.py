"""Encoders: the event that each AWS service makes of a client's request, one pure function for each source.

Written from AWS's documentation of each event, and from events that were measured. Where both are silent, the
docstring says what is assumed. The set-up: a REST API with the binary media type `*/*`, a CloudFront distribution that
forwards every header.

How header values are decoded is documented of CloudFront alone: as UTF-8, or else as latin-1. Reports of ALB and of an
HTTP service that is not named fit UTF-8 with U+FFFD for other bytes (honojs/hono#4432, lukeshay/astro-aws#155):
assumed of all others.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.integration.exchange import ClientRequest, Headers, by_name, values_of

__all__ = [
    "EDGE_BODY_LIMITS",
    "Encoder",
    "alb_multi",
    "alb_single",
    "edge_origin",
    "edge_origin_headers",
    "edge_viewer",
    "forwarded",
    "function_url",
    "http_api_headers",
    "http_api_v1",
    "http_api_v2",
    "rest_api",
    "url_headers",
    "vpc_lattice_v1",
    "vpc_lattice_v2",
]

Event = dict[str, Any]

# The stage is the first segment of the client's path; "" is an API with a custom domain, or its default stage.
Encoder = Callable[[ClientRequest, str], Event]

TRACE_ID = "Root=1-67891233-abcdef012345678912345678"

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html: the types that a load
# balancer passes as text. Assumed: HTTP APIs, Function URLs and Lattice do the same.
_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})

# Measured: what a REST API does not tell the function.
_REST_DROPS = frozenset(
    [
        "connection",
        "content-length",
        "content-md5",
        "expect",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    ]
)

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
# What CloudFront removes before the events of origin requests.
_EDGE_ORIGIN_DROPS = frozenset(
    [
        "expect",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "x-forwarded-proto",
        "x-http-method-override",
        "x-real-ip",
    ]
)

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-include-body-access.html
EDGE_BODY_LIMITS = {"viewer-request": 40 * 1024, "origin-request": 1024 * 1024}


def forwarded(request: ClientRequest) -> Headers:
    """Return the headers with which a front end describes the client's connection."""
    return (
        ("x-forwarded-for", request.peer),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
        ("x-amzn-trace-id", TRACE_ID),
    )


def rest_api(request: ClientRequest, stage: str) -> Event:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

    The path stays encoded, query parameters are decoded. Semicolons split the query:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
    X-HTTP-Method-Override changes the method, and is not passed on.
    Measured: of several slashes after the stage, `path` has one, and a greedy path parameter has no slash at its end.
    """
    headers = [pair for pair in _received(request, forwarded(request)) if pair[0].lower() not in _REST_DROPS]
    (*_, method) = request.method, *values_of(headers, "x-http-method-override")
    headers = [pair for pair in headers if pair[0].lower() != "x-http-method-override"]
    path = "/" + request.path.removeprefix(stage).lstrip("/")
    return {
        "resource": "/{proxy+}",
        "path": path,
        "pathParameters": {"proxy": path.strip("/")},
        **_payload_v1_fields(request, headers, request.query.replace(";", "&")),
        "httpMethod": method,
        "requestContext": {**_payload_v1_context(request, stage), "path": request.path, "resourcePath": "/{proxy+}"},
        "body": b64encode(request.body).decode("ascii") if request.body else None,
        "isBase64Encoded": bool(request.body),
    }


def http_api_v1(request: ClientRequest, stage: str) -> Event:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Measured: `path` is encoded, and the one of the request context is decoded, as query parameters are. Assumed:
    `path` keeps the client's own spelling.
    """
    return {
        "version": "1.0",
        "resource": "$default",
        "path": request.path,
        "pathParameters": None,
        **_payload_v1_fields(request, _received(request, http_api_headers(request)), request.query),
        "requestContext": {**_payload_v1_context(request, stage), "path": unquote(request.path)},
        **_body_fields(request, none=None),
    }


def http_api_v2(request: ClientRequest, stage: str) -> Event:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    The path is decoded, and ends at a question mark that was encoded. Cookies have a field of their own.
    """
    headers = _joined(_received(request, http_api_headers(request)))
    headers.pop("cookie", None)
    path = _decoded_path(request.path)
    domain = "api.execute-api.eu-west-1.amazonaws.com"
    return _payload_v2(request, headers, path=path, domain=domain, stage=stage.removeprefix("/") or "$default")


def function_url(request: ClientRequest, _stage: str) -> Event:
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html

    Path and query stay as the client sent them. Measured: cookies have a field of their own, and stay in the headers
    too; there are headers about the TLS connection.
    """
    headers = _joined(_received(request, url_headers(request)))
    domain = "function.lambda-url.eu-west-1.on.aws"
    return _payload_v2(request, headers, path=request.path, domain=domain, stage="$default")


def url_headers(request: ClientRequest) -> Headers:
    tls = (("x-amzn-tls-version", "TLSv1.3"), ("x-amzn-tls-cipher-suite", "TLS_AES_128_GCM_SHA256"))
    return forwarded(request) + tls


def alb_single(request: ClientRequest, _stage: str) -> Event:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html

    Path and query parameters stay encoded; of repeated headers and parameters the last value wins.
    """
    headers = {name: values[-1] for name, values in by_name(_received(request, forwarded(request))).items()}
    return _alb(request, {"headers": headers, "queryStringParameters": dict(_query_pairs(request.query))})


def alb_multi(request: ClientRequest, _stage: str) -> Event:
    """The same with the target group's attribute lambda.multi_value_headers.enabled: nothing is left out."""
    headers = by_name(_received(request, forwarded(request)))
    query = _listed(_query_pairs(request.query))
    return _alb(request, {"multiValueHeaders": headers, "multiValueQueryStringParameters": query})


def edge_viewer(request: ClientRequest, _stage: str) -> Event:
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html

    Headers: docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html, "URI, query
    string, and headers encoding". Assumed: `uri` stays encoded.
    """
    return _edge(request, "viewer-request", list(request.headers))


def edge_origin(request: ClientRequest, _stage: str) -> Event:
    """The same after CloudFront's cache, which drops and adds headers for the origin."""
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in _EDGE_ORIGIN_DROPS)
    return _edge(request, "origin-request", _appended(kept, edge_origin_headers(request)))


def edge_origin_headers(request: ClientRequest) -> Headers:
    return (("x-forwarded-for", request.peer), ("via", "1.1 abcdef.cloudfront.net (CloudFront)"))


def vpc_lattice_v1(request: ClientRequest, _stage: str) -> Event:
    """https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html

    Headers are joined by commas and blanks, and of a repeated parameter the last value wins. A text type decides
    alone that a body is text, also a compressed one. Assumed: path and query parameters stay encoded.
    """
    body = _body_fields(request, none="", compressed_text=True)
    return {
        "raw_path": request.path,
        "method": request.method,
        "headers": _joined(_received(request, (("x-forwarded-for", request.peer),)), ", "),
        "query_string_parameters": dict(_query_pairs(request.query)),
        "body": body["body"],
        "is_base64_encoded": body["isBase64Encoded"],
    }


def vpc_lattice_v2(request: ClientRequest, _stage: str) -> Event:
    """The same with all values of headers and query parameters in lists."""
    service = "arn:aws:vpc-lattice:eu-west-1:123456789012:"
    return {
        "version": "2.0",
        "path": request.path,
        "method": request.method,
        "headers": by_name(_received(request, (("x-forwarded-for", request.peer),))),
        "queryStringParameters": _listed(_query_pairs(request.query)),
        **_body_fields(request, none="", compressed_text=True),
        "requestContext": {
            "serviceNetworkArn": f"{service}servicenetwork/sn-0123456789abcdef0",
            "serviceArn": f"{service}service/svc-0123456789abcdef0",
            "targetGroupArn": f"{service}targetgroup/tg-0123456789abcdef0",
            "identity": {"sourceVpcArn": "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-0123456789abcdef0"},
            "region": "eu-west-1",
            "timeEpoch": "1735725600000000",
        },
    }


def _received(request: ClientRequest, added: Headers) -> list[tuple[str, str]]:
    """Return the headers after a front end that reads the whole body before it calls the function."""
    appended = _appended(request.headers, added)
    headers = [(name, _decoded_value(value)) for name, value in appended if name.lower() != "transfer-encoding"]
    if request.is_chunked:
        headers.append(("content-length", str(len(request.body))))
    return headers


def _decoded_value(value: str) -> str:
    """Return a value whose bytes were decoded as UTF-8."""
    return value.encode("latin-1").decode("utf-8", "replace")


def _converted_value(value: str) -> str:
    """Return a value as CloudFront has it: bytes that are not UTF-8 are taken for latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def _appended(headers: Headers, added: Headers) -> list[tuple[str, str]]:
    """Return `headers` and those that AWS adds. AWS appends to the client's own x-forwarded-for."""
    new = dict(added)
    kept = [(name, f"{value}, {new.pop(name.lower())}" if name.lower() in new else value) for name, value in headers]
    return [*kept, *new.items()]


def http_api_headers(request: ClientRequest) -> Headers:
    """Return the headers of an HTTP API, which always adds content-length, also without a body."""
    is_framed = request.is_chunked or bool(values_of(request.headers, "content-length"))
    return forwarded(request) + (() if is_framed else (("content-length", "0"),))


def _joined(headers: Iterable[tuple[str, str]], separator: str = ",") -> dict[str, str]:
    return {name: separator.join(values) for name, values in by_name(headers).items()}


def _decoded_path(path: str) -> str:
    """Decode the path once, as HTTP APIs do in payload 2.0, and cut it at a question mark that was encoded."""
    return unquote(path).partition("?")[0]


def _query_pairs(query: str) -> list[tuple[str, str]]:
    """Return names and values as the client encoded them; a name without an equals sign has the value ""."""
    split = (part.partition("=") for part in query.split("&") if part)
    return [(name, value) for name, _, value in split]


def _listed(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _body_fields(request: ClientRequest, *, none: str | None, compressed_text: bool = False) -> Event:
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


def _payload_v1_fields(request: ClientRequest, headers: list[tuple[str, str]], query_string: str) -> Event:
    """Return one map with the last value of each name, and one with all values; null instead of empty maps."""
    multi = _listed(headers)
    query = _listed(parse_qsl(query_string, keep_blank_values=True, errors="replace"))
    return {
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in multi.items()},
        "multiValueHeaders": multi,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "stageVariables": None,
    }


def _payload_v1_context(request: ClientRequest, stage: str) -> Event:
    return {
        "accountId": "123456789012",
        "apiId": "api",
        "domainName": "api.execute-api.eu-west-1.amazonaws.com" if stage else "api.example.com",
        "httpMethod": request.method,
        "identity": {"sourceIp": request.peer, "userAgent": None},
        "protocol": f"HTTP/{request.http_version}",
        "requestId": "request",
        "stage": stage.removeprefix("/") or "$default",
    }


def _payload_v2(request: ClientRequest, headers: dict[str, str], *, path: str, domain: str, stage: str) -> Event:
    sent = values_of(request.headers, "cookie")
    cookies = [_decoded_value(cookie.strip()) for value in sent for cookie in value.split(";")]
    body = _body_fields(request, none=None)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": domain,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": f"HTTP/{request.http_version}",
                "sourceIp": request.peer,
                "userAgent": "",
            },
            "requestId": "request",
            "routeKey": "$default",
            "stage": stage,
        },
        **(body if request.body else {"isBase64Encoded": False}),
    }


def _alb(request: ClientRequest, parameters: Event) -> Event:
    group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/functions/0123456789abcdef"
    return {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": request.method,
        "path": request.path,
        **parameters,
        **_body_fields(request, none=""),
    }


def _edge(request: ClientRequest, event_type: str, headers: list[tuple[str, str]]) -> Event:
    listed: dict[str, list[dict[str, str]]] = {}
    for name, value in headers:
        listed.setdefault(name.lower(), []).append({"key": name, "value": _converted_value(value)})
    limit = EDGE_BODY_LIMITS[event_type]
    config = {
        "distributionDomainName": "d123.cloudfront.net",
        "distributionId": "EXAMPLE",
        "eventType": event_type,
        "requestId": "request",
    }
    cf_request: Event = {
        "clientIp": request.peer,
        "headers": listed,
        "method": request.method,
        "querystring": request.query,
        "uri": request.path,
    }
    if request.body:
        cf_request["body"] = {
            "action": "read-only",
            "data": b64encode(request.body[:limit]).decode("ascii"),
            "encoding": "base64",
            "inputTruncated": len(request.body) > limit,
        }
    return {"Records": [{"cf": {"config": config, "request": cf_request}}]}
