"""The sizes of results: Lambda and load balancers refuse a large one. CloudFront's limits are in test_lambda_edge."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge, Handler, Settings
from bridge._httpx import httpx
from bridge.errors import ErrorStatus
from bridge.init_phase import Runtime
from bridge.sources import function_url
from bridge.sources._size import MAX_RESULT
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.events import BASES, load
from tests.logged import assert_logged
from tests.sources.exchange import Answer, answer, as_client

TEXT, DATA = (b"content-type", b"text/plain"), (b"content-type", b"image/png")

LIMITS = {name: MAX_RESULT for name in BASES if name != "lambda_edge"}
LIMITS |= {"alb": 1024 * 1024, "alb_multi": 1024 * 1024}


@every_case(("name", "limit"), LIMITS.items())
@every_case("header", [TEXT, DATA])
def test_the_largest_result_passes_and_a_larger_one_is_a_500_that_says_why(
    name: str, limit: int, header: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    frame = len(json.dumps(answer(load(name), Answer(headers=[header], content=b"")), ensure_ascii=False))
    room = limit - frame if header is TEXT else (limit - frame) // 4 * 3
    whole = answer(load(name), Answer(headers=[header], content=b"x" * room))
    assert (whole["statusCode"], len(json.dumps(whole)) > limit - 6) == (200, True)
    assert_logged(caplog)
    refused = answer(load(name), Answer(headers=[header], content=b"x" * (room + 3)))
    status, headers, body = as_client(refused)
    assert (status, dict(headers)["content-type"]) == (500, "text/plain; charset=utf-8")
    assert f"{limit} at most" in body.decode()
    assert_logged(caplog, ("ERROR", "POST ", "/orders/caf%C3%A9", f"{limit} at most"))


# The environment of AWS's own runtime client, which writes ASCII or UTF-8, and no such environment.
IN_LAMBDA = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}
IN_ASCII = {**IN_LAMBDA, "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11"}
IN_UTF_8 = {**IN_LAMBDA, "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}


@every_case(
    ("character", "in_ascii", "in_utf_8"),
    [("x", 1, 1), ('"', 2, 2), ("\x01", 6, 6), ("\u00e9", 6, 2), ("\u6771", 6, 3), ("\U0001f600", 12, 4)],
)
def test_the_size_is_that_of_what_the_runtime_client_posts(
    character: str, in_ascii: int, in_utf_8: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for environ, size in ((IN_ASCII, in_ascii), (IN_UTF_8, in_utf_8), ({}, in_utf_8)):
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            for count, status in ((6_291_000 // size, 200), (6_291_556 // size, 500)):
                result = answer(load("http_api_v2"), Answer(content=character.encode() * count))
                assert (result["statusCode"], environ) == (status, environ)


def test_a_result_that_is_far_from_the_limit_is_not_encoded_to_measure_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "result_size", None)
    headers = [(b"x-%d" % number, b"v" * 20) for number in range(200)]
    for name in BASES:
        assert as_client(answer(load(name), Answer(headers=headers, content=b"\0" * 20_000)))[0] == 200


@every_case("header", [(b"x-long", b"\x80" * 1_200_000), (b"set-cookie", b"a=" + b'"' * 3_200_000)])
def test_headers_count_too(header: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in IN_ASCII.items():
        monkeypatch.setenv(name, value)
    assert answer(load("rest_api"), Answer(headers=[header]))["statusCode"] == 500


def test_a_response_to_head_has_no_body_to_be_too_large() -> None:
    assert answer(load("rest_api", httpMethod="HEAD"), Answer(content=b"x" * 7_000_000))["statusCode"] == 200


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_handle_answers_the_same_unless_that_status_is_set_to_fail_the_invocation() -> None:
    app = sending(START, part(b"x" * 7_000_000))
    async with Bridge(app, lifespan="off") as handler:
        assert (await handler.handle(load("rest_api"), None))["statusCode"] == 500
    settings = Settings(error_status_codes=frozenset({500}))
    async with Bridge(app, lifespan="off", settings=settings) as handler:
        with pytest.raises(ErrorStatus, match="6291556 at most"):
            await handler.handle(load("rest_api"), None)


# Every kind of handler.


def wsgi_of(size: int) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * size]

    return app


def asgi_of(size: int) -> Any:
    return sending(START, part(b"x" * size))


def mocked(size: int) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(200, content=b"x" * size))


HANDLERS: dict[str, Callable[[int], Handler]] = {
    "ASGI": lambda size: Bridge(asgi_of(size), lifespan="off"),
    "WSGI": lambda size: Bridge(wsgi_of(size)),
    "compressed, for a client that takes no coding": lambda size: Bridge(asgi_of(size), compression=True),
    "httpx.ASGITransport": lambda size: Handler(httpx.ASGITransport(asgi_of(size))),
    "a transport": lambda size: Handler(mocked(size)),
}

# By event: what is taken, and what the message for a larger one says.
TAKEN = {
    "http_api_v2": (MAX_RESULT - 1000, "Lambda takes 6291556 at most"),
    "alb": (1024 * 1024 - 1000, "its service takes 1048576 at most"),
    "lambda_edge": (40 * 1024 - 1000, "CloudFront takes 40960 at most"),
    "websocket_message": (128 * 1024, "API Gateway takes 131072 at most"),
    "websocket_connect": (MAX_RESULT - 1000, "Lambda takes 6291556 at most"),
}


@every_case(("event", "taken"), TAKEN.items())
@every_case("kind", HANDLERS)
def test_every_handler_refuses_what_the_service_does(
    event: str, taken: tuple[int, str], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    largest, message = taken
    for size, status in ((largest, 200), (largest + 1001, 500)):
        caplog.clear()
        with closing(HANDLERS[kind](size)) as handler:
            result = handler(load(event), None)
        assert int(result.get("statusCode") or result["status"]) == status
        assert_logged(caplog, *([("ERROR", "POST /", "bytes", message)] if status == 500 else []))
        assert (message in result["body"]) == (status == 500)


class Boxed:
    """A source of a service that takes little."""

    name = "boxed"
    max_result = 30_000

    def matches(self, event: Any) -> bool:
        return True

    def decode(self, event: Any, settings: Settings) -> Any:
        return function_url.decode(load("function_url"), settings)

    def encode(self, response: Any, event: Any, settings: Settings) -> Any:
        return {"status": response.status_code, "box": response.body.decode("ascii"), "event": event}


@every_case(("size", "event", "status"), [(29_000, {}, 200), (30_000, {}, 500), (30_000, {"a": object()}, 500)])
def test_a_source_may_have_a_limit_of_its_own(size: int, event: Any, status: int) -> None:
    with closing(Bridge(sending(START, part(b"x" * size)), lifespan="off", sources=[Boxed()])) as handler:
        assert handler(event, None)["status"] == status


def test_our_own_runtime_writes_utf_8_without_blanks() -> None:
    result = {"a": ["\u00e9", 1], "b": "\ud800"}
    assert Runtime(can_stream=True).result_size(result) == len(b'{"a":["\xc3\xa9",1],"b":"\\ud800"}')
    circular: list[object] = []
    circular.append(circular)
    assert Runtime().result_size(circular) == 0
