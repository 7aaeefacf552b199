"""LambdaTransport in front of an endpoint that speaks Lambda's invoke API, on a socket of the loopback interface."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bridge._httpx import httpx
from bridge.testing import FunctionFailed, LambdaTransport
from tests.cases import every_case
from tests.testing.event_streams import chunk, complete, endpoint, event, prelude

REASON = "bridge.reason"
JSON = "application/json"


def get(url: str, source: Any = "function-url", **options: Any) -> httpx.Response:
    """Return the response that both clients get."""
    with httpx.Client(transport=LambdaTransport(url, source, **options), base_url="https://shop.example") as http:
        response = http.get("/a")

    async def again() -> httpx.Response:
        transport = LambdaTransport(url, source, **options)
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as http:
            return await http.get("/a")

    other = asyncio.run(again())
    assert (other.status_code, other.content, other.extensions.get(REASON)) == (
        response.status_code,
        response.content,
        response.extensions.get(REASON),
    )
    return response


@every_case(
    ("base", "path"),
    [
        ("", "/2015-03-31/functions/function/invocations"),
        ("/", "/2015-03-31/functions/function/invocations"),
        ("/2015-03-31/functions/shop/invocations", "/2015-03-31/functions/shop/invocations"),
    ],
)
def test_the_endpoint_gets_the_event_at_the_functions_path(base: str, path: str) -> None:
    seen = []

    def answer(path: str, document: Any) -> Iterator[bytes]:
        seen.append((path, document["rawPath"]))
        yield json.dumps({"statusCode": 201, "body": "made"}).encode()

    with endpoint(answer, JSON) as url:
        response = get(url + base)
    assert (response.status_code, response.text) == (201, "made")
    assert seen == [(path, "/a")] * 2


FAILURE = {"errorType": "KeyError", "errorMessage": "'x'", "stackTrace": [], "requestId": "1"}


@every_case(
    ("status", "answer", "fact"),
    [
        (200, json.dumps(FAILURE).encode(), "KeyError: 'x'"),
        (404, b'{"Type": "User", "Message": "Function not found"}', "Function not found"),
        (200, b"Task timed out after 3.00 seconds", "Task timed out"),
        (500, b"<html>", "<html>"),
    ],
)
def test_a_function_that_failed_is_the_services_own_error(status: int, answer: bytes, fact: str) -> None:
    with endpoint(lambda *_: [answer], JSON, status) as url:
        response = get(url)
        assert (response.status_code, response.text) == (502, "Internal Server Error")
        assert fact in response.extensions[REASON]
        with pytest.raises(FunctionFailed, match=fact):
            get(url, raise_exceptions=True)


def test_what_is_not_json_is_the_result_of_a_custom_runtime() -> None:
    with endpoint(lambda *_: [b"{not JSON"], JSON) as url:
        assert get(url, "http-api").text == "{not JSON"
        assert get(url, "http-api-v1").status_code == 500
        assert get(url, "rest-api").status_code == 502


def test_a_stream_arrives_part_by_part() -> None:
    read = threading.Event()
    seen = []

    def answer(path: str, document: Any) -> Iterator[bytes]:
        seen.append(path)
        whole = prelude(b"", statusCode=201, headers={"x-a": "1", "content-type": "text/plain"}, cookies=["a=1", "b=2"])
        yield chunk(whole[:20])
        yield chunk(whole[20:]) + chunk(b"one")[:7]
        yield chunk(b"one")[7:]
        assert read.wait(30)
        yield chunk(b"two") + complete()

    with endpoint(answer) as url:
        transport = LambdaTransport(url, "function-url", stream=True)
        with (
            httpx.Client(transport=transport, base_url="https://shop.example") as http,
            http.stream("GET", "/a") as response,
        ):
            parts = response.iter_raw()
            assert (response.status_code, response.headers["x-a"]) == (201, "1")
            assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
            assert next(parts) == b"one"
            read.set()
            assert list(parts) == [b"two"]
            assert REASON not in response.extensions
        assert get(url, "rest-api", stream=True).text == "onetwo"
    assert set(seen) == {"/2021-11-15/functions/function/response-streaming-invocations"}


START = chunk(prelude(b"one", statusCode=200))
CRASHED = complete(ErrorCode="Runtime.ExitError", ErrorDetails="it exited")


@every_case(
    ("answer", "body", "fact"),
    [
        ([START, chunk(b"two"), CRASHED], b"onetwo", "Runtime.ExitError: it exited"),
        ([START + chunk(b"two") + CRASHED], b"onetwo", "Runtime.ExitError: it exited"),
        ([START, chunk(b"two")], b"onetwo", "before the stream was complete"),
        ([START, chunk(b"two")[:-3]], b"one", "ended in the middle of a message"),
        ([START, chunk(b"two")[:-1] + b"\0"], b"one", "checksum"),
        (
            [START, event("", b"slow down", message_type="exception", exception_type="TooManyRequestsException")],
            b"one",
            "TooManyRequestsException: slow down",
        ),
    ],
)
def test_a_stream_that_breaks_ends_early_and_the_reason_is_there(answer: list[bytes], body: bytes, fact: str) -> None:
    with endpoint(lambda *_: answer) as url:
        for source in ("function-url", "rest-api"):
            response = get(url, source, stream=True)
            assert (response.status_code, response.content) == (200, body)
            assert fact in response.extensions[REASON]
            with pytest.raises((FunctionFailed, ValueError), match=fact):
                get(url, source, stream=True, raise_exceptions=True)


@every_case(
    ("answer", "fact"),
    [
        ([CRASHED], "Runtime.ExitError"),
        ([chunk(b'{"statusCode": 200}')], "before the stream was complete"),
        ([chunk(b'{"statusCode": 200}'), complete()], "before the stream was complete"),
        ([chunk(b"not JSON" + bytes(8)), complete()], "Expected an object as prelude"),
        ([chunk(b"x" * 17_000), complete()], "16384 bytes"),
    ],
)
def test_a_stream_that_fails_before_its_prelude_is_the_services_own_error(answer: list[bytes], fact: str) -> None:
    with endpoint(lambda *_: answer) as url:
        for source, status in (("function-url", 502), ("rest-api", 500)):
            response = get(url, source, stream=True)
            assert response.status_code == status
            assert fact in response.extensions[REASON]


def test_an_endpoint_that_does_not_know_the_function_is_a_failure() -> None:
    with endpoint(lambda *_: [b'{"Message": "Function not found"}'], JSON, 404) as url:
        response = get(url, stream=True)
    assert (response.status_code, "Function not found" in response.extensions[REASON]) == (502, True)


def test_a_whole_result_where_the_service_streams() -> None:
    answer = [chunk(b'{"statusCode": 201, '), chunk(b'"body": "ok"}'), complete()]
    with endpoint(lambda *_: answer, "application/octet-stream") as url:
        response = get(url, stream=True)
        assert (response.status_code, response.text) == (200, '{"statusCode":201,"body":"ok"}')
        assert get(url, "rest-api", stream=True).status_code == 500
