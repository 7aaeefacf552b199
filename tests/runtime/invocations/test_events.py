"""Events that are not HTTP requests under `python -m bridge.runtime`: what is posted, whatever the invoke mode."""

import asyncio
import threading
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import Receive, Scope, Send
from tests.apps import START, part, sending
from tests.events import MakeEvent
from tests.events.records import CUSTOM, failures, queue
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import DEADLINE, Slots
from tests.sources.exchange import Answer


@pytest.mark.parametrize("streams", [True, False])
def test_the_json_of_the_application_is_posted_and_http_streams_as_before(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, streams: bool
) -> None:
    slots.on_loop(sending(START, part(b'{"batchItemFailures": ', more=True), part(b"[]}")), streams=streams)
    for event in (queue("1"), [CUSTOM], "text"):
        answer = api.invoke(event).answer()
        assert (answer.kind, answer.is_streamed, answer.json) == ("response", False, {"batchItemFailures": []})
    assert api.invoke(make_event()).answer().is_streamed is streams


def test_an_empty_answer_and_a_warm_up_ping_are_null(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(Bridge(Answer(204), lifespan="off"))
    for event in (queue("1"), {}, {"source": "serverless-plugin-warmup"}):
        answer = api.invoke(event).answer()
        assert (answer.kind, answer.body) == ("response", b"null")


def test_a_failure_is_posted_as_the_error_that_it_is(api: RuntimeDouble, slots: Slots) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["aws.event"] == "raise":
            raise LookupError("no such order")
        await Answer(503, content=b"later")(scope, receive, send)

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    for event, error_type, text in (("raise", "LookupError", "no such order"), (CUSTOM, "EventFailed", "503")):
        answer = api.invoke(event).answer()
        assert (answer.kind, answer.error["errorType"]) == ("error", error_type)
        assert text in answer.error["errorMessage"]
        assert answer.headers["lambda-runtime-function-error-type"] == f"Function.{error_type}"


def test_a_function_gets_the_events_beside_an_application_that_gets_the_requests(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    async def on_event(event: Any, context: Any) -> list[Any]:
        return [event, context.function_name]

    slots.on_loop(Bridge(Answer(content=b"http"), lifespan="off", on_event=on_event))
    assert api.invoke(CUSTOM).answer().json == [CUSTOM, "shop"]
    assert api.invoke(make_event()).answer().json["body"] == "http"


def test_a_batch_is_answered_with_its_failures(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(Bridge(Answer(500), lifespan="off", settings=Settings(batch="per-record")))
    assert api.invoke(queue("1", "2")).answer().json == failures("1", "2")


@pytest.mark.parametrize("batch", ["whole", "per-record"])
def test_an_event_that_is_late_fails(api: RuntimeDouble, slots: Slots, batch: Any) -> None:
    is_waiting = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_waiting.set()
        await asyncio.Event().wait()

    running = slots.on_loop(Bridge(app, lifespan="off", settings=Settings(batch=batch)))
    invocation = api.invoke(queue("1", "2"), deadline=DEADLINE)
    assert is_waiting.wait(30)
    running.near_deadline()
    answer = invocation.answer()
    assert (answer.kind, answer.error["errorType"]) == ("error", "Function.DeadlineExceeded")


def test_a_result_that_is_too_large_fails(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(Bridge(Answer(content=b'"%s"' % (b"a" * 6_291_556)), lifespan="off"))
    answer = api.invoke(CUSTOM).answer()
    assert (answer.kind, answer.error["errorType"]) == ("error", "Function.ResponseSizeTooLarge")
