"""LambdaTransport: its options, URLs, errors and reasons, its lifespan, and its context."""

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from bridge import Bridge, Handler
from bridge._httpx import httpx
from bridge._types import Receive, Scope, Send
from bridge.errors import RunningLoopError
from bridge.testing import LambdaContext, LambdaTransport
from bridge.testing.services import ServiceName
from tests.apps import START, Journal, part, sending
from tests.cases import every_case
from tests.logged import assert_logged

REASON = "bridge.reason"


def echo(event: Any, context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event), "isBase64Encoded": False, "headers": {}}


def client(transport: LambdaTransport, base_url: str = "https://shop.example") -> httpx.Client:
    return httpx.Client(transport=transport, base_url=base_url)


def async_client(transport: LambdaTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport, base_url="https://shop.example")


@every_case(
    ("source", "options", "fact"),
    [
        ("alb", {"stage": "prod"}, "no stage"),
        ("function-url", {"stage": "prod"}, "It has: authorizer, stream"),
        ("function-url", {"domain": "a.example"}, "no domain"),
        ("lattice-v1", {"authorizer": {}}, "It has: none"),
        ("http-api", {"binary_media_types": ["image/png"]}, "no binary_media_types"),
        *((source, {"stream": True}, "no stream") for source in ("http-api", "http-api-v1", "alb", "lattice-v2")),
        *((source, {"stream": True}, "no stream") for source in ("edge-viewer", "edge-origin", "alb-multi")),
        ("rest-api", {"base_path_mapping": "shop"}, "give its domain"),
        ("rest-api", {"stage": "prod", "domain": "a.example"}, "either stage or domain"),
        ("rest-api", {"stage": "a/b"}, "one segment"),
        ("rest-api", {"stage": "a?"}, "one segment"),
        ("rest-api", {"stage": "caf\u00e9"}, "one segment"),
        ("http-api", {"stage": "a b"}, "one segment"),
        ("rest-api", {"binary_media_types": "image/png"}, "a list"),
        ("http-api", {"authorizer": "jwt"}, "a mapping"),
        ("http-api", {"domain": "a.example", "base_path_mapping": "a/b"}, "one segment"),
        ("lambda", {}, "Expected one of function-url"),
    ],
)
def test_an_option_that_the_service_does_not_have_is_an_error(source: Any, options: dict[str, Any], fact: str) -> None:
    with pytest.raises(ValueError, match=fact):
        LambdaTransport(echo, source, **options)


@pytest.mark.parametrize("handler", [None, 5, object(), "not a URL", "ftp://host"])
def test_a_handler_that_is_none_is_an_error(handler: object) -> None:
    with pytest.raises(TypeError, match=r"Expected .*but got"):
        LambdaTransport(handler)


def test_an_application_is_an_error_that_says_how_to_make_a_handler() -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        return []

    for app in (sending(), wsgi):
        with pytest.raises(TypeError, match=r"application.*Bridge\(app\)"):
            LambdaTransport(app)


SHOP = {"domain": "shop.example", "base_path_mapping": "/shop/"}


@every_case(
    ("source", "options", "path", "status", "seen"),
    [
        ("rest-api", {"stage": "prod"}, "/prod/a%2Fb?c=1", 200, "/a%2Fb"),
        ("rest-api", {"stage": "prod"}, "/a", 403, ""),
        ("rest-api", {"stage": "prod"}, "/production", 403, ""),
        ("rest-api", {}, "/a", 200, "/a"),
        ("rest-api", SHOP, "/shop/a", 200, "/shop/a"),
        ("rest-api", SHOP, "/a", 403, ""),
        ("http-api", {"stage": "/prod"}, "/prod/a", 200, "/prod/a"),
        ("http-api", {"stage": "prod"}, "/a", 404, ""),
        ("http-api", {"stage": "$default"}, "/a", 200, "/a"),
        ("http-api-v1", {"stage": "$default"}, "/a", 200, "/a"),
        ("http-api", SHOP, "/shop/a", 200, "/a"),
        ("http-api-v1", SHOP, "/shop/a", 200, "/shop/a"),
        ("function-url", {}, "/a", 200, "/a"),
    ],
)
def test_the_url_is_that_of_the_client(source: Any, options: dict[str, Any], path: str, status: int, seen: str) -> None:
    with client(LambdaTransport(echo, source, **options)) as http:
        response = http.get(path)
    assert response.status_code == status
    assert (REASON in response.extensions) == (status != 200)
    if status == 200:
        event = response.json()
        assert event.get("rawPath", event.get("path")) == seen


