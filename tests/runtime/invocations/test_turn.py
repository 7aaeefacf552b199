"""An event loop that is blocked near the deadline: the watchdog's thread answers, and the loop's own answer is dropped.

The watchdog tells when a test says so, in the thread of the test.
"""

import asyncio
import socket
from typing import Any

import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from bridge.runtime.api.connection import Connection
from bridge.runtime.api.http import Reply
from bridge.runtime.api.vocabulary import Invocation
from bridge.runtime.invocations.posts import Post
from bridge.runtime.invocations.turn import Turn
from tests.cases import every_case
from tests.events import BASES, MakeEvent, load
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import DEADLINE, MARGIN, START, Gate, Running, Slots, Told, part

Event = dict[str, Any]
BLOCKED = ("ERROR", "The event loop is blocked, and the deadline of the invocation is near.", "gate.wait()")
DROPPED = ("WARNING", "dropped")


class Blocking:
    """An application that blocks its event loop at /wait. `where`: a message that it has sent before, or ""."""

    def __init__(self, where: str = "", *, turns: int = 0) -> None:
        self._where, self._turns = where, turns
        self.arrived, self.gate = Gate(), Gate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        for name, message in (("", None), ("first", [START, part(b"do", more=True)]), ("last", [part(b"ne")])):
            for each in message or []:
                await send(each)
            if scope["path"] != "/" and name == self._where:
                for _ in range(self._turns):
                    await asyncio.sleep(0)
                self.block(self.gate)

    def block(self, gate: Gate) -> None:
        self.arrived.open()
        gate.wait()


def goes_on(api: RuntimeDouble) -> bool:
    event = load("http_api_v2", rawPath="/")
    return bool(api.invoke(event, deadline=DEADLINE).answer().json["body"] == "done")


async def gateway_timeout(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"15")]
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 504, "headers": headers})
        await send(part(b"Gateway Timeout"))


@every_case("name", BASES)
@pytest.mark.parametrize(("count", "is_due"), [(1, False), (1, True), (2, True)])
def test_the_client_gets_a_504_while_the_event_loop_is_blocked(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture, name: str, count: int, is_due: bool
) -> None:
    app, watchdog = Blocking(), Told()
    running = slots.on_loop(app, count=count, watchdog=watchdog)
    invocation = api.invoke(load(name), deadline=DEADLINE, invocation_id="9c7d")
    app.arrived.wait()
    watchdog.tell()
    answer = invocation.answer()
    expected = Bridge(gateway_timeout, lifespan="off")
    assert (answer.json, answer.status) == (expected(load(name), None), 202)
    expected.close()
    if is_due:  # when the loop goes on, its own timer is
        running.loop.ahead += DEADLINE - MARGIN / 2
    app.gate.open()
    assert goes_on(api)
    assert_logged(caplog, BLOCKED, DROPPED)
    running.end()


def test_a_stream_that_has_not_started_is_a_504_too(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    app, watchdog = Blocking(), Told()
    slots.on_loop(app, streams=True, watchdog=watchdog)
    invocation = api.invoke(load("function_url", rawPath="/wait"), deadline=DEADLINE, invocation_id="9c7d")
    app.arrived.wait()
    watchdog.tell()
    answer = invocation.answer()
    assert (answer.prelude["statusCode"], answer.payload) == (504, b"Gateway Timeout")
    assert (answer.is_whole, answer.has_prelude, answer.headers["lambda-runtime-invocation-id"]) == (True, True, "9c7d")
    app.gate.open()
    streamed = api.invoke(load("function_url", rawPath="/"), deadline=DEADLINE).answer()
    assert streamed.payload == b"done"
    assert_logged(caplog, BLOCKED, DROPPED)


def test_an_event_that_is_not_http_and_a_function_fail(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    def of_function(app: Blocking, watchdog: Told) -> Running:
        async def function(event: Any, context: Any) -> None:
            app.block(app.gate)

        return slots.of_function(function, watchdog=watchdog)

    def of_handler(app: Blocking, watchdog: Told) -> Running:
        return slots.on_loop(app, watchdog=watchdog)

    for start in (of_function, of_handler):
        app, watchdog = Blocking(), Told()
        running = start(app, watchdog)
        invocation = api.invoke({"detail": "an event"}, deadline=DEADLINE)
        app.arrived.wait()
        watchdog.tell()
        answer = invocation.answer()
        assert (answer.kind, answer.error["errorType"]) == ("error", "Function.DeadlineExceeded")
        assert slots.reports.pop() == answer.error
        app.gate.open()
        api.wait_for_polls(1)
        running.end()
        assert_logged(caplog, BLOCKED, DROPPED)
        caplog.clear()


def test_a_response_that_is_whole_is_posted_as_it_is(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    for turns, lines in ((0, (BLOCKED, DROPPED)), (1, (BLOCKED,))):  # posted by the watchdog, and by the loop before
        caplog.clear()
        app, watchdog = Blocking("last", turns=turns), Told()
        running = slots.on_loop(app, watchdog=watchdog)
        invocation = api.invoke(make_event(path="/wait"), deadline=DEADLINE)
        app.arrived.wait()
        watchdog.tell()
        assert invocation.answer().json["body"] == "done"
        app.gate.open()
        assert goes_on(api)
        running.end()
        assert_logged(caplog, *lines)


def test_a_stream_that_has_started_goes_on(api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture) -> None:
    app, watchdog = Blocking("first", turns=5), Told()
    slots.on_loop(app, streams=True, watchdog=watchdog)
    invocation = api.invoke(load("function_url", rawPath="/wait"), deadline=DEADLINE)
    app.arrived.wait()
    watchdog.tell()
    app.gate.open()
    answer = invocation.answer()
    assert (answer.payload, answer.is_whole) == (b"done", True)
    assert_logged(caplog, BLOCKED)


@pytest.mark.parametrize(("status", "level"), [(400, "ERROR"), (410, "WARNING")])
def test_an_answer_that_is_refused_is_the_only_one(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture, status: int, level: str
) -> None:
    app, watchdog = Blocking(), Told()
    slots.on_loop(app, watchdog=watchdog)
    api.refuse_next_answer(status, "Type", "the reason")
    invocation = api.invoke(make_event(path="/wait"), deadline=DEADLINE)
    app.arrived.wait()
    watchdog.tell()
    assert invocation.answer().status == status
    app.gate.open()
    assert goes_on(api)
    assert_logged(caplog, (level, "the reason"), BLOCKED, DROPPED)


# The turn.

INVOCATION = Invocation(Reply(200, {b"lambda-runtime-aws-request-id": b"r-1"}, b"{}"))


def made() -> Post:
    return Post(INVOCATION.response_path, [(b"content-length", b"2")], b"{}")


def test_there_is_one_turn() -> None:
    turn = Turn()
    assert [turn.take(), turn.take()] == [True, False]

    def never() -> Post:
        raise AssertionError("the turn was taken")

    turn.post(never, INVOCATION, Connection(("127.0.0.1", 9), user_agent="test"), 1.0, str)


@pytest.mark.parametrize("listens", [False, True], ids=["refused", "no reply"])
def test_the_turn_stays_free_if_nothing_could_be_posted(caplog: pytest.LogCaptureFixture, listens: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if not listens:
            silent.close()
        turn = Turn()
        address = silent.getsockname() if listens else ("127.0.0.1", 9)
        turn.post(made, INVOCATION, Connection(address, user_agent="test"), 0.0, str)
    assert turn.take()
    assert_logged(caplog, ("ERROR", "No answer could be posted"))
