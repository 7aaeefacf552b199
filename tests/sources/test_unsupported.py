from typing import Any

import pytest

from bridge.errors import UnsupportedEvent
from bridge.sources import select_source
from tests.cases import every_case
from tests.events import MISSING, load

EXPECTED = (
    "expected an HTTP request from API Gateway (REST or HTTP API), a Function URL, an Application Load Balancer, "
    "Lambda@Edge (viewer or origin request) or VPC Lattice, but got "
)


def edge_response(event_type: str) -> dict[str, Any]:
    response = {"status": "200", "statusDescription": "OK", "headers": {}}
    return load("lambda_edge", Records__0__cf__config__eventType=event_type, Records__0__cf__response=response)


METHOD_ARN = "arn:aws:execute-api:eu-west-1:123456789012:abc123def4/prod/POST/orders"
REST_AUTHORIZER = load("rest_api", type="REQUEST", methodArn=METHOD_ARN, body=MISSING)
TOKEN_AUTHORIZER = {"type": "TOKEN", "methodArn": METHOD_ARN, "authorizationToken": "t"}
WEBSOCKET = {
    "requestContext": {"connectionId": "c1=", "eventType": "OTHER", "routeKey": "$default", "stage": "prod"},
    "body": "hello",
    "isBase64Encoded": False,
}


@every_case(
    ("event", "what"),
    [
        (REST_AUTHORIZER, "a Lambda authorizer's"),
        (TOKEN_AUTHORIZER, "a Lambda authorizer's"),
        (
            load("http_api_v1", type="REQUEST", methodArn="arn", identitySource="t"),
            "a Lambda authorizer's",
        ),
        (
            load("http_api_v1", type="REQUEST", routeArn="arn"),
            "a Lambda authorizer's",
        ),
        (
            load("http_api_v2", type="REQUEST", routeArn="arn", identitySource=["t"]),
            "a Lambda authorizer's",
        ),
        (WEBSOCKET, "a WebSocket API's"),
        (
            load("rest_api", requestContext__connectionId="c1=", requestContext__eventType=["CONNECT"]),
            "a WebSocket API's",
        ),
        (edge_response("origin-response"), "Lambda@Edge's response event"),
        (edge_response("viewer-response"), "Lambda@Edge's response event"),
    ],
)
def test_an_event_that_only_resembles_http_is_refused_by_its_name(event: dict[str, Any], what: str) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        select_source(event)
    message = str(caught.value)
    assert message.startswith(f"The event is not an HTTP request but {what}")
    assert EXPECTED + "an object with the keys " in message


@every_case(
    ("event", "got"),
    [
        ({}, "an object with the keys none."),
        ({"Records": []}, "an object with the keys 'Records'."),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "an object with the keys 'Records'."),
        ({"source": "aws.events", "detail": {}}, "an object with the keys 'source', 'detail'."),
        ({"x" * 500: 1}, f"an object with the keys {repr('x' * 500)[:60]}."),
        ({"a\nb": 1}, r"an object with the keys 'a\nb'."),
        ([{"httpMethod": "GET"}], "a JSON list."),
        ("GET /", "a JSON str."),
        (None, "a JSON NoneType."),
    ],
)
def test_the_message_names_the_keys_and_what_was_expected(event: Any, got: str) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        select_source(event)
    assert str(caught.value) == f"The event is not an HTTP request: {EXPECTED}{got}"


def test_an_event_of_many_keys_does_not_fill_the_log() -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        select_source({f"key{number}": None for number in range(1000)})
    message = str(caught.value)
    assert message.endswith("'key18', 'key19' and 980 more.")


@every_case(
    "event",
    [
        {"Records": "x"},
        {"Records": [None]},
        {"Records": [{"cf": []}]},
        {"Records": [{"cf": {"response": None}}]},
        {"requestContext": []},
        {"requestContext": "x", "httpMethod": 1},
        {"version": [], "requestContext": {"http": []}},
        {"version": "2.0", "requestContext": {}},
        {"raw_path": 1},
    ],
)
def test_no_shape_breaks_the_recognition(event: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedEvent, match="The event is not an HTTP request"):
        select_source(event)
