"""Plain handler functions, one at a time or in threads. What is posted is the same as of async ones."""

import asyncio
import threading
import time
from typing import Any

import pytest

from bridge.runtime.api.vocabulary import MAX_RESULT
from tests.logged import assert_logged
from tests.runtime.double import Answer, RuntimeDouble
from tests.runtime.slots import DEADLINE, NO_DEADLINE, Gate, Slots, Told

NEAR = "The function has no result, and the deadline of the invocation is near."


class Ouch(BaseException):
    """Not even an Exception."""


ERRORS: dict[str, BaseException] = {
    repr(each): each for each in (LookupError("x"), Ouch(), asyncio.CancelledError(), GeneratorExit())
}


def echo(event: Any, context: Any) -> object:
    """Return the event; fail with one that is an error's name."""
    if event in ERRORS:
        raise ERRORS[event]
    return {"at": object()} if event == "no JSON" else event


def failure(answer: Answer) -> tuple[str, str]:
    return answer.kind, answer.json["errorType"]


def test_a_functions_result_is_posted_as_json_and_bytes_as_they_are(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    def function(event: Any, context: Any) -> object:
        return b"\xff\x00" if event == 1 else {"event": event, "text": "caf\u00e9", "id": context.aws_request_id}

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
    answer = api.invoke(1).answer()
    assert (answer.kind, answer.status, answer.body) == ("response", 202, b"\xff\x00")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert_logged(caplog)


def test_a_result_may_be_an_awaitable_and_all_run_on_one_event_loop(api: RuntimeDouble, slots: Slots) -> None:
    loops: list[object] = []

    async def answer(event: Any) -> object:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return 1 / event

    slots.in_threads(lambda event, context: answer(event))
    assert [api.invoke(event).answer().json for event in (1, 2)] == [1.0, 0.5]
    assert loops[0] is loops[1]
    assert failure(api.invoke(0).answer()) == ("error", "ZeroDivisionError")


def test_what_goes_wrong_fails_its_invocation_alone(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    slots.in_threads(echo)
    for name, error in ERRORS.items():
        invocation = api.invoke(name, invocation_id="9c7d")
        answer = invocation.answer()
        assert failure(answer) == ("error", type(error).__name__)
        assert answer.json["requestId"] == invocation.request_id
        assert "in echo" in answer.json["stackTrace"][-1]
        assert answer.headers["lambda-runtime-invocation-id"] == "9c7d"
        assert slots.reports.pop() == answer.json
    assert failure(api.invoke("no JSON").answer()) == ("error", "Runtime.MarshalError")
    assert failure(api.invoke(b"{").answer()) == ("error", "Runtime.UnmarshalError")
    answer = api.invoke({}, client_context="[]").answer()
    assert failure(answer) == ("error", "Runtime.LambdaContextUnmarshalError")
    assert api.invoke("go on").answer().json == "go on"
    assert_logged(caplog)


def test_the_largest_result_passes_and_a_byte_more_fails(api: RuntimeDouble, slots: Slots) -> None:
    slots.in_threads(lambda event, context: "x" * event)
    answer = api.invoke(MAX_RESULT - 2).answer()
    assert (answer.kind, answer.status, answer.size) == ("response", 202, MAX_RESULT)
    answer = api.invoke(MAX_RESULT - 1).answer()
    assert failure(answer) == ("error", "Function.ResponseSizeTooLarge")
    assert slots.reports == [answer.json]


# Threads.


def test_as_many_go_on_concurrently_as_there_are_slots(api: RuntimeDouble, slots: Slots) -> None:
    all_slots = threading.Barrier(8)

    def function(event: Any, context: Any) -> object:
        all_slots.wait(30)
        return event

    slots.in_threads(function, count=8)
    invocations = [api.invoke(number) for number in range(24)]
    assert [invocation.answer().json for invocation in invocations] == list(range(24))


# Deadlines.


def test_the_log_tells_where_a_function_is_near_its_deadline_and_its_answer_is_posted_when_it_comes(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    gates = {name: Gate() for name in "ab"}
    arrived = threading.Semaphore(0)

    def function(event: Any, context: Any) -> object:
        arrived.release()
        gates[event].wait()
        return event

    watchdog = Told()
    slots.in_threads(function, count=2, watchdog=watchdog)
    invocations = {name: api.invoke(name, deadline=DEADLINE) for name in gates}
    for _ in gates:
        assert arrived.acquire(timeout=30)
    watchdog.tell()
    assert_logged(caplog, *[("ERROR", f"An event of other: {NEAR}", "in function", "gates[event].wait()")] * 2)
    for name, gate in gates.items():
        gate.open()
        answer = invocations[name].answer()
        assert (answer.status, answer.json) == (202, name)


def test_nothing_is_told_of_a_function_that_has_ended(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    watchdog = Told()
    slots.in_threads(echo, watchdog=watchdog)
    for deadline in (DEADLINE, NO_DEADLINE, time.time()):
        assert api.invoke("x", deadline=deadline).answer().json == "x"
    api.wait_for_polls(1)
    assert watchdog.watched == set()
    assert_logged(caplog)