def test_host_scheme_and_port_are_those_of_the_request() -> None:
    with client(LambdaTransport(echo, "alb"), "http://shop.example:8080") as http:
        headers = http.get("/").json()["headers"]
    forwarded = {name: headers[name] for name in ("host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-for")}
    assert forwarded == {
        "host": "shop.example:8080",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "8080",
        "x-forwarded-for": "203.0.113.7",
    }


def test_the_extension_target_is_the_request_target_as_it_is() -> None:
    with client(LambdaTransport(echo, "function-url", client=("192.0.2.1", 1))) as http:
        event = http.get("/", extensions={"target": b"/a//%zz?b"}).json()
    assert (event["rawPath"], event["rawQueryString"]) == ("/a//%zz", "b")
    assert event["requestContext"]["http"]["sourceIp"] == "192.0.2.1"


def fails(event: Any, context: Any) -> Any:
    raise KeyError("the cause")


def exits(event: Any, context: Any) -> Any:
    sys.exit("no database")


def nested(event: Any, context: Any) -> Any:
    result: list[Any] = []
    for _ in range(100_000):
        result = [result]
    return result


async def fails_async(event: Any, context: Any) -> Any:
    raise KeyError("the cause")


@every_case(
    ("handler", "source", "status", "fact"),
    [
        (fails, "rest-api", 502, "The function raised: KeyError: 'the cause'"),
        (fails_async, "http-api", 500, "KeyError"),
        (fails, "alb", 502, "KeyError"),
        (lambda *_: {"statusCode": 200, "cookies": ["a=1"]}, "rest-api", 502, "'cookies'"),
        (lambda *_: {1, 2}, "function-url", 502, "The result is not JSON: TypeError"),
        (exits, "http-api-v1", 500, "The function raised: SystemExit: no database"),
        (nested, "rest-api", 502, "The result is not JSON: RecursionError"),
        (lambda *_: {"statusCode": 200, "body": b"\xff"}, "alb", 502, "The result is not JSON: UnicodeDecodeError"),
        (lambda *_: {"statusCode": 200, "headers": {"a": float("nan")}}, "rest-api", 502, "bytes"),
        (lambda *_: {"statusCode": 200, "headers": {"via": "1.1 a"}}, "rest-api", 200, "via"),
        (lambda *_: {"statusCode": 200, "body": "x" * 6_291_556}, "http-api", 500, "6291556"),
    ],
)
def test_a_reason_says_what_was_refused_and_what_was_changed(
    handler: Callable[..., Any], source: Any, status: int, fact: str
) -> None:
    with client(LambdaTransport(handler, source)) as http:
        response = http.get("/")
    assert response.status_code == status
    assert fact in response.extensions[REASON]


def test_values_are_encoded_as_lambda_encodes_them() -> None:
    result = {"statusCode": Decimal(201), "body": "caf\u00e9".encode(), "headers": {"x-rate": Decimal("1.5")}}
    with client(LambdaTransport(lambda *_: result, "rest-api")) as http:
        response = http.get("/")
    assert (response.status_code, response.text, response.headers["x-rate"]) == (201, "caf\u00e9", "1.5")


@every_case(
    ("method", "headers", "extensions", "fact"),
    [
        ("A B", {}, {}, "method"),
        ("", {}, {}, "method"),
        ("GET", {"a\nb": "1"}, {}, "header name"),
        ("GET", {"a": "1\r\nb: 2"}, {}, "header value"),
        ("GET", {}, {"target": "/caf\u00e9".encode()}, "request-target"),
        ("GET", {}, {"target": b"/a b"}, "request-target"),
    ],
)
def test_what_http_cannot_carry_is_an_error_as_with_any_transport(
    method: str, headers: dict[str, str], extensions: dict[str, Any], fact: str
) -> None:
    with client(LambdaTransport(echo)) as http, pytest.raises(httpx.LocalProtocolError, match=fact):
        http.request(method, "/", headers=headers, extensions=extensions)


async def echo_async(event: Any, context: Any) -> Any:
    return echo(event, context)


async def exits_in_app(scope: Scope, receive: Receive, send: Send) -> None:
    sys.exit("no database")


