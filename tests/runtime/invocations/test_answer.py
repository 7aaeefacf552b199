"""What is posted for one invocation, whatever answers: the result, or the error. And that the slot goes on."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import ASGIApp, Receive, Scope, Send
from bridge.runtime.api.vocabulary import MAX_RESULT
from bridge.sources import make_request
from tests.events import MakeEvent, load
from tests.events.records import queue
from tests.logged import assert_logged
from tests.runtime.double import Answer, RuntimeDouble
from tests.runtime.slots import START, Slots, part
from tests.runtime.streamed_apps import sending

Event = dict[str, Any]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send(START)
        await send(part(b"hello ", more=True))
        await send(part(scope["raw_path"]))


def failing(error: BaseException | None) -> ASGIApp:
    """Return an application that raises `error`, or cancels itself, at /fail, and says hello at any other path.

    At /late it says hello first.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if path != "/fail":
            await hello(scope, receive, send)
        task = asyncio.current_task()
        if path in ("/fail", "/late") and error is None and task is not None:
            task.cancel()
            await asyncio.sleep(3600)
        elif path in ("/fail", "/late") and error is not None:
            raise error

    return app


async def function(event: Any, context: Any) -> object:
    """Return the event; fail with one that is an error's name."""
    if event in ERRORS:
        raise ERRORS[event]
    return {"at": object()} if event == "no JSON" else event


class Ouch(BaseException):
    """Not even an Exception."""


ERRORS = {repr(each): each for each in (ValueError("x"), Ouch(), asyncio.CancelledError(), GeneratorExit())}


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


def failure(answer: Answer) -> tuple[str, str]:
    return answer.kind, answer.json["errorType"]


# Results.


