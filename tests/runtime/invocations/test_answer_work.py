"""Work after the response: the client has its answer before it, and the next event waits for its end, within bounds."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from bridge._types import ASGIApp, Receive, Scope, Send
from tests.runtime.double import NEXT, RuntimeDouble
from tests.runtime.slots import NO_DEADLINE, START, Gate, Logged, Slots, part

Event = dict[str, Any]
MakeEvent = Callable[..., Event]

BESIDE = "The application left tasks behind that go on beside the next invocation: "

TIME_OVER = "The application works on after its answer, and its time is over. Where it stands:\n"


def answering(then: Callable[[], Any]) -> ASGIApp:
    """Answers, and goes on with `then`, once; later requests are answered alone."""
    calls: list[None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"%d" % len(calls)))
            calls.append(None)
            if len(calls) == 1:
                await then()

    return app


def assert_no_poll(api: RuntimeDouble) -> None:
    """The next event was not asked for, and is not being asked for now."""
    with pytest.raises(TimeoutError):
        api.wait_for_request(NEXT, count=2, timeout=0.05)


# In the application's own call.


def test_the_answer_is_there_while_the_application_works_on_and_the_next_event_waits(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate = Gate()
    slots.on_loop(answering(gate.passed))
    first, second = api.invoke(make_event()), api.invoke(make_event())
    assert first.answer().json["body"] == "0"
    assert_no_poll(api)
    assert not second.handed_out_at
    gate.open()
    assert second.answer().json["body"] == "1"
    assert logged() == []


def test_work_may_wait_for_the_disconnect_that_the_end_of_the_response_is(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    messages: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        messages.append(await receive())
        await send(START)
        await send(part(b""))
        messages.append(await receive())

    slots.on_loop(app)
    api.invoke(make_event()).answer()
    api.wait_for_polls(1)
    request = {"type": "http.request", "body": b"", "more_body": False}
    assert messages == [request, {"type": "http.disconnect"}]


def test_work_in_a_thread_holds_the_next_event_up_too(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    gate = Gate()
    slots.on_loop(answering(lambda: anyio.to_thread.run_sync(gate.wait)))
    first, second = api.invoke(make_event()), api.invoke(make_event())
    assert first.answer().json["body"] == "0"
    assert_no_poll(api)
    gate.open()
    assert second.answer().json["body"] == "1"


def test_work_that_fails_is_logged_and_the_response_stands(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise LookupError("no mail server")

    slots.on_loop(answering(fail))
    assert api.invoke(make_event()).answer().json["statusCode"] == 201
    assert api.invoke(make_event()).answer().json["statusCode"] == 201
    assert logged() == [(logging.ERROR, "The application failed after its response was complete.")]
    assert "LookupError: no mail server" in caplog.text


def test_a_message_after_the_end_is_logged_and_the_response_stands(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"one"))
            await send(part(b"two"))

    slots.on_loop(app)
    for _ in range(2):
        assert api.invoke(make_event()).answer().json["body"] == "one"
    said = (
        "Expected the ASGI application to send nothing more, because its response is complete, but got "
        "'http.response.body'."
    )
    api.wait_for_polls(1)
    assert logged() == [(logging.ERROR, said)] * 2


def test_a_cancellation_that_the_work_itself_has_caused_is_logged(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    slots.on_loop(answering(cancel))
    for body in ("0", "1"):
        assert api.invoke(make_event()).answer().json["body"] == body
    said = "The ASGI application ended in a cancellation that nobody outside it asked for."
    assert logged() == [(logging.ERROR, said)]


# Its bounds.


def test_work_goes_on_up_to_the_deadline_and_is_cancelled_there_with_its_stack_in_the_log(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    ends: list[BaseException] = []

    async def deliver() -> None:
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            ends.append(exc)
            raise

    async def send_mail() -> None:
        await deliver()

    slots.on_loop(answering(send_mail), margin=0.75)
    first = api.invoke(make_event(), deadline=1.5)
    assert first.answer().json["body"] == "0"
    assert api.invoke(make_event()).answer().json["body"] == "1"
    assert [type(end) for end in ends] == [asyncio.CancelledError]
    ((level, line),) = logged()
    assert level == logging.ERROR
    assert line.startswith(f"{TIME_OVER}Task bridge invocation:\n")
    calls = [each.strip() for each in line.splitlines() if not each.startswith("  File ")]
    assert calls.index("await deliver()") < calls.index("await asyncio.Event().wait()")


def test_the_limit_for_work_counts_from_the_answer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    slots.on_loop(answering(asyncio.Event().wait), background=0.05)
    assert api.invoke(make_event(), deadline=1000).answer().json["body"] == "0"
    assert api.invoke(make_event()).answer().json["body"] == "1"
    ((_, line),) = logged()
    assert line.startswith(TIME_OVER)


def test_the_limit_holds_where_there_is_no_deadline(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    slots.on_loop(answering(asyncio.Event().wait), background=0.05)
    assert api.invoke(make_event(), deadline=NO_DEADLINE).answer().json["body"] == "0"
    assert api.invoke(make_event()).answer().json["body"] == "1"
    ((_, line),) = logged()
    assert line.startswith(TIME_OVER)


def test_work_that_is_cancelled_once_may_clean_up(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    cleaned_up = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)  # a second cancellation would end it here
            cleaned_up.set()

    slots.on_loop(answering(work), background=0.05)
    api.invoke(make_event()).answer()
    api.wait_for_polls(1)
    assert cleaned_up.is_set()
    assert len(logged()) == 1


def test_work_that_does_not_end_when_it_is_cancelled_goes_on_beside_the_next_event(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate, ended = Gate(), threading.Event()

    async def work() -> None:
        while not gate.is_open:
            with suppress(asyncio.CancelledError):
                await gate.passed()
        ended.set()

    slots.on_loop(answering(work), background=0.05)
    assert api.invoke(make_event()).answer().json["body"] == "0"
    assert api.invoke(make_event()).answer().json["body"] == "1"
    first, second = [line for _, line in logged()]
    assert first.startswith(TIME_OVER)
    assert second == "The application was cancelled, but does not end: the next invocation goes on beside it."
    gate.open()
    assert ended.wait(10)
    assert len(logged()) == 2


# Tasks that it leaves behind.


def test_tasks_that_are_left_behind_hold_the_next_event_up_and_so_do_those_that_they_start(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gates = [Gate(), Gate(), Gate()]
    reached = [threading.Event(), threading.Event(), threading.Event()]
    tasks: list[asyncio.Task[None]] = []

    async def step(number: int) -> None:
        reached[number].set()
        await gates[number].passed()
        if number < 2:
            tasks.append(asyncio.create_task(step(number + 1)))

    async def leave() -> None:
        tasks.append(asyncio.create_task(step(0)))

    slots.on_loop(answering(leave))
    first, second = api.invoke(make_event()), api.invoke(make_event())
    assert first.answer().json["body"] == "0"
    for gate, event in zip(gates, reached, strict=True):
        assert event.wait(10)
        assert_no_poll(api)
        gate.open()
    assert second.answer().json["body"] == "1"
    assert logged() == []


def test_tasks_that_do_not_end_in_time_are_named(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate = Gate()
    tasks: list[asyncio.Task[None]] = []
    ended = threading.Event()

    async def poll_prices() -> None:
        await gate.passed()
        ended.set()

    async def leave() -> None:
        tasks.append(asyncio.create_task(poll_prices(), name="prices"))
        tasks.append(asyncio.create_task(gate.passed(), name="more"))

    slots.on_loop(answering(leave), background=0.05)
    assert api.invoke(make_event()).answer().json["body"] == "0"
    assert api.invoke(make_event()).answer().json["body"] == "1"
    where = "test_tasks_that_do_not_end_in_time_are_named.<locals>."
    assert logged() == [(logging.WARNING, f"{BESIDE}more (Gate.passed), prices ({where}poll_prices).")]
    gate.open()
    assert ended.wait(10)


def test_tasks_that_start_others_for_ever_do_not_hold_the_next_event_up_for_longer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    stop = threading.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def again() -> None:
        await asyncio.sleep(0)
        if not stop.is_set():
            await leave()

    async def leave() -> None:
        task = asyncio.create_task(again(), name="again")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    slots.on_loop(answering(leave), background=0.05)
    assert api.invoke(make_event()).answer().json["body"] == "0"
    assert api.invoke(make_event()).answer().json["body"] == "1"
    stop.set()
    assert all(line.startswith(f"{BESIDE}again (") for _, line in logged())


def test_tasks_of_the_lifespan_are_not_waited_for(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    jobs: asyncio.Queue[Gate] = asyncio.Queue()
    gate = Gate()

    async def work_off() -> None:
        while True:
            await (await jobs.get()).passed()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            worker = asyncio.create_task(work_off())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            worker.cancel()
            await send({"type": "lifespan.shutdown.complete"})
            return
        jobs.put_nowait(gate)
        await send(START)
        await send(part(b"taken"))

    slots.on_loop(app)
    for _ in range(2):
        assert api.invoke(make_event()).answer().json["body"] == "taken"
    gate.open()
    assert logged() == []


def test_tasks_of_one_invocation_do_not_hold_up_the_others(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    gate = Gate()
    slots.on_loop(answering(gate.passed), count=2)
    for body in ("0", "1", "2", "3"):
        assert api.invoke(make_event()).answer().json["body"] == body
    api.wait_for_polls(1)
    assert api.open_polls == 1
    gate.open()
    api.wait_for_polls(2)


def test_an_async_functions_tasks_are_waited_for_too(api: RuntimeDouble, slots: Slots) -> None:
    gate = Gate()
    tasks: list[asyncio.Task[None]] = []

    async def function(event: Any, context: Any) -> object:
        if event == 0:
            tasks.append(asyncio.create_task(gate.passed()))
        return event

    slots.of_function(function)
    first, second = api.invoke(0), api.invoke(1)
    assert first.answer().json == 0
    assert_no_poll(api)
    gate.open()
    assert second.answer().json == 1


def test_a_task_that_is_left_behind_and_fails_is_logged_by_asyncio(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise LookupError("no mail server")

    async def leave() -> None:
        asyncio.create_task(fail())  # noqa: RUF006  # what the test is about

    slots.on_loop(answering(leave))
    for body in ("0", "1"):
        assert api.invoke(make_event()).answer().json["body"] == body
    ((level, line),) = logged()
    assert (level, line.partition("\n")[0]) == (logging.ERROR, "Task exception was never retrieved")
    caplog.clear()