async def test_a_sync_client_in_async_code_is_an_error_of_the_test() -> None:
    for handler, options in ((Bridge(Journal()), {}), (Bridge(Journal()), {"stream": True}), (echo_async, {})):
        transport = LambdaTransport(handler, **options)  # type: ignore[arg-type]
        with pytest.raises(RunningLoopError):
            httpx.Client(transport=transport).get("https://shop.example/")
    with pytest.raises(RunningLoopError):
        LambdaTransport(Bridge(Journal())).close()


@pytest.mark.parametrize("stream", [False, True])
def test_an_application_that_ends_the_process_is_a_function_that_failed(stream: bool) -> None:
    with closing(Bridge(exits_in_app, lifespan="off")) as handler:
        with client(LambdaTransport(handler, stream=stream)) as http:
            response = http.get("/")
        assert (response.status_code, "SystemExit: no database" in response.extensions[REASON]) == (502, True)
        raising = LambdaTransport(handler, stream=stream, raise_exceptions=True)
        with client(raising) as http, pytest.raises(SystemExit, match="no database"):
            http.get("/")


@every_case(
    ("app", "status", "body"),
    [
        (exits_in_app, 502, b"Internal Server Error"),
        (sending(START, part(b"a", more=True), then=SystemExit()), 200, b"a"),
    ],
)
def test_the_end_of_the_process_ends_a_stream_and_leaves_no_task(
    app: Any, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Bridge(app, lifespan="off")) as handler, client(LambdaTransport(handler, stream=True)) as http:
        response = http.get("/")
        gc.collect()
        assert (response.status_code, response.content, "SystemExit" in response.extensions[REASON]) == (
            status,
            body,
            True,
        )
    assert "never retrieved" not in caplog.text


async def test_the_same_in_async_code() -> None:
    for handler in (fails, fails_async):
        async with async_client(LambdaTransport(handler, "rest-api")) as http:
            response = await http.get("/")
        assert (response.status_code, "KeyError" in response.extensions[REASON]) == (502, True)
        async with async_client(LambdaTransport(handler, "rest-api", raise_exceptions=True)) as http:
            with pytest.raises(KeyError, match="the cause"):
                await http.get("/")


def test_a_request_that_the_service_refuses_does_not_reach_the_handler() -> None:
    calls: list[Any] = []
    with client(LambdaTransport(lambda *arguments: calls.append(arguments), "alb", raise_exceptions=True)) as http:
        response = http.post("/", content=b"x" * (1 << 20) + b"x")
    assert (response.status_code, calls) == (413, [])
    assert "1048577" in response.extensions[REASON]


async def answers_and_raises(scope: Scope, receive: Receive, send: Send) -> None:
    await sending({**START, "status": 500}, part(b"oops"))(scope, receive, send)
    raise KeyError("after the answer")


