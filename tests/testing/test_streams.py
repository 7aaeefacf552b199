"""Streamed responses through LambdaTransport, for sync and for async clients."""

import asyncio
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge, Proxy, Settings
from bridge._httpx import httpx
from bridge._types import Receive, Scope, Send
from bridge.testing import LambdaTransport
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.logged import assert_logged
from tests.proxy.origins import Origin, answering, response

pytestmark = pytest.mark.anyio

REASON = "bridge.reason"
SOURCES: tuple[Any, ...] = ("function-url", "rest-api")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def client(handler: object, source: Any = "function-url", **options: Any) -> httpx.Client:
    transport = LambdaTransport(handler, source, stream=True, **options)
    return httpx.Client(transport=transport, base_url="https://shop.example")


def async_client(handler: object, source: Any = "function-url", **options: Any) -> httpx.AsyncClient:
    transport = LambdaTransport(handler, source, stream=True, **options)
    return httpx.AsyncClient(transport=transport, base_url="https://shop.example")


class Parts:
    """An application that sends endless parts, and notes how many it has sent, and how it ended."""

    def __init__(self) -> None:
        self.sent = 0
        self.end = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            while True:
                await send(part(b"%d " % self.sent, more=True))
                self.sent += 1
        except BaseException as exc:
            self.end = type(exc).__name__
            raise


# More than there can be on the way: a part that waits for its reader, and one in the application's hands.
FEW = 5


def test_an_application_waits_for_its_reader_and_is_told_when_that_leaves() -> None:
    for source in SOURCES:
        app = Parts()
        with closing(Bridge(app, lifespan="off")) as handler, client(handler, source) as http:
            with http.stream("GET", "/") as answer:
                parts = answer.iter_raw()
                assert [next(parts) for _ in range(3)] == [b"0 ", b"1 ", b"2 "]
                assert app.sent <= 3 + FEW
                assert app.end == ""
            assert app.end != ""
            assert REASON not in answer.extensions


async def test_an_application_waits_for_its_async_reader_and_is_told_when_that_leaves() -> None:
    for source in SOURCES:
        app = Parts()
        async with async_client(Bridge(app, lifespan="off"), source) as http:
            async with http.stream("GET", "/") as answer:
                parts = answer.aiter_raw()
                assert [await anext(parts) for _ in range(3)] == [b"0 ", b"1 ", b"2 "]
                assert app.sent <= 3 + FEW
                await parts.aclose()  # type: ignore[attr-defined]
            assert app.end != ""


