"""Streams whose reader has gone, and their applications."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from tests.events import MakeEvent
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import Gate, Slots, part
from tests.runtime.streamed_apps import TEXT, ends_with, read_whole


def test_a_caller_that_has_gone_is_told_to_an_application_that_waits_for_it(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO)
    # This application is not one that is cancelled by the task that it listens with.
    monkeypatch.setattr("bridge.asgi.streaming.LISTENER_GRACE", 0.01)
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read_whole(receive)
        await send(TEXT)
        await send(part(b"half", more=True))
        seen.append(await receive())
        try:
            await send(part(b"more", more=True))
        except OSError as exc:
            seen.append(type(exc).__name__)

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event())
    invocation.wait_for(lambda body: body.endswith(b"half"))
    invocation.hang_up()
    api.wait_for_polls(1)
    assert seen == [{"type": "http.disconnect"}, "ClientDisconnected"]
    assert_logged(caplog, ("INFO", "caller went away"))


def test_a_stream_that_is_broken_off_beyond_lambdas_limit_is_said_to_be_too_large(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.runtime.invocations.answer.MAX_STREAM", 5)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read_whole(receive)
        await send(TEXT)
        await send(part(b"half", more=True))
        await send(part(b"more", more=True))
        await receive()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event())
    invocation.wait_for(ends_with(b"more"))
    invocation.hang_up()
    api.wait_for_polls(1)
    assert_logged(caplog, ("ERROR", "8 bytes", "200 MB"))


def test_an_early_answer_of_the_api_ends_the_stream(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read_whole(receive)
        await send(TEXT)
        await send(part(b"half", more=True))
        await receive()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    for status, level in ((410, "WARNING"), (413, "ERROR")):
        caplog.clear()
        invocation = api.invoke(make_event())
        invocation.wait_for(ends_with(b"half"))
        invocation.answer_early(status)
        api.wait_for_polls(1)
        assert_logged(caplog, (level, "GET /: ", str(status)))


def test_an_application_that_does_not_hear_is_cancelled_as_work_after_an_answer_is(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(TEXT)
        await send(part(b"half", more=True))
        try:
            await Gate().passed()
        finally:
            ended.append("application")

    slots.on_loop(Bridge(app, lifespan="off"), streams=True, background=0.05)
    invocation = api.invoke(make_event())
    invocation.wait_for(ends_with(b"half"))
    invocation.hang_up()
    api.wait_for_polls(1)
    assert ended == ["application"]
    assert_logged(caplog, ("ERROR", "its time is over"))


def test_a_generator_that_its_application_has_left_is_closed_before_the_next_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    closed: list[str] = []

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"more"
        finally:
            await asyncio.sleep(0)
            closed.append("generator")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = parts()
        await send(TEXT)
        async for each in body:  # as Starlette does: Python closes it when nothing refers to it any more
            await send(part(each, more=True))

    gc.disable()  # whose next run might be many invocations away
    try:
        slots.on_loop(Bridge(app, lifespan="off"), streams=True)
        invocation = api.invoke(make_event())
        invocation.wait_for(ends_with(b"more"))
        invocation.hang_up()
        api.wait_for_polls(1)
        assert closed == ["generator"]
    finally:
        gc.enable()


def test_a_connection_without_a_reader_is_closed_though_the_application_works_on(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.asgi.streaming.DISCONNECT_GRACE", 60.0)
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(TEXT)
        await send(part(b"half", more=True))
        await gate.passed()

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    invocation = api.invoke(make_event())
    invocation.wait_for(ends_with(b"half"))
    invocation.answer_early(410)
    api.wait_for_connections(0)
    assert api.open_polls == 0
    gate.open()
    api.wait_for_polls(1)
