"""Whole slots in the mode response_stream: what arrives at Lambda, and when."""

import json
from typing import Any

from bridge import Bridge, Settings
from bridge._types import Receive, Scope, Send
from tests.events import MakeEvent, load
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import Gate, Slots, part
from tests.runtime.streamed_apps import HEAD, TEXT, ends_with, sending


def test_each_part_arrives_before_the_application_sends_the_next(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    gates = [Gate(), Gate(), Gate()]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(TEXT)
        for number, gate in enumerate(gates):
            await gate.passed()
            await send(part(b"%d" % number, more=True))
        await send(part(b""))

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event())
    prelude = invocation.wait_for(ends_with(bytes(8)))
    assert prelude.endswith(b"\0" * 8)
    for number, gate in enumerate(gates):
        gate.open()
        invocation.wait_for(len(prelude) + number + 1)
    answer = invocation.answer()
    assert (answer.is_streamed, answer.is_whole, answer.status, answer.trailers) == (True, True, 202, {})
    assert (answer.prelude, answer.payload) == (HEAD, b"012")
    assert [data for _, data in answer.chunks] == [json.dumps(HEAD).encode() + b"\0" * 8, b"0", b"1", b"2"]


def test_a_response_without_a_body_has_its_prelude_and_its_delimiter(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    for method, status in (("GET", 204), ("GET", 304), ("GET", 200), ("HEAD", 200)):
        body = b"not for HEAD" if method == "HEAD" else b""
        app = sending({"type": "http.response.start", "status": status, "headers": []}, part(body))
        running = slots.on_loop(app, streams=True)
        answer = api.invoke(make_event(method)).answer()
        assert (answer.is_whole, answer.payload) == (True, b""), (method, status)
        assert answer.prelude == {"statusCode": status, "headers": {}, "cookies": []}
        running.end()


def test_a_slow_reader_holds_the_application(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    sent = 0
    size, parts = 1 << 20, 50

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(TEXT)
        for _ in range(parts):
            await send(part(bytes(size), more=True))
            sent += 1
        await send(part(b""))

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event(), stop_reading_after=2 * size)
    invocation.wait_for(2 * size)
    # What the kernel takes on both sides, and one part that is under way: no more than a few megabytes.
    assert sent < parts // 2
    invocation.go_on()
    answer = invocation.answer()
    assert (answer.is_whole, len(answer.payload), sent) == (True, parts * size, parts)


def test_a_service_that_can_stream_gets_a_stream_and_any_other_one_result(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(sending(TEXT, part(b"a", more=True), part(b"b")), streams=True)
    for source in ("function_url", "rest_api"):
        answer = api.invoke(load(source)).answer()
        assert (answer.is_streamed, answer.payload) == (True, b"ab"), source
    for source in ("alb", "http_api_v2", "http_api_v1", "vpc_lattice_v2", "lambda_edge"):
        answer = api.invoke(load(source)).answer()
        assert (answer.is_streamed, answer.json["body"]) == (False, "ab"), source


def test_an_event_that_is_no_http_request_is_an_error_without_a_prelude(api: RuntimeDouble, slots: Slots) -> None:
    slots.on_loop(sending(TEXT, part(b"x")), streams=True)
    answer = api.invoke({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}).answer()
    assert (answer.kind, answer.is_streamed, answer.error["errorType"]) == ("error", False, "EventFailed")


def test_a_status_that_fails_the_invocation_is_an_error_and_never_the_beginning_of_a_stream(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    app = sending({"type": "http.response.start", "status": 503}, part(b"later", more=True), part(b", please"))
    slots.on_loop(Bridge(app, settings=Settings(error_status_codes=frozenset({503}))), streams=True)
    answer = api.invoke(make_event()).answer()
    assert (answer.kind, answer.error["errorType"]) == ("error", "ErrorStatus")
    assert json.loads(answer.error["errorMessage"]) == {"statusCode": 503, "body": "later, please"}


def test_work_after_a_stream_holds_the_slot_and_not_the_stream(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    gate, steps = Gate(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(TEXT)
        await send(part(b"all"))
        await gate.passed()
        steps.append("worked")

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    answer = api.invoke(make_event()).answer()
    assert (answer.payload, answer.is_whole, steps, api.open_polls) == (b"all", True, [], 0)
    gate.open()
    api.wait_for_polls(1)
    assert steps == ["worked"]


def test_nothing_is_imported_any_more_when_the_first_response_streams(
    api: RuntimeDouble, start_runtime: Any, make_event: MakeEvent
) -> None:
    # What is imported in the init phase costs the client nothing; `bridge.runtime.invocations.targets.import_streams`.
    code = """
import sys

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    names = list(sys.modules)  # in the order of their import
    late = names[names.index("bridge.runtime.invocations.slots") :]
    await send({"type": "http.response.body", "body": " ".join(late).encode()})
"""
    start_runtime(code, "app:app", AWS_LWA_INVOKE_MODE="response_stream")
    late = api.invoke(make_event()).answer().payload.removeprefix(b"half").decode().split()
    assert "bridge.runtime.invocations.slots" in late  # which is imported when the init phase is over
    assert "bridge.runtime.invocations.streaming" not in late
    assert [name for name in late if not name.startswith("bridge.")] == []
