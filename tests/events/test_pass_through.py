"""An event that is not an HTTP request is a POST to the application, and the JSON of the answer is the result."""

import asyncio
import gzip
import json
from collections import UserDict
from types import MappingProxyType
from typing import Any

import pytest

from bridge import Bridge, Handler, Settings
from bridge._httpx import httpx
from bridge.errors import ApplicationCancelled, ErrorStatus, EventFailed, NoResponse, UnsupportedEvent
from tests.apps import START, Journal, part, sending
from tests.cases import every_case
from tests.events import BASES, load
from tests.events.calls import CALLS, Call, called
from tests.events.records import CUSTOM, SCHEDULE, queue, stream, table
from tests.logged import assert_logged
from tests.sources.exchange import CONTEXT, Answer
from tests.sources.test_corpus import CORPUS, EXISTS, NO_HTTP, read

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]

PLAIN = [(b"content-type", b"text/plain")]


@pytest.fixture(params=CALLS, ids=lambda call: call.__name__)
def call(request: pytest.FixtureRequest) -> Call:
    made: Call = request.param
    return made


def bridge(app: Any, **options: Any) -> Bridge:
    return Bridge(app, lifespan="off", **options)


# The request.


def test_the_event_is_the_body_of_a_post_and_is_in_the_scope() -> None:
    app = Answer(content=b"{}")
    event = queue("1")
    assert called(bridge(app), event, CONTEXT) == {}
    assert json.loads(app.body) == event
    assert app.scope.pop("aws.event") is event
    assert app.scope.pop("aws.context") is CONTEXT
    assert app.scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/events",
        "raw_path": b"/events",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(app.body)),
        ],
        "client": None,
        "server": ("localhost", 443),
    }


@every_case(
    "event",
    [
        *(queue("1", "2"), queue("1", fifo=True), stream("1"), table("1"), SCHEDULE, CUSTOM),
        *([{"arguments": {}}], [], "text", "", None, 5, 1.5, True, {"a": {"b": [None]}}, {"lone": "\ud800"}),
    ],
)
def test_an_event_may_be_any_json_and_arrives_unchanged(event: Any) -> None:
    app = Answer(status=204)
    assert called(bridge(app), event) is None
    assert json.loads(app.body) == event
    assert app.scope["aws.event"] is event


def test_an_event_may_be_of_other_mappings_and_sequences() -> None:
    app = Answer(status=204)
    called(bridge(app), UserDict(Records=(MappingProxyType({"eventSource": "aws:sqs"}),)))
    assert json.loads(app.body) == {"Records": [{"eventSource": "aws:sqs"}]}


@every_case("value", [object(), b"bytes", {1}, float("nan")])
def test_an_event_that_json_lacks_is_unsupported(value: object) -> None:
    app = Answer(status=204)
    with pytest.raises(UnsupportedEvent, match="JSON"):
        called(bridge(app), {"value": value})
    assert not app.scope


@every_case(
    ("settings", "path", "raw_path"),
    [
        ({}, "/events", b"/events"),
        ({"pass_through_path": "/internal/events/"}, "/internal/events/", b"/internal/events/"),
        ({"pass_through_path": "/caf%C3%A9"}, "/caf\u00e9", b"/caf%C3%A9"),
        ({"pass_through_path": "/caf\u00e9"}, "/caf\u00e9", b"/caf%C3%A9"),
        # What is about the URLs of clients does not count.
        ({"base_path": "/events", "root_path": "/v1", "stage": "strip"}, "/events", b"/events"),
        ({"authorization_source": "x-auth", "trust_forwarded_host": True}, "/events", b"/events"),
    ],
)
def test_the_path_is_the_one_that_is_set(
    caplog: pytest.LogCaptureFixture, settings: Event, path: str, raw_path: bytes
) -> None:
    app = Answer(status=204)
    called(bridge(app, settings=Settings(**settings)), CUSTOM)
    assert (app.scope["path"], app.scope["raw_path"], app.scope["root_path"]) == (path, raw_path, "")
    assert_logged(caplog)


