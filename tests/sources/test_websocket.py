"""The events of a WebSocket API: what the application gets, and what API Gateway gets back."""

import json
import subprocess
import sys
from base64 import b64encode
from collections import UserDict
from typing import Any

import pytest

from bridge import DEFAULT_SOURCES, Bridge, Handler, Settings
from bridge._httpx import httpx
from bridge.errors import ErrorStatus, UnsupportedEvent
from bridge.sources import find_source
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.events import MISSING, load, paths, replaced
from tests.events.calls import CALLS, Call, called
from tests.logged import assert_logged
from tests.sources.exchange import CONTEXT, Answer, answer, scope_of

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]

HOST = b"w1x2y3z4a5.execute-api.eu-west-1.amazonaws.com"
ID = (b"x-amzn-connection-id", b"TWegAcC4DoECHnA=")
NAMES = ("connect", "message", "disconnect")
TEXT = b"A text that is long enough. " * 50


def of(name: str, **overrides: Any) -> Event:
    return load(f"websocket_{name}", **overrides)


REQUESTS: dict[str, dict[str, Any]] = {
    "connect": {
        "query_string": b"tag=a&tag=b&q=x+y%26z",
        "headers": [
            (b"cookie", b"session=abc; theme=dark"),
            (b"host", HOST),
            (b"origin", b"https://shop.example.com"),
            (b"sec-websocket-key", b"cdxrfyi/jZ7kKMSRkIgBjg=="),
            (b"sec-websocket-protocol", b"chat.v2, chat.v1"),
            (b"sec-websocket-version", b"13"),
            (b"x-amzn-trace-id", b"Root=1-65a1b2c3-0123456789abcdef01234567"),
            (b"x-forwarded-for", b"203.0.113.9"),
            (b"x-forwarded-port", b"443"),
            (b"x-forwarded-proto", b"https"),
            (b"x-room", b"blue"),
            (b"x-room", b"green"),
            (b"content-length", b"0"),
            ID,
        ],
    },
    "message": {
        "query_string": b"",
        "headers": [
            (b"host", HOST),
            (b"content-length", b"34"),
            (b"content-type", b"application/json"),
            ID,
        ],
    },
    "disconnect": {
        "query_string": b"",
        "headers": [
            (b"host", HOST),
            (b"x-api-key", b""),
            (b"x-forwarded-for", b""),
            (b"x-restapi", b""),
            (b"content-length", b"0"),
            ID,
        ],
    },
}


@every_case("name", NAMES)
def test_the_application_gets_a_post_with_the_event_in_its_scope(name: str) -> None:
    app, event = Answer(), of(name)
    assert answer(event, app)["statusCode"] == 200
    assert app.scope.pop("aws.event") is event
    assert app.scope.pop("aws.context") is CONTEXT
    assert app.body == (event.get("body") or "").encode()
    assert app.scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": f"/websocket/{name}",
        "raw_path": f"/websocket/{name}".encode(),
        "root_path": "",
        "client": ("203.0.113.9", 0),
        "server": (HOST.decode(), 443),
        **REQUESTS[name],
    }


@every_case("settings", [{}, {"base_path": "/chat"}, {"root_path": "/v1"}, {"stage": "strip"}])
def test_the_path_is_the_setting_and_neither_prefix_nor_stage_changes_it(settings: dict[str, Any]) -> None:
    scope = scope_of(of("message"), Settings(websocket_path="/chat/caf%C3%A9/", **settings))
    assert (scope["path"], scope["raw_path"]) == ("/chat/café/message", b"/chat/caf%C3%A9/message")
    assert scope["root_path"] == ""


@every_case(
    ("body", "is_base64", "received", "content_type"),
    [
        ('{"a": 1}', False, b'{"a": 1}', b"application/json"),
        (b64encode(b'{"a": 1}').decode(), True, b'{"a": 1}', b"application/json"),
        ('"hello"', False, b'"hello"', b"application/json"),
        ("hello", False, b"hello", b"text/plain; charset=utf-8"),
        ("caf\u00e9 \U0001f600", False, "caf\u00e9 \U0001f600".encode(), b"text/plain; charset=utf-8"),
        ("\x00\x01", False, b"\x00\x01", b"text/plain; charset=utf-8"),
        ("NaN", False, b"NaN", b"text/plain; charset=utf-8"),
        ("[" * 100_000, False, b"[" * 100_000, b"text/plain; charset=utf-8"),
        ("", False, b"", b"text/plain; charset=utf-8"),
        (None, False, b"", b"text/plain; charset=utf-8"),
        (MISSING, False, b"", b"text/plain; charset=utf-8"),
        (b64encode(b"\xff\x00").decode(), True, b"\xff\x00", b"application/octet-stream"),
    ],
)
def test_the_body_of_a_message_is_exact_and_has_a_type(
    body: Any, is_base64: bool, received: bytes, content_type: bytes
) -> None:
    app = Answer()
    answer(of("message", body=body, isBase64Encoded=is_base64), app)
    headers = dict(app.scope["headers"])
    assert (app.body, headers[b"content-type"], headers[b"content-length"]) == (
        received,
        content_type,
        b"%d" % len(received),
    )


