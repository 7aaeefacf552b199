"""Streams whose time is over: applications that are late, and callers that do not read on."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from tests.events import load
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import Gate, Logged, Slots, part
from tests.runtime.streamed_apps import TEXT, ends_with, sending

MakeEvent = Callable[..., dict[str, Any]]


def test_an_application_that_is_late_before_its_response_is_a_504(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Gate().passed()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    answer = api.invoke(make_event(), deadline=0.6).answer()
    assert (answer.is_streamed, answer.is_whole, answer.trailers) == (True, True, {})
    assert (answer.prelude["statusCode"], answer.payload) == (504, b"Gateway Timeout")
    api.wait_for_polls(1)
    assert any("in passed" in message for _, message in logged())


@pytest.mark.parametrize("is_stubborn", [False, True], ids=["one that ends", "a stubborn one"])
def test_an_application_that_is_late_in_the_middle_breaks_the_stream_off(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, is_stubborn: bool
) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(TEXT)
        await send(part(b"half", more=True))
        try:
            await Gate().passed()
        finally:
            if is_stubborn:
                await gate.passed()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    answer = api.invoke(make_event(), deadline=0.6).answer()
    assert (answer.payload, answer.error["errorType"]) == (b"half", "Function.DeadlineExceeded")
    assert answer.trailers["lambda-runtime-function-error-type"] == "Function.DeadlineExceeded"
    gate.open()
    api.wait_for_polls(1)


class _WhenLogged(logging.Handler):
    """Calls `then` for the first line that begins with a text, before whoever logs it goes on."""

    def __init__(self, text: str, then: Callable[[], object]) -> None:
        super().__init__()
        self._text = text
        self._then = [then]

    def emit(self, record: logging.LogRecord) -> None:
        if self._then and record.getMessage().startswith(self._text):
            self._then.pop()()


@contextmanager
def when_logged(text: str, then: Callable[[], object]) -> Iterator[None]:
    handler = _WhenLogged(text, then)
    logger = logging.getLogger("bridge")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


NEAR = "There is no result, and the deadline"

# More than the kernel takes while nobody reads.
LARGE = bytes(16 << 20)


def test_a_caller_that_reads_on_too_late_gets_all_that_was_sent_and_the_error(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    slots.on_loop(sending(TEXT, part(LARGE, more=True), part(b"never sent")), streams=True, margin=1.0)
    invocation = api.invoke(make_event(), deadline=2.0, stop_reading_after=1000)
    with when_logged(NEAR, invocation.go_on):
        answer = invocation.answer()
    assert (answer.payload == LARGE, answer.error["errorType"]) == (True, "Function.DeadlineExceeded")
    api.wait_for_polls(1)


def test_a_caller_that_never_reads_on_holds_the_slot_to_the_deadline_and_no_longer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    slots.on_loop(sending(TEXT, part(LARGE)), streams=True)
    invocation = api.invoke(make_event(), deadline=0.6, stop_reading_after=1000)
    api.wait_for_polls(1)
    assert logged()[-1] == (logging.ERROR, "The rest of the stream was not read before the deadline: broken off.")
    invocation.go_on()
    assert not invocation.answer().is_whole


def test_a_stream_that_is_at_its_end_stays_whole_though_its_reply_is_late(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    slots.on_loop(sending(TEXT, part(b"all")), streams=True, margin=1.0)
    invocation = api.invoke(make_event(), deadline=2.0, stop_reading_after=1)
    with when_logged(NEAR, invocation.go_on):
        answer = invocation.answer()
    assert (answer.payload, answer.is_whole, answer.trailers) == (b"all", True, {})
    api.wait_for_polls(1)
    assert slots.reports == []


@pytest.mark.parametrize("is_started", [False, True], ids=["before its response", "in the middle"])
def test_a_stubborn_application_cannot_disturb_the_next_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, is_started: bool
) -> None:
    late, tried, next_one = Gate(), Gate(), Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/next":
            await send(TEXT)
            await send(part(b"next ", more=True))
            await next_one.passed()
            await send(part(b"one"))
            return
        if is_started:
            await send(TEXT)
        while not late.is_open:
            try:
                await late.passed()
            except asyncio.CancelledError:
                continue
        try:
            if not is_started:
                await send(TEXT)
            await send(part(b"from the grave"))
        finally:
            tried.open()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    answer = api.invoke(make_event(path="/late"), deadline=0.6).answer()
    assert answer.prelude["statusCode"] == (200 if is_started else 504)
    invocation = api.invoke(make_event(path="/next"))
    invocation.wait_for(ends_with(b"next "))
    late.open()
    tried.wait()
    next_one.open()
    answer = invocation.answer()
    assert (answer.payload, answer.is_whole) == (b"next one", True)


def test_a_late_answer_of_ours_holds_the_slot_to_the_deadline_and_no_longer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Gate().passed()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event(), deadline=0.6, stop_reading_after=1)
    api.wait_for_polls(1)
    assert logged()[-1] == (logging.ERROR, "The rest of the stream was not read before the deadline: broken off.")
    invocation.go_on()
    assert invocation.answer().prelude["statusCode"] == 504  # all of it was on its way


def test_a_service_that_cannot_stream_gets_its_504_as_a_result(api: RuntimeDouble, slots: Slots) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(TEXT)
        await Gate().passed()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    answer = api.invoke(load("alb"), deadline=0.6).answer()
    assert (answer.is_streamed, answer.json["statusCode"], answer.json["body"]) == (False, 504, "Gateway Timeout")