def test_the_application_is_started_before_an_event_and_its_state_is_there() -> None:
    app = Journal()
    assert called(Bridge(app), CUSTOM) == 1  # the number of startups, which the application answers
    assert app.steps == ["startup", "request", "shutdown"]


# The result.


@every_case(
    ("content", "result"),
    [
        (b'{"batchItemFailures": [{"itemIdentifier": "1"}]}', {"batchItemFailures": [{"itemIdentifier": "1"}]}),
        *((b"[1, 2]", [1, 2]), (b"null", None), (b"", None), (b'"caf\xc3\xa9"', "caf\u00e9"), (b" 5\n", 5)),
        # It is never taken for a response to HTTP.
        (b'{"statusCode": 500}', {"statusCode": 500}),
    ],
)
def test_the_json_of_the_answer_is_the_result(call: Call, content: bytes, result: Any) -> None:
    for status in (200, 202):
        assert call(bridge(Answer(status, PLAIN, content)), queue("1")) == result


@every_case("status", [200, 201, 204, 299])
def test_an_empty_answer_is_null(status: int) -> None:
    assert called(bridge(Answer(status)), queue("1")) is None


@every_case(
    ("status", "content", "facts"),
    [
        (404, b"Not Found", ["POST /events", "404", "Not Found", "AWS_LWA_PASS_THROUGH_PATH", "on_event"]),
        (405, b"", ["405", "on_event"]),
        *((500, b"no database", ["500", "no database"]), (400, b'{"a": 1}', ["400", '{"a": 1}'])),
        *((304, b"", ["304"]), (100, b"", ["100"]), (300, b"", ["300"]), (503, b"\xff", ["503", "\ufffd"])),
        (500, b"x" * 100_000, ["500", "x" * 1000]),
    ],
)
def test_a_status_outside_2xx_fails_the_invocation(call: Call, status: int, content: bytes, facts: list[str]) -> None:
    with pytest.raises(EventFailed) as caught:
        call(bridge(Answer(status, PLAIN, content)), queue("1"))
    assert [fact for fact in facts if fact not in str(caught.value)] == []
    assert len(str(caught.value)) < 10_000


def test_a_redirect_fails_and_names_its_target() -> None:
    with pytest.raises(EventFailed, match=r"307.*redirects to '/events/'"):
        called(bridge(Answer(307, [(b"location", b"/events/")])), queue("1"))


@every_case("content", [b"<html>", b"ok", b"{", b"\xff", b" ", b"NaN", b"[Infinity]", b"{}{}", b"[" * 100_000])
def test_an_answer_that_is_not_json_fails_the_invocation(content: bytes) -> None:
    with pytest.raises(EventFailed, match="JSON answer"):
        called(bridge(Answer(200, PLAIN, content)), queue("1"))