STRANGE: list[Any] = [MISSING, None, "", "x", "\r\n", 5, -1.5, True, [], ["x"], {}, {"x": []}, "\ud800", "x" * 10_000]


@every_case("name", NAMES)
def test_no_value_of_any_field_is_an_exception_to_the_caller(name: str) -> None:
    handler = Bridge(Answer(), lifespan="off")
    for steps in paths(of(name)):
        for value in STRANGE:
            event = replaced(of(name), steps, value)
            assert [source.name for source in DEFAULT_SOURCES if source.matches(event)] in (["websocket"], []), steps
            try:
                assert handler(event, None)["statusCode"] in (200, 400), (steps, value)
            except UnsupportedEvent:
                assert steps[0] == "requestContext", (steps, value)
    handler.close()


@every_case("route", ["$default", "say", "$connect", "/a b\u00e9", "", None, MISSING])
def test_the_type_of_the_event_decides_and_its_route_may_be_any(route: Any) -> None:
    assert scope_of(of("message", requestContext__routeKey=route))["path"] == "/websocket/message"


@every_case(
    ("overrides", "fact"),
    [
        ({"requestContext__connectionId": 5}, "connectionId"),
        ({"requestContext__connectionId": ""}, "connectionId"),
        ({"requestContext__connectionId": "a\r\nb: c"}, r"a\r\nb: c"),
        ({"requestContext__connectionId": "caf\u00e9"}, "connectionId"),
        ({"body": "%", "isBase64Encoded": True}, "base64"),
        ({"body": ["x"]}, "body"),
        ({"headers": "x"}, "headers"),
    ],
)
def test_a_broken_event_gets_a_400_and_a_log_line(
    caplog: pytest.LogCaptureFixture, overrides: dict[str, Any], fact: str
) -> None:
    app = Answer()
    assert answer(of("message", **overrides), app)["statusCode"] == 400
    assert not app.scope
    assert_logged(caplog, ("ERROR", "MESSAGE ?: ", "websocket event", fact))


@every_case(
    "overrides",
    [
        {"methodArn": "arn"},
        {"requestContext__eventType": "OTHER"},
        {"requestContext__eventType": {}},
        {"requestContext__eventType": MISSING},
    ],
)
def test_an_authorizers_event_and_an_unknown_type_stay_unsupported(overrides: dict[str, Any]) -> None:
    app = Answer()
    for options in ({}, {"on_event": lambda event, context: None}):
        with pytest.raises(UnsupportedEvent, match=r"authorizer|WebSocket"):
            called(Bridge(app, lifespan="off", **options), of("connect", **overrides))  # type: ignore[arg-type]
    assert not app.scope


def test_the_source_can_be_left_out() -> None:
    others = [source for source in DEFAULT_SOURCES if source.name != "websocket"]
    with pytest.raises(UnsupportedEvent, match=r"WebSocket API's .* not among the given ones"):
        called(Bridge(Answer(), lifespan="off", sources=others), of("message"))


def test_on_event_gets_none_of_them_and_a_mapping_is_an_event() -> None:
    app = Answer(content=b"from the application")
    handler = Bridge(app, lifespan="off", on_event=lambda event, context: "from the function")
    assert called(handler, UserDict(of("message")))["body"] == "from the application"


RESULTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"headers": {}}),
    ({"status": 403, "content": b"no"}, {"statusCode": 403, "headers": {}, "body": "no"}),
    (
        {"headers": [(b"Sec-WebSocket-Protocol", b"chat.v2"), (b"vary", b"a"), (b"Vary", b"b")]},
        {"headers": {"sec-websocket-protocol": "chat.v2", "vary": "a, b"}},
    ),
    ({"headers": [(b"set-cookie", b"a=1, 2")]}, {"headers": {"set-cookie": "a=1, 2"}}),
    (
        {"headers": [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-a", b"1")]},
        {"headers": {"x-a": "1"}, "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]}},
    ),
    (
        {"headers": [(b"content-type", b"application/json")], "content": '{"a": "\u00e9"}'.encode()},
        {"headers": {"content-type": "application/json"}, "body": '{"a": "\u00e9"}'},
    ),
    (
        {"headers": [(b"content-type", b"image/png")], "content": b"\x89PNG"},
        {"headers": {"content-type": "image/png"}, "body": b64encode(b"\x89PNG").decode(), "isBase64Encoded": True},
    ),
    ({"status": 204, "content": b"dropped"}, {"statusCode": 204, "headers": {}}),
    ({"headers": [(b"a b", b"1")]}, {"statusCode": 500, "body": "Internal Server Error"}),
]


@every_case("name", NAMES)
@every_case(("response", "expected"), RESULTS)
def test_the_result_has_what_api_gateway_reads(name: str, response: dict[str, Any], expected: dict[str, Any]) -> None:
    result = answer(of(name), Answer(**response))
    if "headers" not in expected:  # one of our own
        del result["headers"]
    assert result == {"statusCode": 200, "body": "", "isBase64Encoded": False, **expected}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_a_refusal_and_an_exception_are_results_and_fail_no_invocation(
    caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("no room")

    assert call(Bridge(Answer(401), lifespan="off"), of("connect"))["statusCode"] == 401
    assert_logged(caplog)
    assert call(Bridge(broken, lifespan="off"), of("connect"))["statusCode"] == 500
    assert_logged(caplog, ("ERROR", "POST /websocket/connect", "LookupError: no room"))
    failing = Settings(error_status_codes=frozenset({401}))
    with pytest.raises(ErrorStatus, match="401"):
        call(Bridge(Answer(401), lifespan="off", settings=failing), of("connect"))


@every_case("name", NAMES)
def test_nothing_is_compressed(name: str) -> None:
    app = Answer(headers=[(b"content-type", b"text/plain")], content=TEXT)
    asked = {"headers": {"Accept-Encoding": "gzip, br"}, "multiValueHeaders": MISSING} if name == "disconnect" else {}
    result = answer(of(name, **asked), app, Settings(compression=True))
    assert result["headers"] == {"content-type": "text/plain"}
    assert result["body"].encode() == TEXT


@pytest.mark.anyio
async def test_they_never_ask_for_a_stream_and_can_be_read_as_one(anyio_backend: str) -> None:
    settings = Settings(compression=True)
    async with Bridge(sending(START, part(TEXT)), lifespan="off", settings=settings) as handler:
        assert not handler._can_stream(of("message"))
        async with handler.stream(of("connect"), None) as response:
            assert b"".join([part async for part in response.body]) == TEXT
        assert response.prelude["statusCode"] == 200


def test_a_result_in_place_of_a_late_one_has_their_shape() -> None:
    handler = Bridge(Answer(), lifespan="off")
    result = handler._substitute(of("message"), 504)
    assert result is not None
    assert (result["statusCode"], result["headers"]["content-type"]) == (504, "text/plain; charset=utf-8")
    handler.close()


def test_a_header_may_become_authorization_and_a_message_has_none(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(authorization_source="x-amzn-trace-id", trust_forwarded_host=True)
    assert dict(scope_of(of("connect"), settings)["headers"])[b"authorization"].startswith(b"Root=1-")
    assert dict(scope_of(of("message"), settings)["headers"])[b"host"] == HOST
    assert_logged(caplog)


def test_a_clients_connection_id_is_dropped_for_any_source() -> None:
    sent = {"X-Amzn-Connection-Id": "victim=", "x_amzn_connection_id": "victim=", "x.amzn.connection.id": "victim="}
    found = scope_of(of("connect", headers=sent, multiValueHeaders={name: [value] for name, value in sent.items()}))
    assert [pair for pair in found["headers"] if pair[1] == b"victim="] == []
    assert found["headers"].count(ID) == 1

    class Own:
        name = "own"

        def matches(self, event: Event) -> bool:
            return True

        def decode(self, event: Event, settings: Settings) -> httpx.Request:
            source = find_source(event)
            assert source is None or source.name == "websocket"
            if source is not None:
                return source.decode(event, settings)
            return httpx.Request("GET", "https://own/", headers=sent | {"x-own": "1"})

        def encode(self, response: Any, event: Event, settings: Settings) -> Event:
            return {}

    for event, expected in (({}, []), (of("message"), [ID])):
        app = Answer()
        called(Bridge(app, lifespan="off", sources=[Own()]), event)
        named = [pair for pair in app.scope["headers"] if pair[0].translate(None, b"-_.") == b"xamznconnectionid"]
        assert named == expected


def test_a_transport_of_the_users_gets_them_too() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[request.method, str(request.url), request.headers["x-amzn-connection-id"]])

    result = called(Handler(httpx.MockTransport(reply)), of("message"))
    assert json.loads(result["body"]) == ["POST", f"https://{HOST.decode()}/websocket/message", ID[1].decode()]


def test_a_wsgi_application_has_event_and_id_in_its_environ() -> None:
    environs: list[Event] = []

    def app(environ: Event, start_response: Any) -> list[bytes]:
        environs.append(environ | {"body": environ["wsgi.input"].read()})
        start_response("403 Forbidden", [("Sec-WebSocket-Protocol", "chat.v2")])
        return [b"no"]

    event = of("message", headers={"x_amzn_connection_id": "victim="})
    result = called(Bridge(app), event)
    assert (result["statusCode"], result["headers"]["sec-websocket-protocol"], result["body"]) == (403, "chat.v2", "no")
    (environ,) = environs
    assert environ["aws.event"] is event
    assert environ["HTTP_X_AMZN_CONNECTION_ID"] == ID[1].decode()
    assert (environ["PATH_INFO"], environ["SCRIPT_NAME"]) == ("/websocket/message", "")
    assert (environ["CONTENT_TYPE"], environ["body"]) == ("application/json", event["body"].encode())


def test_a_function_without_such_events_does_not_import_their_source() -> None:
    program = (
        "import sys, bridge; from tests.events import load; from tests.sources.exchange import answer\n"
        "for name in ('rest_api', 'function_url'): answer(load(name))\n"
        "assert 'bridge.sources.websocket' not in sys.modules\n"
        "answer(load('websocket_message'))\n"
        "assert 'bridge.sources.websocket' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
