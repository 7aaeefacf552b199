"""The browser's request as the Lambda events of four sources, with the fields that AWS documents.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from benchmarks.browser import QUERY, BrowserRequest

__all__ = ["ROOT_PATHS", "SOURCES", "fresh_events"]

_CLIENT = "203.0.113.7"
_FORWARDED = {
    "x-amzn-trace-id": "Root=1-68f0a1b2-0123456789abcdef01234567",
    "x-forwarded-for": _CLIENT,
    "x-forwarded-port": "443",
    "x-forwarded-proto": "https",
}
_PARAMETERS = dict(parse_qsl(QUERY))


def _payload_v2(request: BrowserRequest, domain: str) -> dict[str, Any]:
    headers = {**request.headers, **_FORWARDED, "host": domain}
    cookies = headers.pop("cookie").split("; ")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": QUERY,
        "cookies": cookies,
        "headers": headers,
        "queryStringParameters": _PARAMETERS,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": domain.partition(".")[0],
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": _CLIENT,
                "userAgent": headers["user-agent"],
            },
            "requestId": "0f6b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d",
            "routeKey": "$default",
            "stage": "$default",
            "time": "16/Oct/2025:09:30:00 +0000",
            "timeEpoch": 1760607000000,
        },
    }


def _function_url(request: BrowserRequest) -> dict[str, Any]:
    return _payload_v2(request, "k3w5example7yq.lambda-url.eu-central-1.on.aws")


def _http_api_v2(request: BrowserRequest) -> dict[str, Any]:
    return _payload_v2(request, "k3w5example.execute-api.eu-central-1.amazonaws.com")


def _rest_api(request: BrowserRequest) -> dict[str, Any]:
    domain = "k3w5example.execute-api.eu-central-1.amazonaws.com"
    headers = {name.title(): value for name, value in {**request.headers, **_FORWARDED, "host": domain}.items()}
    return {
        "resource": "/{proxy+}",
        "path": request.path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": _PARAMETERS,
        "multiValueQueryStringParameters": {name: [value] for name, value in _PARAMETERS.items()},
        "pathParameters": {"proxy": request.path[1:]},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "k3w5example",
            "domainName": domain,
            "domainPrefix": "k3w5example",
            "httpMethod": request.method,
            "identity": {"sourceIp": _CLIENT, "userAgent": request.headers["user-agent"], "user": None},
            "path": f"/prod{request.path}",
            "protocol": "HTTP/1.1",
            "requestId": "0f6b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d",
            "requestTime": "16/Oct/2025:09:30:00 +0000",
            "requestTimeEpoch": 1760607000000,
            "resourceId": "ab12cd",
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
    }


def _alb(request: BrowserRequest) -> dict[str, Any]:
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/0123456789abcdef"
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}},
        "httpMethod": request.method,
        "path": request.path,
        "queryStringParameters": dict(pair.split("=") for pair in QUERY.split("&")),
        "headers": {**request.headers, **_FORWARDED, "host": "shop.example"},
    }


SOURCES: dict[str, Callable[[BrowserRequest], dict[str, Any]]] = {
    "Function URL": _function_url,
    "HTTP API v2": _http_api_v2,
    "REST API": _rest_api,
    "ALB": _alb,
}


# The part of the client's path that the application is mounted at. Bridge finds it in the event; httpx's own transport
# has to be told.
ROOT_PATHS = {"REST API": "/prod"}


def fresh_events(source: str, request: BrowserRequest) -> Callable[[], dict[str, Any]]:
    """Return a factory of events, each made of new strings, as the runtime's JSON parser makes them.

    With one event again and again, every string in it would have its hash already, and every cache would look better
    than it is. Only the body is one object: no cache holds it.
    """
    head = json.dumps(SOURCES[source](request))
    is_base64 = bool(request.body) and not request.is_text
    body = b64encode(request.body).decode("ascii") if is_base64 else request.body.decode()

    def make() -> dict[str, Any]:
        event: dict[str, Any] = json.loads(head)
        event["body"] = body or None
        event["isBase64Encoded"] = is_base64
        return event

    return make