@every_case(
    ("app", "error", "text"),
    [
        (sending(then=KeyError("sku")), KeyError, "sku"),
        (sending(START, then=KeyError("sku")), KeyError, "sku"),
        (sending(START, part(b"{", more=True), then=ValueError("half")), ValueError, "half"),
        (sending(), NoResponse, "without a response"),
        # An error handler answers before it raises the error again.
        (sending({**START, "status": 500}, part(b"Internal Server Error"), then=KeyError("sku")), KeyError, "sku"),
    ],
)
def test_an_exception_is_the_invocations_own_and_is_not_logged_twice(
    caplog: pytest.LogCaptureFixture, call: Call, app: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call(bridge(app), queue("1"))
    assert_logged(caplog)


def test_a_content_encoding_is_decoded() -> None:
    coded = [(b"content-encoding", b"gzip")]
    assert called(bridge(Answer(200, coded, gzip.compress(b"[1]"))), queue("1")) == [1]
    with pytest.raises(EventFailed, match="JSON"):
        called(bridge(Answer(200, coded, b"broken")), queue("1"))


def test_an_exception_after_any_other_answer_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    assert call(bridge(sending(START, part(b"5"), then=KeyError("sku"))), queue("1")) == 5
    assert_logged(caplog, ("ERROR", "POST /events", "KeyError: 'sku'"))
    caplog.clear()
    with pytest.raises(EventFailed, match="404"):
        call(bridge(sending({**START, "status": 404}, part(b""), then=KeyError("sku"))), queue("1"))
    assert_logged(caplog, ("ERROR", "POST /events", "KeyError: 'sku'"))


def test_an_exit_passes_through(call: Call) -> None:
    with pytest.raises(SystemExit):
        call(bridge(sending(then=SystemExit(3))), queue("1"))


def test_a_cancellation_of_its_own_is_an_error(call: Call) -> None:
    for error in (asyncio.CancelledError(), BaseExceptionGroup("several", [asyncio.CancelledError()])):
        with pytest.raises(ApplicationCancelled):
            call(bridge(sending(then=error)), queue("1"))


def test_a_status_that_is_set_to_fail_invocations_keeps_its_error() -> None:
    settings = Settings(error_status_codes="500-599")  # type: ignore[arg-type]
    with pytest.raises(ErrorStatus) as caught:
        called(bridge(Answer(503, PLAIN, b"later"), settings=settings), queue("1"))
    assert json.loads(str(caught.value)) == {"statusCode": 503, "body": "later"}


def test_a_transport_of_the_users_gets_events_too_and_its_failure_is_the_invocations() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url != "https://localhost/events":
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=[request.method, json.loads(request.content)])

    assert called(Handler(httpx.MockTransport(answer)), CUSTOM) == ["POST", CUSTOM]
    elsewhere = Settings(pass_through_path="/elsewhere")
    with pytest.raises(httpx.ConnectError, match="refused"):
        called(Handler(httpx.MockTransport(answer), settings=elsewhere), CUSTOM)


def test_a_source_of_the_users_has_the_first_word(make_event: Any) -> None:
    class Tasks:
        name = "tasks"

        def matches(self, event: Event) -> bool:
            return "task" in event

        def decode(self, event: Event, settings: Settings) -> httpx.Request:
            return httpx.Request("PUT", "https://tasks/task", content=event["task"])

        def encode(self, response: Any, event: Event, settings: Settings) -> Any:
            return {"code": response.status_code}

    app = Answer(201)
    assert called(bridge(app, sources=[Tasks()]), CUSTOM) == {"code": 201}
    assert (app.scope["method"], app.scope["path"]) == ("PUT", "/task")


@pytest.mark.skipif(not EXISTS, reason="there is no ../shared/events beside the checkout")
def test_every_event_of_the_corpus_passes_or_is_refused_by_its_name() -> None:
    refused = []
    for file in NO_HTTP:
        app = Answer(content=b'{"fine": true}')
        event = read(file)
        try:
            assert called(bridge(app), event) == {"fine": True}, file
            assert json.loads(app.body) == event, file
        except UnsupportedEvent:
            refused.append(file)
            assert not app.scope, file
    authorizers = {f"non-http/{path.name}" for path in (CORPUS / "non-http").glob("*authorizer*")}
    others = {"non-http/client-vpn-connection-handler.json", "lambda-edge/origin-response.json"}
    assert set(refused) == authorizers | others


@every_case("name", BASES)
def test_an_http_event_that_no_given_source_takes_never_becomes_an_event(name: str) -> None:
    class Other:
        name = "other"

        def matches(self, event: Event) -> bool:
            return False

        decode = encode = None

    app = Answer(status=204)
    with pytest.raises(UnsupportedEvent, match="not among the given ones"):
        called(bridge(app, sources=[Other()]), load(name))
    assert not app.scope
