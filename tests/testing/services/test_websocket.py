"""The events of a WebSocket API, and what its client gets for the results."""

import json
from typing import Any

from bridge.settings import Settings
from bridge.sources import websocket as source
from bridge.testing.messages import ClientRequest, ClientResponse
from bridge.testing.services import websocket
from bridge.testing.services.websocket import ClientConnection
from bridge.testing.setup import Setup
from tests.cases import every_case
from tests.events import load

ID = "TWegAcC4DoECHnA="
REQUEST_ID = "ASNFZ4mrze8BI0U="
SETUP = Setup(request_id="01234567-89ab-cdef-0123-456789abcdef", trace_id="Root=1-x", time=1795773600.005)

CLIENT = ClientConnection(
    id=ID,
    request=ClientRequest(
        method="GET",
        target="/prod?tag=a&tag=b&q=x%20y",
        headers=(
            ("host", "127.0.0.1:3000"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("user-agent", "Mozilla/5.0"),
            ("sec-websocket-key", "cdxrfyi/jZ7kKMSRkIgBjg=="),
            ("X-Room", "blue"),
            ("X-Room", "gr\xc3\xbcn"),
            ("sec-websocket-protocol", "chat.v2, chat.v1"),
        ),
        scheme="http",
        client=("203.0.113.9", 5),
        server_port=3000,
    ),
    stage="prod",
    connected_at=1795773600.0,
)

CONTEXT = {
    "routeKey": "$connect",
    "eventType": "CONNECT",
    "extendedRequestId": REQUEST_ID,
    "requestTime": "27/Nov/2026:10:00:00 +0000",
    "messageDirection": "IN",
    "stage": "prod",
    "connectedAt": 1795773600000,
    "requestTimeEpoch": 1795773600005,
    "identity": {"userAgent": "Mozilla/5.0", "sourceIp": "203.0.113.9"},
    "requestId": REQUEST_ID,
    "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
    "connectionId": ID,
    "apiId": "a1b2c3d4e5",
}


def test_the_event_of_a_handshake() -> None:
    headers = {
        "Host": ["127.0.0.1:3000"],
        "User-Agent": ["Mozilla/5.0"],
        "Sec-WebSocket-Key": ["cdxrfyi/jZ7kKMSRkIgBjg=="],
        "X-Room": ["blue", "grün"],
        "Sec-WebSocket-Protocol": ["chat.v2, chat.v1"],
        "X-Forwarded-For": ["203.0.113.9"],
        "X-Forwarded-Port": ["3000"],
        "X-Forwarded-Proto": ["http"],
        "X-Amzn-Trace-Id": ["Root=1-x"],
    }
    assert websocket.connect_event(CLIENT, SETUP) == {
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {"tag": "b", "q": "x y"},
        "multiValueQueryStringParameters": {"tag": ["a", "b"], "q": ["x y"]},
        "requestContext": CONTEXT,
        "isBase64Encoded": False,
    }


def test_the_events_of_a_message_and_of_the_end() -> None:
    more = {"routeKey": "join", "eventType": "MESSAGE", "messageId": "ASNFZ4mrze8BI0M="}
    assert websocket.message_event(CLIENT, SETUP, "caf\u00e9", key="join") == {
        "requestContext": CONTEXT | more,
        "body": "caf\u00e9",
        "isBase64Encoded": False,
    }
    headers = {"Host": "127.0.0.1:3000", "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    end = {"disconnectStatusCode": 1001, "disconnectReason": "Going away"}
    assert websocket.disconnect_event(CLIENT, SETUP, code=1001, reason="Going away") == {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": CONTEXT | {"routeKey": "$disconnect", "eventType": "DISCONNECT"} | end,
        "isBase64Encoded": False,
    }


EVENTS = {
    "connect": websocket.connect_event(CLIENT, SETUP),
    "message": websocket.message_event(CLIENT, SETUP, '{"text": "hi"}'),
    "disconnect": websocket.disconnect_event(CLIENT, SETUP, code=1000, reason=""),
}


@every_case("kind", EVENTS)
def test_the_events_have_the_fields_of_real_ones(kind: str) -> None:
    event, real = EVENTS[kind], load(f"websocket_{kind}")
    assert event.keys() == real.keys()
    assert event["requestContext"].keys() == real["requestContext"].keys()
    assert event["requestContext"]["identity"].keys() == real["requestContext"]["identity"].keys()


def test_the_source_understands_them() -> None:
    requests = {kind: source.decode(event, Settings()) for kind, event in EVENTS.items() if source.matches(event)}
    assert {kind: (request.method, request.url.path) for kind, request in requests.items()} == {
        "connect": ("POST", "/websocket/connect"),
        "message": ("POST", "/websocket/message"),
        "disconnect": ("POST", "/websocket/disconnect"),
    }
    headers = requests["connect"].headers
    assert headers.get_list("x-room") == ["blue", "gr\u00fcn"]
    assert (headers["x-amzn-connection-id"], headers["sec-websocket-protocol"]) == (ID, "chat.v2, chat.v1")
    assert requests["connect"].url.query == b"tag=a&tag=b&q=x+y"
    assert (requests["message"].content, requests["message"].headers["content-type"]) == (
        b'{"text": "hi"}',
        "application/json",
    )


@every_case(
    ("text", "key"),
    [
        ('{"action": "join"}', "join"),
        ('{"action": 7}', "7"),
        ('{"action": "unknown"}', "$default"),
        ('{"text": "join"}', "$default"),
        ('["action"]', "$default"),
        ("join", "$default"),
        ("[" * 100_000, "$default"),
    ],
)
def test_a_route_is_chosen_by_the_action_of_a_message(text: str, key: str) -> None:
    assert websocket.route_key(text, ["join", "7"]) == key


def error(message: str) -> bytes:
    return f'{{"message": "{message}", "connectionId":"{ID}", "requestId":"{REQUEST_ID}"}}'.encode()


def sent(kind: str, result: Any, *, has_route_response: bool = True) -> tuple[int, Any, bytes]:
    found = websocket.response(EVENTS[kind], result, has_route_response=has_route_response)
    return found.status, dict(found.headers), found.body


REFUSED = (502, {"content-type": "application/json", "content-length": "103"}, error("Internal server error"))


@every_case(
    ("result", "expected"),
    [
        ({"statusCode": 200}, (200, {}, b"")),
        ({"statusCode": "201", "body": "ignored", "headers": {"X-A": "b"}}, (201, {}, b"")),
        (
            {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat.v1"}},
            (200, {"sec-websocket-protocol": "chat.v1"}, b""),
        ),
        (
            {"statusCode": 200, "multiValueHeaders": {"sec-websocket-protocol": ["chat.v1"]}},
            (200, {"sec-websocket-protocol": "chat.v1"}, b""),
        ),
        ({"statusCode": 403, "body": "no"}, (403, {}, b"")),
        ({"statusCode": 101}, REFUSED),
        ({"statusCode": 200, "headers": {"sec-websocket-protocol": "a\r\nb: c"}}, REFUSED),
        ({"statusCode": 200, "headers": {"sec-websocket-protocol": "\x01"}}, REFUSED),
        ({"body": "no status"}, REFUSED),
        (None, REFUSED),
        (b"not JSON", REFUSED),
    ],
)
def test_the_answer_to_a_handshake(result: Any, expected: Any) -> None:
    assert sent("connect", result) == expected


@every_case(
    ("result", "expected"),
    [
        ({"statusCode": 200, "body": "caf\u00e9"}, (200, {}, "caf\u00e9".encode())),
        ({"statusCode": 500, "body": "whatever the status"}, (500, {}, b"whatever the status")),
        ({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, (200, {}, b"aGk=")),
        ({"statusCode": 200}, (200, {}, b"")),
        ({"statusCode": 200, "body": "a" * (128 << 10)}, (200, {}, b"a" * (128 << 10))),
        ({"statusCode": 200, "body": "a" * ((128 << 10) + 1)}, (500, {}, error("Internal server error"))),
        ({"statusCode": 200, "body": {"no": "text"}}, (500, {}, error("Internal server error"))),
        (None, (500, {}, error("Internal server error"))),
    ],
)
def test_the_answer_to_a_message(result: Any, expected: Any) -> None:
    assert sent("message", result) == expected


def test_without_a_route_response_no_body_is_sent() -> None:
    result = {"statusCode": 200, "body": "hi"}
    found = websocket.response(EVENTS["message"], result, has_route_response=False)
    assert (found.status, found.body) == (200, b"")
    assert "no route response" in found.reasons[0]
    assert sent("disconnect", result) == (200, {}, b"")


def test_the_errors_of_the_api_itself() -> None:
    found = websocket.failure(EVENTS["message"], "why", status=504, message=websocket.TIMED_OUT)
    assert found == ClientResponse(504, (), error("Endpoint request timed out"))
    assert json.loads(found.body)["connectionId"] == ID
    assert found.reasons == ("why",)
