"""The access line under `python -m bridge.runtime`: exactly one for each invocation, with what the client gets."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge import Bridge, Settings, init_phase
from bridge._types import Message, Receive, Scope, Send
from bridge.errors import StartupFailed
from bridge.runtime.api.vocabulary import MAX_RESULT
from tests.apps import sending
from tests.cases import every_case
from tests.events import MakeEvent, load
from tests.events.records import queue
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import DEADLINE, START, Gate, Slots, Told, part

Event = dict[str, Any]
Lines = list[dict[str, Any]]

# (streams, count)
MODES = [(False, 1), (False, 2), (True, 1), (True, 2)]


@pytest.fixture(autouse=True)
def _our_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init_phase, "_runtime", init_phase.Runtime(can_stream=True))


def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "bridge.access"]


def shown(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    keys = ("method", "path", "status", "bytes", "complete", "error_type")
    return [tuple(line.get(key) for key in keys) for line in lines(caplog)]


def served(app: Any, **settings: Any) -> Bridge:
    return Bridge(app, lifespan="off", settings=Settings(access_log=True, **settings))


@pytest.mark.parametrize(("streams", "count"), MODES)
def test_a_request_has_one_line(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture, streams: bool, count: int
) -> None:
    slots.on_loop(served(sending(START, part(b"body"))), streams=streams, count=count)
    invocations = [api.invoke(make_event(path=f"/{number}")) for number in range(3)]
    for invocation in invocations:
        invocation.answer()
    api.wait_for_polls(count)
    assert sorted(shown(caplog)) == [("GET", f"/{number}", 201, 4, True, None) for number in range(3)]
    assert {line["request_id"] for line in lines(caplog)} == {invocation.request_id for invocation in invocations}
    assert {line["trace_id"].partition("=")[0] for line in lines(caplog)} == {"Root"}


@pytest.mark.parametrize(("streams", "count"), MODES)
def test_a_request_that_reaches_no_application_has_one_line(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture, streams: bool, count: int
) -> None:
    slots.on_loop(served(sending(START, part(b"body"))), streams=streams, count=count)
    cut = load("lambda_edge", Records__0__cf__request__body__inputTruncated=True)
    broken = load("function_url", body="%", isBase64Encoded=True)
    for event, status in ((cut, 413), (broken, 400)):
        caplog.clear()
        api.invoke(event).answer()
        api.wait_for_polls(count)
        assert [line["status"] for line in lines(caplog)] == [status]


def test_an_invocation_whose_startup_fails_has_no_line(make_event: MakeEvent, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no settings")

    handler = Bridge(app, lifespan="on", settings=Settings(access_log=True))
    with pytest.raises(StartupFailed):
        asyncio.run(handler.handle(make_event(), None))
    assert lines(caplog) == []


class Waiting:
    """An application that answers when it is told to, or never. `is_deaf`: it does not end when it is cancelled."""

    def __init__(self, *, is_deaf: bool = False) -> None:
        self.gate, self.arrived, self._is_deaf = Gate(), Gate(), is_deaf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.arrived.open()
        while not self.gate.is_open:
            try:
                await self.gate.passed()
            except asyncio.CancelledError:
                if not self._is_deaf:
                    raise
        await send(START)
        await send(part(b"body"))


@pytest.mark.parametrize("is_deaf", [False, True])
@pytest.mark.parametrize(("streams", "count"), MODES)
def test_a_504_has_one_line(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    caplog: pytest.LogCaptureFixture,
    streams: bool,
    count: int,
    is_deaf: bool,
) -> None:
    app = Waiting(is_deaf=is_deaf)
    running = slots.on_loop(served(app), streams=streams, count=count)
    invocation = api.invoke(make_event(path="/x"), deadline=DEADLINE)
    app.arrived.wait()
    running.near_deadline()
    assert b"Gateway Timeout" in invocation.answer().body
    running.loop_has_turned()
    assert shown(caplog) == [("GET", "/x", 504, 15, True, "DeadlineExceeded")]
    app.gate.open()
    api.wait_for_polls(count)
    assert len(lines(caplog)) == 1


@pytest.mark.parametrize("is_due", [False, True])
@pytest.mark.parametrize(("streams", "count"), MODES)
def test_a_504_from_another_thread_has_one_line(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    caplog: pytest.LogCaptureFixture,
    streams: bool,
    count: int,
    is_due: bool,
) -> None:
    arrived, gate, watchdog = Gate(), Gate(), Told()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        arrived.open()
        gate.wait()
        await send(START)
        await send(part(b"body"))

    running = slots.on_loop(served(app), streams=streams, count=count, watchdog=watchdog)
    invocation = api.invoke(make_event(path="/x"), deadline=DEADLINE)
    arrived.wait()
    watchdog.tell()
    assert b"Gateway Timeout" in invocation.answer().body
    if is_due:
        running.loop.ahead += DEADLINE
    gate.open()
    api.wait_for_polls(count)
    assert shown(caplog) == [("GET", "/x", 504, 15, True, "DeadlineExceeded")]


def too_large(event: Any = None, context: Any = None) -> Any:
    return "x" * MAX_RESULT


async def on_event(event: Any, context: Any) -> Any:
    return too_large()


HEADERS: Message = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"x" * 17_000)]}


@every_case("fails", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_a_500_in_place_of_a_response_has_one_line_and_the_words_that_it_has_without(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    caplog: pytest.LogCaptureFixture,
    fails: bool,
    count: int,
) -> None:
    statuses = frozenset({500} if fails else ())
    large = [
        (sending(START, part(b"x" * MAX_RESULT)), False),
        (sending(HEADERS, part(b"body")), True),
    ]
    for app, streams in large:
        seen: list[Any] = []
        for access_log in (False, True):
            caplog.clear()
            settings = Settings(access_log=access_log, error_status_codes=statuses)
            running = slots.on_loop(Bridge(app, lifespan="off", settings=settings), streams=streams, count=count)
            answer = api.invoke(make_event(path="/x")).answer()
            running.end()
            own = [record.getMessage() for record in caplog.records if record.name != "bridge.access"]
            seen.append((answer.kind, b"" if fails else answer.body, own))  # an error has the request's id
        assert seen[0] == seen[1]
        ((method, path, status, size, _, error_type),) = shown(caplog)
        assert (method, path, status, error_type) == ("GET", "/x", None if fails else 500, "ResultTooLarge")
        assert (size > 0) is not fails


def event_lines(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture, **options: Any
) -> Callable[[Event], tuple[Any, ...]]:
    handler = Bridge(sending(START, part(b'{"a": 1}')), lifespan="off", settings=Settings(access_log=True), **options)
    slots.on_loop(handler)

    def invoke(event: Event) -> tuple[Any, ...]:
        caplog.clear()
        answer = api.invoke(event).answer()
        api.wait_for_polls(1)
        (line,) = shown(caplog)
        return answer.kind, *line

    return invoke


def test_the_line_of_an_event_has_the_size_of_its_result(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    invoke = event_lines(api, slots, caplog)
    assert invoke(queue("1")) == ("response", "POST", "/events", 200, 7, True, None)


def test_the_line_of_an_event_of_a_function_names_the_function(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    invoke = event_lines(api, slots, caplog, on_event=on_event)
    name = f"{__name__}.on_event"
    assert invoke(queue("1")) == ("error", "on_event", name, None, 0, True, "ResultTooLarge")
    (own,) = [record for record in caplog.records if record.name == "bridge"]
    assert own.getMessage().startswith(f"on_event {name} (an event of aws:sqs): ")


def test_a_response_that_is_set_to_fail_has_no_status(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = Waiting()
    running = slots.on_loop(served(app, error_status_codes=frozenset({504})))
    invocation = api.invoke(make_event(path="/x"), deadline=DEADLINE)
    app.arrived.wait()
    running.near_deadline()
    assert invocation.answer().kind == "error"
    running.pass_time(api)
    assert shown(caplog) == [("GET", "/x", None, 0, True, "DeadlineExceeded")]
