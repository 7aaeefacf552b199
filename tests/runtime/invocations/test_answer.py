"""What is posted for one invocation, whoever answers: the result, or what went wrong. And that the slot goes on."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge import Bridge, Proxy, Settings
from bridge._types import Receive, Scope, Send
from bridge.runtime.api.vocabulary import MAX_RESULT
from bridge.sources import make_request
from tests.proxy.origins import Origin, answering, response
from tests.runtime.double import Answer, RuntimeDouble
from tests.runtime.slots import START, Logged, Slots, part

Event = dict[str, Any]
MakeEvent = Callable[..., Event]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send(START)
        await send(part(b"hello ", more=True))
        await send(part(scope["raw_path"]))


def result(body: str, status: int = 201, **headers: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": headers or {"content-type": "text/plain"},
        "cookies": [],
        "body": body,
        "isBase64Encoded": False,
    }


def of_our_own(body: str, status: int) -> dict[str, Any]:
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    return result(body, status) | {"headers": headers}


# Results.


def test_an_applications_response_is_posted_whole(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    slots.on_loop(hello)
    for path in ("/a", "/b"):
        answer = api.invoke(make_event(path=path)).answer()
        assert (answer.kind, answer.status, answer.json) == ("response", 202, result(f"hello {path}"))
        assert answer.headers == {
            "host": api.address,
            "user-agent": "test",
            "content-type": "application/json",
            "content-length": str(answer.size),
        }
    assert logged() == []


def test_an_async_function_returns_any_json(api: RuntimeDouble, slots: Slots) -> None:
    async def function(event: Any, context: Any) -> object:
        return {"event": event, "text": "caf\u00e9", "function": context.function_name}

    slots.of_function(function)
    answer = api.invoke([1, None]).answer()
    assert answer.body == '{"event":[1,null],"text":"caf\u00e9","function":"shop"}'.encode()


def test_bytes_of_a_function_are_posted_as_they_are(api: RuntimeDouble, slots: Slots) -> None:
    async def function(event: Any, context: Any) -> object:
        return b"\xff\x00"

    slots.of_function(function)
    answer = api.invoke({}).answer()
    assert (answer.kind, answer.status, answer.body) == ("response", 202, b"\xff\x00")
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_proxys_response_is_posted_whole(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    with Origin(answering(response(b"hello", b"content-type: text/plain", status=b"201 Created"))) as origin:
        running = slots.on_loop(Proxy(url=f"http://127.0.0.1:{origin.port}"))
        for path in ("/a", "/b"):
            answer = api.invoke(make_event(path=path)).answer()
            assert answer.json["statusCode"] == 201
            assert answer.json["body"] == "hello"
        assert [request.line for request in origin.requests][-2:] == [b"GET /a HTTP/1.1", b"GET /b HTTP/1.1"]
        running.end()


@pytest.mark.parametrize("fails", [False, True])
def test_the_invocations_id_comes_back_with_every_answer(api: RuntimeDouble, slots: Slots, fails: bool) -> None:
    async def function(event: Any, context: Any) -> object:
        return 1 / event

    slots.of_function(function)
    answer = api.invoke(0 if fails else 1, invocation_id="9c7d").answer()
    assert answer.kind == ("error" if fails else "response")
    assert answer.headers["lambda-runtime-invocation-id"] == "9c7d"


# Errors.


class Ouch(BaseException):
    """Not even an Exception."""


def test_the_error_of_a_function_is_reported_with_its_class_and_its_stack(
    api: RuntimeDouble, slots: Slots, logged: Logged
) -> None:
    def fail() -> None:
        raise LookupError("no such order")

    async def function(event: Any, context: Any) -> None:
        fail()

    slots.of_function(function)
    invocation = api.invoke({})
    answer = invocation.answer()
    assert (answer.kind, answer.status) == ("error", 202)
    document = answer.json
    trace = "".join(document.pop("stackTrace"))
    assert document == {
        "errorMessage": "no such order",
        "errorType": "LookupError",
        "requestId": invocation.request_id,
    }
    first, second = trace.split("  File ")[1:]
    assert first.endswith("in function\n    fail()\n")
    assert second.endswith('in fail\n    raise LookupError("no such order")\n')
    assert answer.headers["lambda-runtime-function-error-type"] == "Function.LookupError"
    cause = json.loads(answer.headers["lambda-runtime-function-xray-error-cause"])
    assert cause["working_directory"] == str(Path.cwd())
    assert cause["paths"] == [__file__]
    (exception,) = cause["exceptions"]
    assert (exception["type"], exception["message"]) == ("LookupError", "no such order")
    assert [frame["label"] for frame in exception["stack"]] == ["function", "fail"]
    assert slots.reports == [answer.json]
    assert logged() == []


@pytest.mark.parametrize("error", [ValueError("x"), Ouch(), asyncio.CancelledError(), GeneratorExit()], ids=repr)
def test_whatever_a_function_raises_fails_its_invocation_alone(
    api: RuntimeDouble, slots: Slots, logged: Logged, error: BaseException
) -> None:
    async def function(event: Any, context: Any) -> object:
        if event == "fail":
            raise error
        return event

    slots.of_function(function)
    answer = api.invoke("fail").answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", type(error).__name__)
    assert "in function" in answer.json["stackTrace"][-1]
    assert api.invoke("go on").answer().json == "go on"
    assert logged() == []


def test_a_function_may_be_cancelled_by_itself(api: RuntimeDouble, slots: Slots) -> None:
    async def function(event: Any, context: Any) -> object:
        task = asyncio.current_task()
        assert task is not None
        if event == "fail":
            task.cancel()
            await asyncio.sleep(0)
        return event

    slots.of_function(function)
    assert api.invoke("fail").answer().json["errorType"] == "CancelledError"
    assert api.invoke("go on").answer().json == "go on"


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError()], ids=repr)
def test_an_application_that_fails_is_a_500(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged, error: BaseException
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/fail":
            raise error
        await hello(scope, receive, send)

    slots.on_loop(app)
    assert api.invoke(make_event(path="/fail")).answer().json == of_our_own("Internal Server Error", 500)
    assert api.invoke(make_event(path="/")).answer().json == result("hello /")
    ((level, line),) = logged()
    said = {
        ValueError: "The application raised ValueError.",
        asyncio.CancelledError: "The ASGI application ended in a cancellation that nobody outside it asked for.",
    }
    assert (level, line) == (logging.ERROR, said[type(error)])


def test_what_is_no_exception_of_an_application_fails_its_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/fail":
            raise Ouch
        await hello(scope, receive, send)

    slots.on_loop(app)
    answer = api.invoke(make_event(path="/fail")).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "Ouch")
    assert api.invoke(make_event(path="/")).answer().json == result("hello /")


def test_an_event_that_is_no_http_request_is_an_error(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    slots.on_loop(hello)
    answer = api.invoke({"Records": []}).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "UnsupportedEvent")
    assert answer.headers["lambda-runtime-function-error-type"] == "Function.UnsupportedEvent"
    assert api.invoke(make_event(path="/")).answer().json == result("hello /")


def test_a_status_can_be_set_to_fail_the_invocation(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    slots.on_loop(Bridge(hello, settings=Settings(error_status_codes=frozenset({201}))))
    answer = api.invoke(make_event(path="/")).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "ErrorStatus")
    assert json.loads(answer.json["errorMessage"]) == {"statusCode": 201, "body": "hello /"}


def test_what_a_source_cannot_encode_fails_the_invocation(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(Bridge(hello, sources=[Strict()]))
    answer = api.invoke({"path": "/bad"}).answer()
    assert (answer.kind, answer.json["errorType"], answer.json["errorMessage"]) == ("error", "KeyError", "'bad'")
    assert api.invoke({"path": "/good"}).answer().json == "hello /good"


class Strict:
    """A source of the user's, whose results are plain text."""

    name = "strict"

    def matches(self, event: Event) -> bool:
        return True

    def decode(self, event: Event, settings: Settings) -> Any:
        return make_request(method="GET", path=event["path"], headers=[])

    def encode(self, response: Any, event: Event, settings: Settings) -> Any:
        if event["path"] == "/bad" or response.status_code in (500, 504):
            raise KeyError("bad")
        return response.body.decode()


