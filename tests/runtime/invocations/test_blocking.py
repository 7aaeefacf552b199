"""Plain handler functions: one at a time, or in threads. What is posted is the same as of async ones."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import RuntimeApiGone
from bridge.runtime.api.vocabulary import MAX_RESULT
from bridge.runtime.invocations.watchdog import Watchdog
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import NO_DEADLINE, Gate, Logged, Slots

NEAR = "The function has no result, and the deadline of the invocation is near. Where it stands:\n"


class Ouch(BaseException):
    """Not even an Exception."""


def echo(event: Any, context: Any) -> object:
    return event


def test_a_function_returns_any_json(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    def function(event: Any, context: Any) -> object:
        return {"event": event, "text": "caf\u00e9", "id": context.aws_request_id}

    slots.in_threads(function)
    invocation = api.invoke([1, None], invocation_id="9c7d")
    answer = invocation.answer()
    assert (answer.kind, answer.status) == ("response", 202)
    assert answer.body == f'{{"event":[1,null],"text":"caf\u00e9","id":"{invocation.request_id}"}}'.encode()
    assert answer.headers == {
        "host": api.address,
        "user-agent": "test",
        "content-type": "application/json",
        "content-length": str(answer.size),
        "lambda-runtime-invocation-id": "9c7d",
    }
    assert logged() == []


def test_bytes_are_posted_as_they_are(api: RuntimeDouble, slots: Slots) -> None:
    slots.in_threads(lambda event, context: b"\xff\x00")
    answer = api.invoke({}).answer()
    assert (answer.kind, answer.status, answer.body) == ("response", 202, b"\xff\x00")
    assert answer.headers["content-type"] == "application/octet-stream"


def test_what_it_returns_may_be_something_to_await(api: RuntimeDouble, slots: Slots) -> None:
    loops: list[object] = []

    async def answer(event: Any) -> object:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return 1 / event

    slots.in_threads(lambda event, context: answer(event))
    assert [api.invoke(event).answer().json for event in (1, 2)] == [1.0, 0.5]
    assert loops[0] is loops[1]
    assert api.invoke(0).answer().json["errorType"] == "ZeroDivisionError"


def test_an_error_is_reported_with_its_class_and_its_stack(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    def fail() -> None:
        raise LookupError("no such order")

    def function(event: Any, context: Any) -> None:
        fail()

    slots.in_threads(function)
    invocation = api.invoke({}, invocation_id="9c7d")
    answer = invocation.answer()
    assert (answer.kind, answer.status) == ("error", 202)
    document = answer.json
    assert slots.reports == [document]
    trace = document.pop("stackTrace")
    assert document == {
        "errorMessage": "no such order",
        "errorType": "LookupError",
        "requestId": invocation.request_id,
    }
    assert [line.splitlines()[0].rpartition(" in ")[2] for line in trace] == ["function", "fail"]
    assert answer.headers["lambda-runtime-function-error-type"] == "Function.LookupError"
    assert answer.headers["lambda-runtime-invocation-id"] == "9c7d"
    cause = json.loads(answer.headers["lambda-runtime-function-xray-error-cause"])
    assert (cause["working_directory"], cause["paths"]) == (str(Path.cwd()), [__file__])
    assert logged() == []


@pytest.mark.parametrize("error", [Ouch(), asyncio.CancelledError(), GeneratorExit()], ids=repr)
def test_whatever_it_raises_fails_its_invocation_alone(api: RuntimeDouble, slots: Slots, error: BaseException) -> None:
    def function(event: Any, context: Any) -> object:
        if event == "fail":
            raise error
        return event

    slots.in_threads(function)
    answer = api.invoke("fail").answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", type(error).__name__)
    assert api.invoke("go on").answer().json == "go on"


@pytest.mark.parametrize(
    ("event", "context", "error_type"),
    [
        (b"{", None, "Runtime.UnmarshalError"),
        (b"[" * 200_000, None, "Runtime.UnmarshalError"),
        (b"{}", "[]", "Runtime.LambdaContextUnmarshalError"),
    ],
    ids=["no JSON", "deep", "context"],
)
def test_what_cannot_be_decoded_fails_the_invocation_before_the_function(
    api: RuntimeDouble, slots: Slots, event: bytes, context: str | None, error_type: str
) -> None:
    slots.in_threads(echo)
    answer = api.invoke(event, client_context=context).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", error_type)
    assert api.invoke("go on").answer().json == "go on"


def test_a_result_that_is_no_json_fails_the_invocation(api: RuntimeDouble, slots: Slots) -> None:
    slots.in_threads(lambda event, context: {event} if event == "fail" else event)
    answer = api.invoke("fail").answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "Runtime.MarshalError")
    assert api.invoke("go on").answer().json == "go on"


def test_the_largest_result_passes_and_a_byte_more_fails(api: RuntimeDouble, slots: Slots) -> None:
    slots.in_threads(lambda event, context: "x" * event)
    answer = api.invoke(MAX_RESULT - 2).answer()
    assert (answer.kind, answer.status, answer.size) == ("response", 202, MAX_RESULT)
    answer = api.invoke(MAX_RESULT - 1).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "Function.ResponseSizeTooLarge")
    assert answer.json["errorMessage"] == "The result has 6291557 bytes as JSON, and Lambda takes 6291556 at most."
    assert slots.reports == [answer.json]


@pytest.mark.parametrize("status", [400, 403, 410, 413, 500])
def test_an_answer_that_is_refused_is_logged_and_the_next_one_goes_on(
    api: RuntimeDouble, slots: Slots, logged: Logged, status: int
) -> None:
    slots.in_threads(echo)
    api.refuse_next_answer(status, "Type", "the reason")
    assert api.invoke(1).answer().status == status
    assert api.invoke(2).answer().status == 202
    said = f"{status} {json.dumps({'errorMessage': 'the reason', 'errorType': 'Type'})}"
    if status == 410:
        assert logged() == [(logging.WARNING, f"The answer came too late: the invocation is over ({said}).")]
    else:
        assert logged() == [(logging.ERROR, f"The Runtime API did not take the answer: {said}.")]


# Threads.


def test_as_many_go_on_at_once_as_there_are_slots(api: RuntimeDouble, slots: Slots) -> None:
    everybody = threading.Barrier(8)

    def function(event: Any, context: Any) -> object:
        everybody.wait(10)
        return event

    slots.in_threads(function, count=8)
    invocations = [api.invoke(number) for number in range(24)]
    assert [invocation.answer().json for invocation in invocations] == list(range(24))


def test_a_function_that_ends_the_process_ends_all_slots(api: RuntimeDouble, slots: Slots) -> None:
    gate, is_waiting = Gate(), threading.Event()

    def function(event: Any, context: Any) -> None:
        if event == "exit":
            raise SystemExit(3)
        is_waiting.set()
        gate.wait()

    running = slots.in_threads(function, count=3)
    api.invoke("wait", may_stay_unanswered=True)
    assert is_waiting.wait(10)
    api.invoke("exit", may_stay_unanswered=True)
    error = running.join()
    assert isinstance(error, SystemExit)
    assert error.code == 3
    gate.open()


@pytest.mark.parametrize("count", [1, 3])
def test_an_api_that_is_gone_ends_them(api: RuntimeDouble, slots: Slots, count: int) -> None:
    running = slots.in_threads(echo, count=count)
    assert api.invoke(1).answer().json == 1
    api.stop()
    assert isinstance(running.join(), RuntimeApiGone)


# Deadlines.


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)  # the log has no event to wait for


def test_the_log_tells_where_a_function_stands_near_its_deadline_and_its_answer_is_posted_when_it_comes(
    api: RuntimeDouble, slots: Slots, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    gates = {name: Gate() for name in "ab"}

    def stand(name: str) -> None:
        gates[name].wait()

    def function(event: Any, context: Any) -> object:
        stand(event)
        return event

    slots.in_threads(function, count=2, watchdog=Watchdog())
    invocations = {name: api.invoke(name, deadline=0.6) for name in gates}
    wait_until(lambda: len(logged()) == 2)
    for name, gate in gates.items():
        gate.open()
        answer = invocations[name].answer()
        assert (answer.status, answer.json) == (202, name)
    assert [level for level, _ in logged()] == [logging.ERROR] * 2
    for _, line in logged():
        assert line.startswith(NEAR)
        calls = [each.strip() for each in line.splitlines() if each.startswith("    ")]
        assert calls[calls.index("stand(event)") + 1] == "gates[name].wait()"


def test_a_function_that_is_in_time_is_told_of_by_nobody(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    watchdog = Watchdog()
    slots.in_threads(echo, watchdog=watchdog)
    for deadline in (0.05, 30, NO_DEADLINE, -5, 30):
        assert api.invoke("x", deadline=deadline).answer().json == "x"
    api.wait_for_polls(1)
    is_over = threading.Event()
    watchdog.watch(time.time() + 0.05, is_over.set)
    assert is_over.wait(10)
    assert [line for _, line in logged() if not line.startswith(NEAR)] == []
    assert len(logged()) <= 1  # of the one whose deadline had passed before