@every_case(
    ("app", "body", "fact"),
    [
        (sending(then=KeyError("before the answer")), b"Internal Server Error", "before the answer"),
        (answers_and_raises, b"oops", "after the answer"),
        (sending(START, part(b"a", more=True), then=KeyError("in the middle")), b"Internal Server Error", "middle"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_exception_of_an_application_is_the_reason_or_is_raised(
    app: Any, body: bytes, fact: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Bridge(app, lifespan="off")) as handler:
        with client(LambdaTransport(handler)) as http:
            response = http.get("/")
            assert (response.status_code, response.content) == (500, body)
            assert "KeyError" in response.extensions[REASON]
            assert fact in response.extensions[REASON]
        with client(LambdaTransport(handler, raise_exceptions=True)) as http, pytest.raises(KeyError, match=fact):
            http.get("/")

        async def raises() -> None:
            async with async_client(LambdaTransport(Bridge(app, lifespan="off"), raise_exceptions=True)) as http:
                await http.get("/")

        with pytest.raises(KeyError, match=fact):
            asyncio.run(raises())
    assert_logged(caplog, *[("ERROR", "GET /", "KeyError")] * 3)


def test_a_response_that_is_an_error_is_not_an_exception() -> None:
    app = sending({**START, "status": 503}, part(b"busy"))
    with (
        closing(Bridge(app, lifespan="off")) as handler,
        client(LambdaTransport(handler, raise_exceptions=True)) as http,
    ):
        assert http.get("/").status_code == 503


def test_startup_and_shutdown_run_once_for_each_client() -> None:
    journal = Journal()
    with closing(Bridge(journal)) as handler:
        for _ in range(2):
            with client(LambdaTransport(handler, "alb")) as http:
                assert [http.get("/").status_code for _ in range(2)] == [200, 200]
    assert journal.steps == ["startup", "request", "request", "shutdown"] * 2


def test_a_handler_may_be_closed_before_its_client() -> None:
    journal = Journal()
    handler = Bridge(journal)
    with client(LambdaTransport(handler)) as http:
        http.get("/")
        handler.close()
    assert journal.steps == ["startup", "request", "shutdown"]


async def test_startup_and_shutdown_run_once_for_each_async_client() -> None:
    journal = Journal()
    handler = Bridge(journal)
    for _ in range(2):
        async with async_client(LambdaTransport(handler, "rest-api")) as http:
            assert [(await http.get("/")).status_code for _ in range(2)] == [200, 200]
    assert journal.steps == ["startup", "request", "request", "shutdown"] * 2


async def test_concurrent_requests_are_concurrent_invocations() -> None:
    """Each of them waits until all are there."""
    there = asyncio.Barrier(5)

    async def together(event: Any, context: Any) -> Any:
        async with asyncio.timeout(30):
            await there.wait()
        return echo(event, context)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(30):
            await there.wait()
        await sending(START, part(scope["path"].encode()))(scope, receive, send)

    for handler in (together, Bridge(app, lifespan="off"), Handler(httpx.ASGITransport(app))):
        async with async_client(LambdaTransport(handler)) as http:
            responses = await asyncio.gather(*[http.get(f"/{number}") for number in range(5)])
        assert [f"/{number}" in response.text for number, response in enumerate(responses)] == [True] * 5


async def test_a_sync_function_is_called_in_a_thread_by_async_code() -> None:
    there = threading.Barrier(3)

    def together(event: Any, context: Any) -> Any:
        there.wait(timeout=30)
        return echo(event, context)

    async with async_client(LambdaTransport(together)) as http:
        responses = await asyncio.gather(*[http.get("/") for _ in range(3)])
    assert [response.status_code for response in responses] == [200] * 3


def test_the_context_is_new_in_each_call_counts_down_and_can_be_replaced() -> None:
    seen: list[Any] = []

    def handler(event: Any, context: Any) -> Any:
        seen.append(context)
        return {}

    def one(**options: Any) -> Any:
        with client(LambdaTransport(handler, **options)) as http:
            http.get("/")
        return seen.pop()

    first, second = one(), one()
    assert first.aws_request_id != second.aws_request_id
    assert 0 < first.get_remaining_time_in_millis() <= 29_000
    assert first.aws_request_id in repr(first)
    context = LambdaContext(function_name="shop", timeout=0)
    assert (context.get_remaining_time_in_millis(), context.invoked_function_arn.split(":")[-1]) == (0, "shop")
    assert one(context=context) is context
    assert one(context=lambda: "made for each call") == "made for each call"


def test_each_request_has_identifiers_of_its_own() -> None:
    with client(LambdaTransport(echo)) as http:
        responses = [http.get("/") for _ in range(2)]
    events = [response.json() for response in responses]
    assert events[0]["requestContext"]["requestId"] != events[1]["requestContext"]["requestId"]
    assert responses[0].headers["x-amzn-requestid"] == events[0]["requestContext"]["requestId"]
    assert responses[0].headers["x-amzn-trace-id"] == events[0]["headers"]["x-amzn-trace-id"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


@every_case(
    ("service", "settings", "expected"),
    [
        (service, settings, expected)
        for service in ("rest-api", "http-api", "http-api-v1")
        for settings, expected in [({"root_path": "/api"}, "/api /api/tea"), ({"base_path": "/api"}, " /tea")]
    ],
)
def test_root_path_keeps_the_mapping_of_a_custom_domain_and_base_path_removes_it(
    service: ServiceName, settings: dict[str, Any], expected: str
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, part(f"{scope['root_path']} {scope['path']}".encode()))(scope, receive, send)

    handler = Bridge(app, lifespan="off", **settings)
    transport = LambdaTransport(handler, service, domain="shop.example", base_path_mapping="api")
    with client(transport, "https://shop.example/api") as http:
        assert http.get("/tea").text == expected