@pytest.mark.parametrize(
    ("event", "context", "error_type"),
    [
        (b"{", None, "Runtime.UnmarshalError"),
        (b"", None, "Runtime.UnmarshalError"),
        (b"\xff\xfe\xfd", None, "Runtime.UnmarshalError"),
        (b"[" * 200_000, None, "Runtime.UnmarshalError"),
        (b"1" * 5_000, None, "Runtime.UnmarshalError"),
        (b"{}", "{", "Runtime.LambdaContextUnmarshalError"),
        (b"{}", "[]", "Runtime.LambdaContextUnmarshalError"),
    ],
    ids=["no JSON", "nothing", "no text", "deep", "long number", "context", "context that is no object"],
)
def test_what_cannot_be_decoded_fails_the_invocation_before_the_handler(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, event: bytes, context: str | None, error_type: str
) -> None:
    slots.on_loop(hello)
    answer = api.invoke(event, client_context=context).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", error_type)
    assert answer.headers["lambda-runtime-function-error-type"] == error_type
    assert slots.reports == [answer.json]
    assert api.invoke(make_event(path="/")).answer().json == result("hello /")


def test_an_identity_that_is_no_json_fails_the_invocation(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(hello)
    answer = api.invoke({}, identity="nobody").answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "Runtime.LambdaContextUnmarshalError")


def test_a_result_that_is_no_json_fails_the_invocation(api: RuntimeDouble, slots: Slots) -> None:
    async def function(event: Any, context: Any) -> object:
        return {"at": object()} if event == "fail" else event

    slots.of_function(function)
    answer = api.invoke("fail").answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "Runtime.MarshalError")
    assert answer.json["errorMessage"] == (
        "Expected the handler to return what JSON has, but Object of type object is not JSON serializable."
    )
    assert api.invoke("go on").answer().json == "go on"


# Sizes.