def test_an_applications_response_is_posted_whole(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    slots.on_loop(hello)
    for path in ("/a", "/b"):
        answer = api.invoke(make_event(path=path), invocation_id="9c7d").answer()
        assert (answer.kind, answer.status, answer.json) == ("response", 202, result(f"hello {path}"))
        assert answer.headers == {
            "host": api.address,
            "user-agent": "test",
            "content-type": "application/json",
            "content-length": str(answer.size),
            "lambda-runtime-invocation-id": "9c7d",
        }
    assert_logged(caplog)


# Errors.


def test_the_error_of_a_function_is_posted_and_logged_with_its_class_and_its_stack(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise LookupError("no such order")

    async def function(event: Any, context: Any) -> None:
        fail()

    slots.of_function(function)
    invocation = api.invoke({}, invocation_id="9c7d")
    answer = invocation.answer()
    assert (answer.kind, answer.status) == ("error", 202)
    document = answer.json
    assert slots.reports == [document]
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
    assert answer.headers["lambda-runtime-invocation-id"] == "9c7d"
    cause = json.loads(answer.headers["lambda-runtime-function-xray-error-cause"])
    assert (cause["working_directory"], cause["paths"]) == (str(Path.cwd()), [__file__])
    assert_logged(caplog)


def test_what_a_function_raises_fails_its_invocation_alone(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    slots.of_function(function)
    for name, error in ERRORS.items():
        answer = api.invoke(name).answer()
        assert failure(answer) == ("error", type(error).__name__)
        assert "in function" in answer.json["stackTrace"][-1]
    answer = api.invoke("no JSON").answer()
    assert failure(answer) == ("error", "Runtime.MarshalError")
    assert "object is not JSON serializable" in answer.json["errorMessage"]
    assert api.invoke("go on").answer().json == "go on"
    assert_logged(caplog)


def test_an_application_that_raises_or_cancels_itself_is_a_500(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = (asyncio.CancelledError(), "cancellation"), (None, "cancellation")
    for error, fact in ((ValueError("x"), "ValueError"), *cancelled):
        caplog.clear()
        running = slots.on_loop(failing(error))
        assert api.invoke(make_event(path="/fail")).answer().json == of_our_own("Internal Server Error", 500)
        assert api.invoke(make_event(path="/late")).answer().json == result("hello /late")
        assert api.invoke(make_event(path="/")).answer().json == result("hello /")
        assert_logged(caplog, ("ERROR", "GET /fail", fact), ("ERROR", "GET /late", "complete", fact))
        running.end()


class Strict:
    """A source of the user's, whose results are plain text."""

    name = "strict"

    def matches(self, event: Event) -> bool:
        return True

    def decode(self, event: Event, settings: Settings) -> Any:
        return make_request(method="GET", path=event["path"], headers=[])

    def encode(self, response: Any, event: Event, settings: Settings) -> Any:
        if event["path"] == "/bad" or response.status_code == 500:
            raise KeyError("bad")
        return response.body.decode()


def test_what_a_source_cannot_encode_fails_the_invocation(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(Bridge(hello, sources=[Strict()]))
    answer = api.invoke({"path": "/bad"}).answer()
    assert (*failure(answer), answer.json["errorMessage"]) == ("error", "KeyError", "'bad'")
    assert api.invoke({"path": "/good"}).answer().json == "hello /good"


def test_what_cannot_be_decoded_fails_the_invocation_before_the_handler(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    slots.on_loop(hello)
    cases: list[tuple[bytes, dict[str, Any], str]] = [
        (event, {}, "Runtime.UnmarshalError") for event in (b"{", b"", b"\xff\xfe\xfd", b"[" * 200_000, b"1" * 5_000)
    ]
    contexts = ({"client_context": "{"}, {"client_context": "[]"}, {"identity": "nobody"})
    cases += [(b"{}", context, "Runtime.LambdaContextUnmarshalError") for context in contexts]
    for event, context, error_type in cases:
        answer = api.invoke(event, **context).answer()
        assert failure(answer) == ("error", error_type), (event[:10], context)
        assert answer.headers["lambda-runtime-function-error-type"] == error_type
        assert slots.reports.pop() == answer.json
    assert api.invoke(make_event(path="/")).answer().json == result("hello /")


# Sizes.

FRAME = len(json.dumps(result(""), separators=(",", ":")))


def test_the_largest_result_passes_and_a_byte_more_is_an_error_of_a_function(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    async def function(event: Any, context: Any) -> object:
        return "x" * (event - 2)

    slots.of_function(function)
    answer = api.invoke(MAX_RESULT).answer()
    assert (answer.kind, answer.status, answer.size) == ("response", 202, MAX_RESULT)
    answer = api.invoke(MAX_RESULT + 1).answer()
    assert failure(answer) == ("error", "Function.ResponseSizeTooLarge")
    assert answer.headers["lambda-runtime-function-error-type"] == "Function.ResponseSizeTooLarge"
    assert "6291557 bytes" in answer.json["errorMessage"]
    assert_logged(caplog, ("ERROR", "6291557 bytes", "6291556 at most"))


def test_a_response_that_is_too_large_is_a_500_that_says_so(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    slots.on_loop(sending(START, part(b"x" * (MAX_RESULT - FRAME + 1))))
    answer = api.invoke(make_event()).answer().json
    assert answer == of_our_own(answer["body"], 500)
    assert "6291557 bytes" in answer["body"]
    assert_logged(caplog, ("ERROR", "6291557 bytes", "6291556 at most"))


def test_a_response_that_is_too_large_for_its_service_alone_is_a_500_too(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    slots.on_loop(sending(START, part(b"x" * 1_100_000)))
    answer = api.invoke(load("alb")).answer().json
    assert (answer["statusCode"], "1048576 at most" in answer["body"]) == (500, True)
    assert_logged(caplog, ("ERROR", "POST /orders", "1048576 at most"))


def test_a_response_that_is_too_large_fails_the_invocation_where_it_cannot_be_a_500(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = sending(START, part(b"x" * MAX_RESULT))
    running = slots.on_loop(Bridge(app, settings=Settings(error_status_codes=frozenset({500}))))
    answer = api.invoke(make_event()).answer()
    assert failure(answer) == ("error", "ErrorStatus")
    assert json.loads(answer.json["errorMessage"])["statusCode"] == 500
    running.end()
    caplog.clear()
    slots.on_loop(Bridge(app, sources=[Strict()]))
    assert failure(api.invoke({"path": "/"}).answer()) == ("error", "Function.ResponseSizeTooLarge")
    assert_logged(caplog, ("ERROR", "bytes"), ("ERROR", "could not be made", "KeyError"))


# The API's reply.


def test_an_answer_that_is_refused_is_logged_and_the_next_one_goes_on(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    slots.of_function(function)
    for status, level in ((400, "ERROR"), (413, "ERROR"), (410, "WARNING")):
        for event in ("a result", *list(ERRORS)[:1]):
            caplog.clear()
            api.refuse_next_answer(status, "Type", "the reason")
            assert api.invoke(event).answer().status == status
            assert api.invoke("go on").answer().json == "go on"
            assert_logged(caplog, (level, "An event of other: ", str(status), "the reason"))


@pytest.mark.parametrize("serve", ["on_loop", "in_threads"])
def test_an_answer_that_is_refused_is_logged_with_its_request(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture, serve: str
) -> None:
    settings = Settings(pass_through_path="/jobs")
    getattr(slots, serve)(Bridge(sending(START, part(b"{}")), lifespan="off", settings=settings))
    names = (
        (load("function_url"), "POST /orders/caf%C3%A9: "),
        (queue("1"), "POST /jobs (an event of aws:sqs): "),
    )
    for event, name in names:
        caplog.clear()
        api.refuse_next_answer(410, "Type", "the reason")
        assert api.invoke(event).answer().status == 410
        api.wait_for_polls(1)
        assert_logged(caplog, ("WARNING", name, "410"))


# The context.
