"""Each record of a batch on its own, and the partial batch response."""

import asyncio
import json
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import Receive, Scope, Send
from bridge.events.batch import records_of
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.events.calls import CALLS, Call, called
from tests.events.records import CUSTOM, SCHEDULE, failures, queue, stream, table
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]

# How each line begins.
NAMED = "POST /events (an event of {}): The record "

PER_RECORD = Settings(batch="per-record")


@pytest.fixture(params=CALLS, ids=lambda call: call.__name__)
def call(request: pytest.FixtureRequest) -> Call:
    made: Call = request.param
    return made


class Records:
    """An application that fails for some records. `seen`: the identifiers, in order; `most`: how many together."""

    def __init__(self, *failing: str, error: BaseException | None = None, status: int = 500) -> None:
        self.failing, self.error, self.status = failing, error, status
        self.seen: list[str] = []
        self.now = self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        event = scope["aws.event"]
        assert json.loads((await receive())["body"]) == event
        batch = records_of(event)
        assert batch is not None
        ((identifier, _),) = batch.records
        self.seen.append(identifier)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.now -= 1
        failed = identifier in self.failing
        if failed and self.error is not None:
            raise self.error
        await sending({**START, "status": self.status if failed else 200}, part(b""))(scope, receive, send)


def served(app: Any, **settings: Any) -> Bridge:
    return Bridge(app, lifespan="off", settings=Settings(batch="per-record", **settings))


@every_case(
    ("event", "failing", "reported", "seen"),
    [
        (queue("1", "2", "3"), [], [], "123"),
        (queue("1", "2", "3"), ["2"], ["2"], "123"),
        (queue("1", "2", "3"), ["3", "1"], ["1", "3"], "123"),
        (queue("1"), ["1"], ["1"], "1"),
        # Where the order matters, nothing comes after a failure.
        (queue("1", "2", "3", fifo=True), ["2"], ["2", "3"], "12"),
        *((make("1", "2", "3"), ["2"], ["2", "3"], "12") for make in (stream, table)),
        *((make("1", "2", "3"), ["1"], ["1", "2", "3"], "1") for make in (stream, table)),
        *((make("1", "2", "3"), ["3"], ["3"], "123") for make in (stream, table)),
        *((make("1", "2", "3"), [], [], "123") for make in (stream, table)),
    ],
)
def test_the_records_that_failed_are_reported(
    call: Call, caplog: pytest.LogCaptureFixture, event: Event, failing: list[str], reported: list[str], seen: str
) -> None:
    source = event["Records"][0]["eventSource"]
    for app in (Records(*failing), Records(*failing, error=KeyError("sku")), Records(*failing, status=302)):
        caplog.clear()
        assert call(served(app), event, None) == failures(*reported)
        assert "".join(app.seen) == seen
        failed = [identifier for identifier in app.seen if identifier in failing]
        assert_logged(
            caplog,
            *[
                ("ERROR", NAMED.format(source), f"{identifier!r} failed", "KeyError" if app.error else str(app.status))
                for identifier in failed
            ],
        )


@every_case("event", [queue("1", "2"), stream("1", "2")])
def test_a_failure_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture, event: Event) -> None:
    called(served(Records("2", error=KeyError("sku"))), event)
    assert_logged(caplog, ("ERROR", "'2'", "Traceback", "KeyError: 'sku'"))


@every_case(
    ("settings", "event", "most"),
    [
        ({}, queue(*map(str, range(25))), 10),
        ({"batch_concurrency": 3}, queue(*"123456"), 3),
        ({"batch_concurrency": 1}, queue(*"123"), 1),
        ({"batch_concurrency": 100}, queue(*"123"), 3),
        ({}, queue(*"123", fifo=True), 1),
        ({}, stream(*"123"), 1),
        ({}, table(*"123"), 1),
    ],
)
def test_so_many_records_are_under_way_together(settings: Event, event: Event, most: int) -> None:
    app = Records()
    called(served(app, **settings), event)
    assert app.most == most
    assert len(app.seen) == len(event["Records"])


def test_the_rest_of_the_event_stays_as_it_is() -> None:
    event = {**queue("1", "2"), "more": {"a": 1}}
    batch = records_of(event)
    assert batch is not None
    assert batch.records == [(name, {**queue(name), "more": {"a": 1}}) for name in "12"]
    assert len(event["Records"]) == 2


@every_case(
    "event",
    [
        *(CUSTOM, SCHEDULE, [], None, {"Records": []}, {"Records": None}, {"Records": "x"}),
        {"Records": [{"eventSource": "aws:s3"}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": {}}]},
        {"Records": [{"eventSource": ["aws:sqs"], "messageId": "1"}]},
        # The report of such a record would name the wrong one.
        {"Records": [*queue("1")["Records"], {"eventSource": "aws:sqs"}]},
        {"Records": [*queue("1")["Records"], {"eventSource": "aws:sqs", "messageId": ""}]},
        {"Records": [*queue("1")["Records"], *stream("2")["Records"]]},
        {"Records": [*queue("1")["Records"], None]},
        {**stream("1"), "window": {"start": "a", "end": "b"}, "state": {}},
    ],
)
def test_an_event_that_cannot_be_divided_arrives_whole(event: Any) -> None:
    events = []

    async def on_event(event: Any, context: Any) -> None:
        events.append(event)

    called(Bridge(sending(), on_event=on_event, settings=PER_RECORD), event)
    assert events == [event]


def test_without_the_setting_a_batch_arrives_whole() -> None:
    seen: list[Any] = []
    called(Bridge(sending(), on_event=lambda event, context: seen.append(event)), queue("1", "2"))
    assert seen == [queue("1", "2")]


def test_an_application_may_report_its_one_record_itself(caplog: pytest.LogCaptureFixture) -> None:
    report = json.dumps(failures("1")).encode()
    assert called(served(sending(START, part(report))), queue("1")) == failures("1")
    assert_logged(caplog, ("ERROR", "'1'", "batchItemFailures"))
    caplog.clear()
    assert called(served(sending(START, part(b'{"batchItemFailures": []}'))), queue("1")) == failures()
    assert_logged(caplog)


@every_case("event", [queue("1", "2", "3"), stream("1", "2", "3")])
def test_an_exit_ends_the_batch_and_passes_through(call: Call, event: Event) -> None:
    for error in (SystemExit(3), BaseException("out"), BaseExceptionGroup("several", [SystemExit(4)])):
        with pytest.raises(type(error)) as caught:
            call(served(Records("1", error=error)), event, None)
        assert caught.value is error


@every_case("event", [queue("1", "2"), stream("1", "2")])
def test_a_cancellation_from_outside_is_no_failure_of_a_record(event: Event) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        await asyncio.sleep(1000)

    async def main() -> None:
        task = asyncio.create_task(served(app).handle(event, None))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = asyncio.Event()
    asyncio.run(main())


@every_case("event", [queue("1", "2"), stream("1", "2")])
def test_a_record_whose_handling_cancels_itself_has_failed(call: Call, event: Event) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if records_of(scope["aws.event"]) == records_of({"Records": event["Records"][1:]}):
            raise asyncio.CancelledError
        await sending(START, part(b""))(scope, receive, send)

    assert call(served(app), event, None) == failures("2")