def sized(size: int) -> str:
    """A text whose JSON has that many bytes."""
    return "x" * (size - 2)


def test_the_largest_result_passes_and_a_byte_more_is_an_error_of_a_function(
    api: RuntimeDouble, slots: Slots, logged: Logged
) -> None:
    async def function(event: Any, context: Any) -> object:
        return sized(event)

    slots.of_function(function)
    answer = api.invoke(MAX_RESULT).answer()
    assert (answer.kind, answer.status, answer.size) == ("response", 202, MAX_RESULT)
    answer = api.invoke(MAX_RESULT + 1).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "Function.ResponseSizeTooLarge")
    assert answer.headers["lambda-runtime-function-error-type"] == "Function.ResponseSizeTooLarge"
    said = "The result has 6291557 bytes as JSON, and Lambda takes 6291556 at most."
    assert answer.json["errorMessage"] == said
    assert logged() == [(logging.ERROR, f"{said} The caller gets an error instead.")]


def test_a_response_that_is_too_large_is_a_500_that_says_so(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"x" * int(scope["path"][1:])))

    slots.on_loop(app)
    frame = len(json.dumps(result(""), separators=(",", ":")))
    answer = api.invoke(make_event(path=f"/{MAX_RESULT - frame}")).answer()
    assert (answer.kind, answer.status, answer.size) == ("response", 202, MAX_RESULT)
    assert logged() == []
    answer = api.invoke(make_event(path=f"/{MAX_RESULT - frame + 1}")).answer()
    said = "The result has 6291557 bytes as JSON, and Lambda takes 6291556 at most."
    assert answer.json == of_our_own(f"{said} Stream it, or send less.", 500)
    assert logged() == [(logging.ERROR, f"{said} The caller gets an error instead.")]


def test_no_response_stands_for_one_that_is_too_large_where_500_is_set_to_fail_the_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"x" * MAX_RESULT))

    slots.on_loop(Bridge(app, settings=Settings(error_status_codes=frozenset({500}))))
    answer = api.invoke(make_event()).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "ErrorStatus")
    assert json.loads(answer.json["errorMessage"])["statusCode"] == 500


def test_a_source_that_has_nothing_to_stand_for_it_leaves_the_error(
    api: RuntimeDouble, slots: Slots, logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"x" * (MAX_RESULT - 1)))

    slots.on_loop(Bridge(app, sources=[Strict()]))
    answer = api.invoke({"path": "/"}).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "Function.ResponseSizeTooLarge")
    assert [line for _, line in logged()] == [
        "The result has 6291557 bytes as JSON, and Lambda takes 6291556 at most. The caller gets an error instead.",
        "There is no response to stand for the application's own.",
    ]


# What the API says to it.


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_an_answer_that_is_refused_is_logged_and_the_next_one_goes_on(
    api: RuntimeDouble, slots: Slots, logged: Logged, status: int, fails: bool
) -> None:
    async def function(event: Any, context: Any) -> object:
        return 1 / event

    slots.of_function(function)
    api.refuse_next_answer(status, "Type", "the reason")
    refused = api.invoke(0 if fails else 1).answer()
    assert (refused.kind, refused.status) == ("error" if fails else "response", status)
    assert api.invoke(2).answer().json == 0.5
    said = {"errorMessage": "the reason", "errorType": "Type"}
    assert logged() == [(logging.ERROR, f"The Runtime API did not take the answer: {status} {json.dumps(said)}.")]


def test_an_answer_that_is_too_late_is_passed_over(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    async def function(event: Any, context: Any) -> object:
        return event

    slots.of_function(function)
    api.refuse_next_answer(410, "Runtime.InvokeTimeout", "Invoke timeout")
    assert api.invoke(1).answer().status == 410
    assert api.invoke(2).answer().status == 202
    said = {"errorMessage": "Invoke timeout", "errorType": "Runtime.InvokeTimeout"}
    assert logged() == [
        (logging.WARNING, f"The answer came too late: the invocation is over (410 {json.dumps(said)}).")
    ]


# The context.


def test_the_application_sees_the_event_and_a_context_whose_time_runs_out(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            context = scope["aws.context"]
            seen.extend((scope["aws.event"], context, context.get_remaining_time_in_millis()))
            while seen[2] == context.get_remaining_time_in_millis():
                pass
            seen.append(context.get_remaining_time_in_millis())
            await hello(scope, receive, send)

    slots.on_loop(app)
    event = make_event()
    invocation = api.invoke(
        event, deadline=30, tenant_id="t1", client_context={"custom": {"a": 1}}, identity={"cognitoIdentityId": "i"}
    )
    assert isinstance(invocation.answer(), Answer)
    seen_event, context, first, second = seen
    assert seen_event == event
    assert 20_000 < second < first <= 30_000
    assert (context.aws_request_id, context.tenant_id, context.function_name) == (invocation.request_id, "t1", "shop")
    assert (context.client_context.custom, context.identity.cognito_identity_id) == ({"a": 1}, "i")
    assert context._epoch_deadline_time_in_ms == int(invocation.deadline * 1000)
