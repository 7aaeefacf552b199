"""Streams whose time is over: applications that are late, and callers that do not read on."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from bridge import Bridge
from bridge._types import Message, Receive, Scope, Send
from bridge.runtime.invocations.targets import HandlerTarget
from tests.events import MakeEvent
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import DEADLINE, Gate, Slots, part
from tests.runtime.streamed_apps import TEXT, ends_with, sending

NEAR = "There is no result, and the deadline"
BROKEN_OFF = "did not read the rest of the stream"

# More than the kernel takes while the caller does not read.
LARGE = bytes(16 << 20)


class Late:
    """An application that sends some messages and waits."""

    def __init__(self, *messages: Message) -> None:
        self.arrived = Gate()
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self._messages:
            await send(message)
        self.arrived.open()
        await Gate().passed()


def test_an_application_that_is_late_before_its_response_is_a_504(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = Late()
    running = slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event(), deadline=DEADLINE)
    app.arrived.wait()
    running.near_deadline()
    answer = invocation.answer()
    assert (answer.is_streamed, answer.is_whole, answer.trailers) == (True, True, {})
    assert (answer.prelude["statusCode"], answer.payload) == (504, b"Gateway Timeout")
    api.wait_for_polls(1)
    assert_logged(caplog, ("ERROR", NEAR, "Task bridge application:", "in passed"))


def test_an_application_that_is_late_in_the_middle_breaks_the_stream_off(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    app = Late(TEXT, part(b"half", more=True))
    running = slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event(), deadline=DEADLINE)
    app.arrived.wait()
    running.near_deadline()
    answer = invocation.answer()
    assert (answer.payload, answer.error["errorType"]) == (b"half", "Function.DeadlineExceeded")
    assert answer.trailers["lambda-runtime-function-error-type"] == "Function.DeadlineExceeded"
    api.wait_for_polls(1)


def test_a_caller_that_reads_on_too_late_gets_all_that_was_sent_and_the_error(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    running = slots.on_loop(sending(TEXT, part(LARGE, more=True), part(b"never sent")), streams=True)
    invocation = api.invoke(make_event(), deadline=DEADLINE, stop_reading_after=1000)
    invocation.wait_for(1000)
    running.near_deadline()
    running.loop_has_turned()
    invocation.go_on()
    answer = invocation.answer()
    assert (answer.payload == LARGE, answer.error["errorType"]) == (True, "Function.DeadlineExceeded")


def test_a_caller_that_never_reads_on_holds_the_slot_to_the_deadline_and_no_longer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    running = slots.on_loop(sending(TEXT, part(LARGE)), streams=True)
    invocation = api.invoke(make_event(), deadline=DEADLINE, stop_reading_after=1000)
    invocation.wait_for(1000)
    running.near_deadline()
    running.loop_has_turned()
    assert api.open_polls == 0
    running.pass_time(api)
    assert_logged(caplog, ("ERROR", NEAR), ("ERROR", BROKEN_OFF))
    invocation.go_on()
    assert not invocation.answer().is_whole


def test_a_stream_that_is_at_its_end_stays_whole_though_its_reply_is_late(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    running = slots.on_loop(sending(TEXT, part(b"all")), streams=True)
    invocation = api.invoke(make_event(), deadline=DEADLINE, stop_reading_after=1)
    invocation.wait_for(1)
    running.near_deadline()
    running.loop_has_turned()
    invocation.go_on()
    answer = invocation.answer()
    assert (answer.payload, answer.is_whole, answer.trailers) == (b"all", True, {})
    api.wait_for_polls(1)
    assert slots.reports == []


@pytest.mark.parametrize("is_started", [False, True], ids=["before its response", "in the middle"])
def test_a_stubborn_application_cannot_disturb_the_next_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, is_started: bool
) -> None:
    arrived, late, tried, next_one = Gate(), Gate(), Gate(), Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/next":
            await send(TEXT)
            await send(part(b"next ", more=True))
            await next_one.passed()
            await send(part(b"one"))
            return
        if is_started:
            await send(TEXT)
        arrived.open()
        while not late.is_open:
            with suppress(asyncio.CancelledError):
                await late.passed()
        try:
            if not is_started:
                await send(TEXT)
            await send(part(b"from the grave"))
        finally:
            tried.open()

    running = slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event(path="/late"), deadline=DEADLINE)
    arrived.wait()
    running.near_deadline()
    assert invocation.answer().prelude["statusCode"] == (200 if is_started else 504)
    running.pass_time(api)
    invocation = api.invoke(make_event(path="/next"))
    invocation.wait_for(ends_with(b"next "))
    late.open()
    tried.wait()
    next_one.open()
    answer = invocation.answer()
    assert (answer.payload, answer.is_whole) == (b"next one", True)


class GivenUp:
    """A call that was given up before its response began."""

    def __init__(self, event: object) -> None:
        self.event, self.context = event, None
        self.result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.result.set_result(None)

    def open_stream(self) -> None:
        """Return None: the connection is the next invocation's."""

    def end_stream(self, reply: object) -> None:
        raise AssertionError("there is no stream")


def test_a_stream_that_starts_when_its_invocation_was_given_up_is_left(make_event: MakeEvent) -> None:
    messages: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(TEXT)
        messages.append(await receive())
        messages.append(await receive())

    async def main() -> None:
        await HandlerTarget(Bridge(app, lifespan="off"), streams=True).work(GivenUp(make_event()))

    asyncio.run(main())
    assert messages[-1] == {"type": "http.disconnect"}
