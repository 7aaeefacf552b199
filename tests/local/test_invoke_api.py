"""The invoke API: what it takes from a caller, and what it refuses."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bridge.local.answer import Answer
from bridge.local.failures import throttled
from bridge.local.invocation import Failure, Invocation
from bridge.local.invoke_api import invoke_routes
from bridge.testing.event_stream import EventStreamDecoder
from tests.cases import every_case

INVOKE = "/2015-03-31/functions/{}/invocations"
STREAM = "/2021-11-15/functions/{}/response-streaming-invocations"
DEEP = "[" * 100_000 + "]" * 100_000


def posted(
    content: bytes = b"{}",
    path: str = INVOKE.format("function"),
    *,
    failure: Failure | None = None,
    logs: tuple[str, ...] = (),
    **headers: str,
) -> tuple[httpx.Response, list[Invocation]]:
    """Return the answer to an event, and the invocations that came of it. `headers`: x-amz-..., without that."""
    seen: list[Invocation] = []

    def submit(invocation: Invocation) -> Answer:
        seen.append(invocation)
        for line in logs:
            invocation.log(line)
        answer = Answer(invocation, lambda _: None)
        answer.finish(failure)
        return answer

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=invoke_routes("shop", submit)))
        sent = {f"x-amz-{name.replace('_', '-')}": value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, content=content, headers=sent)

    return asyncio.run(post()), seen


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@every_case(
    ("text", "value"),
    [
        ("", ""),
        ('{"client": {}}', '{"client": {}}'),
        ('{\n"name": "日本 é"\r\n}', '{"name": "\\u65e5\\u672c \\u00e9"}'),
    ],
)
def test_a_client_context_can_be_a_header(text: str, value: str) -> None:
    response, seen = posted(client_context=encoded(text))
    assert (response.status_code, seen[0].client_context) == (200, value)


def test_a_client_context_is_for_synchronous_invocations_alone() -> None:
    response, seen = posted(client_context=encoded("{}"), invocation_type="Event")
    assert (response.status_code, response.content, seen[0].client_context) == (202, b"", "")


@every_case(
    ("name", "query", "qualifier"),
    [
        ("function", "", ""),
        ("shop", "", ""),
        ("shop:live", "", "live"),
        ("shop", "?Qualifier=live", "live"),
        ("shop:7", "?Qualifier=7", "7"),
        ("shop:$LATEST", "", "$LATEST"),
        ("123456789012:function:shop", "", ""),
        ("123456789012:function:function:live", "", "live"),
        ("function:live", "", "live"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:shop:live", "", "live"),
        ("arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Ashop", "?Qualifier=live", "live"),
    ],
)
def test_a_function_has_several_names(name: str, query: str, qualifier: str) -> None:
    for path in (INVOKE, STREAM):
        response, seen = posted(path=path.format(name) + query)
        assert (response.status_code, response.headers["x-amz-executed-version"]) == (200, "$LATEST")
        assert seen[0].qualifier == qualifier


@every_case(
    ("call", "status", "error", "fact"),
    [
        ({"content": b"{"}, 400, "InvalidRequestContentException", "parse request body"),
        ({"content": b"\xff"}, 400, "InvalidRequestContentException", "utf-8"),
        ({"content": '{"a": 1}'.encode("utf-16")}, 400, "InvalidRequestContentException", "utf-8"),
        ({"content": b"[NaN]"}, 400, "InvalidRequestContentException", "NaN"),
        ({"content": b"-Infinity"}, 400, "InvalidRequestContentException", "-Infinity"),
        ({"content": DEEP.encode()}, 400, "InvalidRequestContentException", "deeply"),
        ({"client_context": "not base64"}, 400, "InvalidRequestContentException", "Base64-encoded JSON object"),
        ({"client_context": encoded("[1]")}, 400, "InvalidRequestContentException", "Base64-encoded JSON object"),
        ({"client_context": encoded(DEEP)}, 400, "InvalidRequestContentException", "Base64-encoded JSON object"),
        ({"path": INVOKE.format("other")}, 404, "ResourceNotFoundException", "Function not found: other"),
        ({"path": INVOKE.format("shop:a") + "?Qualifier=b"}, 400, "InvalidParameterValueException", "does not match"),
        ({"invocation_type": "Later"}, 400, "InvalidParameterValueException", "'Later'"),
        ({"content": b'"' + bytes(6_291_455)}, 413, "RequestEntityTooLargeException", "6291456 bytes"),
        (
            {"content": b'"' + bytes(1_048_576), "invocation_type": "Event"},
            413,
            "RequestEntityTooLargeException",
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        ),
    ],
)
def test_what_the_api_refuses(call: dict[str, Any], status: int, error: str, fact: str) -> None:
    if status == 413 and "invocation_type" not in call:
        call = {"content": call["content"] + b"  "}
    response, seen = posted(**call)
    assert (response.status_code, response.headers["x-amzn-errortype"], seen) == (status, error, [])
    document = response.json()
    key = "Message" if status in (404, 413) else "message"
    assert (set(document), document["Type"]) == ({"Type", key}, "User")
    assert fact in document[key]


def test_an_event_of_six_megabytes_is_accepted() -> None:
    content = b'"' + b"x" * (6_291_456 - 2) + b'"'
    response, seen = posted(content)
    assert (response.status_code, seen[0].event) == (200, content)


@pytest.mark.parametrize("path", [INVOKE, STREAM])
def test_a_busy_function_says_why(path: str) -> None:
    response, _ = posted(path=path.format("shop"), failure=throttled())
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert response.json() == {"Type": "User", "message": "Rate Exceeded.", "Reason": reason}


def test_a_busy_function_accepts_asynchronous_invocations() -> None:
    assert posted(invocation_type="Event", failure=throttled())[0].status_code == 202


def test_an_invocation_without_an_event_has_an_empty_object() -> None:
    assert posted(b"")[1][0].event == b"{}"


@pytest.mark.parametrize("path", [INVOKE, STREAM])
def test_a_dry_run_invokes_nothing(path: str) -> None:
    response, seen = posted(path=path.format("shop"), invocation_type="DryRun")
    assert (response.status_code, response.content, seen) == (204, b"", [])


def test_the_last_four_kilobytes_of_the_log_in_bytes() -> None:
    response, _ = posted(logs=("first", "é" * 3000, "last"), log_type="Tail")
    tail = base64.b64decode(response.headers["x-amz-log-result"])
    assert (len(tail), tail[-7:]) == (4096, "é\nlast\n".encode()[-7:])
    streamed, _ = posted(path=STREAM.format("shop"), logs=("a", "b"), log_type="Tail")
    (complete,) = EventStreamDecoder().feed(streamed.content)
    assert base64.b64decode(json.loads(complete.payload)["LogResult"]) == b"a\nb\n"


def test_a_failure_is_a_success_of_the_api() -> None:
    response, _ = posted(failure=Failure("ValueError", "no", b'{"errorType": "ValueError"}'))
    assert (response.status_code, response.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert response.json() == {"errorType": "ValueError"}