def wsgi(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    yield b"one"
    yield b"two"


COOKIES = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
asgi = sending(
    {**START, "headers": [(b"content-type", b"text/plain"), *COOKIES]}, part(b"one", more=True), part(b"two")
)


def got(handler: Any, source: Any) -> httpx.Response:
    with closing(handler), client(handler, source) as http:
        return http.get("/")


async def test_parts_and_cookies_arrive_from_every_kind_of_handler() -> None:
    raw = response(b"onetwo", b"content-type: text/plain", b"set-cookie: a=1", b"set-cookie: b=2")
    with Origin(answering(raw)) as origin:
        for source in SOURCES:
            for make in (
                lambda: Bridge(asgi, lifespan="off"),
                lambda: Bridge(wsgi),
                lambda: Proxy(url=f"http://127.0.0.1:{origin.port}", readiness_protocol="tcp"),
            ):
                async with async_client(make(), source) as http:
                    answers = [await http.get("/")]

                answers.append(await asyncio.to_thread(got, make(), source))
                for answer in answers:
                    assert (answer.status_code, answer.text) == (200, "onetwo")
                    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
                    assert answer.headers["content-type"] == "text/plain"


@every_case(
    ("method", "status"),
    [("HEAD", 200), ("GET", 204), ("GET", 304)],
)
def test_a_response_without_a_body_has_none(method: str, status: int) -> None:
    app = sending({**START, "status": status}, part(b"one", more=True), part(b"two"))
    for source in SOURCES:
        with closing(Bridge(app, lifespan="off")) as handler, client(handler, source) as http:
            answer = http.request(method, "/")
        assert (answer.status_code, answer.content) == (status, b"")


def test_a_stream_that_breaks_ends_early_and_the_reason_is_there(caplog: pytest.LogCaptureFixture) -> None:
    app = sending(START, part(b"one", more=True), then=KeyError("in the middle"))
    for source in SOURCES:
        with closing(Bridge(app, lifespan="off")) as handler:
            with client(handler, source) as http:
                answer = http.get("/")
                assert (answer.status_code, answer.content) == (200, b"one")
                assert "The stream broke: KeyError: 'in the middle'" in answer.extensions[REASON]
            with client(handler, source, raise_exceptions=True) as http, pytest.raises(KeyError, match="middle"):
                http.get("/")


async def test_the_same_for_an_async_client() -> None:
    app = sending(START, part(b"one", more=True), then=KeyError("in the middle"))
    async with async_client(Bridge(app, lifespan="off")) as http:
        answer = await http.get("/")
        assert (answer.content, "KeyError" in answer.extensions[REASON]) == (b"one", True)
    async with async_client(Bridge(app, lifespan="off"), raise_exceptions=True) as http:
        with pytest.raises(KeyError, match="middle"):
            await http.get("/")


def test_a_failure_before_the_first_part_is_answered_by_the_handler(caplog: pytest.LogCaptureFixture) -> None:
    app = sending(then=KeyError("at the start"))
    for source in SOURCES:
        with closing(Bridge(app, lifespan="off")) as handler:
            with client(handler, source) as http:
                answer = http.get("/")
                assert (answer.status_code, answer.content) == (500, b"Internal Server Error")
                assert "at the start" in answer.extensions[REASON]
            with client(handler, source, raise_exceptions=True) as http, pytest.raises(KeyError, match="start"):
                http.get("/")
    assert_logged(caplog, *[("ERROR", "GET /", "at the start")] * 4)


def test_a_failure_without_a_prelude_is_the_services_own_error() -> None:
    """An error status that is set to fail the invocation is one."""
    app = sending({**START, "status": 503}, part(b"busy"))
    for source, status in (("function-url", 502), ("rest-api", 500)):
        settings = Settings(error_status_codes=frozenset({503}))
        with closing(Bridge(app, lifespan="off", settings=settings)) as handler, client(handler, source) as http:
            answer = http.get("/")
        assert (answer.status_code, "ErrorStatus" in answer.extensions[REASON]) == (status, True)


def test_a_header_that_the_service_renames_is_renamed_in_a_stream_too() -> None:
    app = sending({**START, "headers": [(b"www-authenticate", b"Basic")]}, part(b"one"))
    for source in SOURCES:
        with closing(Bridge(app, lifespan="off")) as handler, client(handler, source) as http:
            answer = http.get("/")
        assert answer.headers["x-amzn-remapped-www-authenticate"] == "Basic"
        assert "renames" in answer.extensions[REASON]
        assert answer.headers["content-type"] == "application/json"  # which the service adds


async def test_a_function_that_cannot_stream_gives_its_whole_result() -> None:
    def function(event: Any, context: Any) -> Any:
        return {"statusCode": 201, "body": "ok"}

    async def function_async(event: Any, context: Any) -> Any:
        return function(event, context)

    expected = {"function-url": (200, '{"statusCode":201,"body":"ok"}'), "rest-api": (500, None)}
    for source, (status, text) in expected.items():
        for handler in (function, function_async):
            async with async_client(handler, source) as http:
                answers = [await http.get("/")]
            with client(function, source) as http_sync:
                answers.append(http_sync.get("/"))
            for answer in answers:
                assert (answer.status_code, text or answer.text) == (status, answer.text)
                assert "not stream" in answer.extensions[REASON]


def test_a_rest_api_accepts_a_prelude_of_16_kb() -> None:
    for size, status in ((16_000, 200), (17_000, 500)):
        app = sending({**START, "headers": [(b"x-long", b"a" * size)]}, part(b"ok"))
        with closing(Bridge(app, lifespan="off")) as handler, client(handler, "rest-api") as http:
            response_ = http.get("/")
        assert (response_.status_code, "16384" in response_.extensions.get(REASON, "")) == (status, status == 500)
