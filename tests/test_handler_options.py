"""What a Handler does besides decoding and encoding: where authorization comes from, and which answers are failures."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import anyio
import pytest

from bridge import Bridge, Settings
from bridge._httpx import httpx
from bridge._types import ASGIApp, Receive, Scope, Send
from bridge.errors import ErrorStatus, StartupFailed, UnsupportedEvent
from tests.apps import START, Journal, part, sending
from tests.cases import every_case
from tests.events import BASES, load
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Pairs = list[tuple[bytes, bytes]]

SOURCE = "x-auth-token"


class Answer(NamedTuple):
    status: int
    body: bytes


Call = Callable[..., Answer]


def called(app: ASGIApp, event: Event, settings: Settings | None = None, **options: Any) -> Answer:
    with closing(Bridge(app, lifespan="off", settings=settings, **options)) as handler:
        return of_result(handler(event, None))


def of_result(result: dict[str, Any]) -> Answer:
    assert not result.get("isBase64Encoded")
    return Answer(int(result.get("statusCode") or result["status"]), result.get("body", "").encode())


def streamed(app: ASGIApp, event: Event, settings: Settings | None = None, **options: Any) -> Answer:
    async def main() -> Answer:
        async with Bridge(app, lifespan="off", settings=settings, **options).stream(event, None) as response:
            status: int = response.prelude["statusCode"]
            return Answer(status, b"".join([item async for item in response.body]))

    return anyio.run(main)


@pytest.fixture(params=[called, streamed])
def call(request: pytest.FixtureRequest) -> Call:
    """A whole answer and a streamed one follow the same settings."""
    way: Call = request.param
    return way


class Recorder:
    """An application that keeps the headers it was given."""

    def __init__(self) -> None:
        self.headers: Pairs = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = list(scope["headers"])
        await send(START)
        await send(part(b"fine"))

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


def with_header(event: Event, name: str, value: str) -> Event:
    """Return `event` with one more header, in the shape of its own headers."""
    if "Records" in event:
        event["Records"][0]["cf"]["request"]["headers"].setdefault(name.lower(), []).append(
            {"key": name, "value": value}
        )
        return event
    for field in ("headers", "multiValueHeaders"):
        headers = event.get(field)
        if headers:
            headers[name] = [value] if isinstance(next(iter(headers.values())), list) else value
    return event


@every_case("name", BASES)
def test_the_value_of_the_source_becomes_authorization_in_the_events_of_every_service(name: str, call: Call) -> None:
    app = Recorder()
    event = with_header(load(name), "X-Auth-Token", "Bearer 123")
    call(app, load(name))
    before = app.headers
    given = json.dumps(event)
    assert call(app, event, Settings(authorization_source=SOURCE)) == (200, b"fine")
    assert json.dumps(event) == given
    assert app.headers == [*before, (b"authorization", b"Bearer 123")]


@every_case("name", BASES)
def test_it_takes_the_place_of_the_authorization_that_was_there(name: str, call: Call) -> None:
    app = Recorder()
    event = with_header(with_header(load(name), "Authorization", "AWS4-HMAC-SHA256 x"), "x-auth-token", "Bearer 123")
    call(app, event, Settings(authorization_source=SOURCE))
    assert (app.values(b"authorization"), app.values(b"x-auth-token")) == ([b"Bearer 123"], [])


def test_without_the_source_the_authorization_stays_and_the_log_says_so(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    app = Recorder()
    event = with_header(make_event(), "authorization", "Basic abc")
    assert call(app, event, Settings(authorization_source="X-Auth-Token")) == (200, b"fine")
    assert app.values(b"authorization") == [b"Basic abc"]
    assert_logged(caplog, ("WARNING", "x-auth-token", "authorization"))


def test_without_the_source_and_without_authorization_the_request_is_served_all_the_same(
    make_event: MakeEvent, call: Call
) -> None:
    app = Recorder()
    assert call(app, make_event(), Settings(authorization_source=SOURCE)) == (200, b"fine")
    assert app.values(b"authorization") == []


@every_case(
    ("spelling", "setting"),
    [("x-auth-token", "X-Auth-Token"), ("X-Auth-Token", "x-auth-token"), ("X-AUTH-TOKEN", SOURCE)],
)
def test_the_source_is_found_in_any_case(make_event: MakeEvent, call: Call, spelling: str, setting: str) -> None:
    app = Recorder()
    call(app, with_header(make_event(), spelling, "Bearer 123"), Settings(authorization_source=setting))
    assert app.values(b"authorization") == [b"Bearer 123"]


def test_of_several_values_the_first_one_counts(call: Call) -> None:
    app = Recorder()
    event = load("alb_multi")
    event["multiValueHeaders"]["x-auth-token"] = ["first", "second"]
    call(app, event, Settings(authorization_source=SOURCE))
    assert (app.values(b"authorization"), app.values(b"x-auth-token")) == ([b"first"], [])


def test_authorization_as_its_own_source_stays_as_it_is(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    app = Recorder()
    call(app, with_header(make_event(), "Authorization", "Basic abc"), Settings(authorization_source="authorization"))
    assert (app.values(b"authorization"), caplog.messages) == ([b"Basic abc"], [])


def test_an_empty_value_is_a_value(make_event: MakeEvent, call: Call) -> None:
    app = Recorder()
    event = with_header(with_header(make_event(), "authorization", "Basic abc"), "x-auth-token", "")
    call(app, event, Settings(authorization_source=SOURCE))
    assert app.values(b"authorization") == [b""]


def test_without_the_setting_nothing_is_moved(make_event: MakeEvent, call: Call) -> None:
    app = Recorder()
    event = with_header(with_header(make_event(), "authorization", "Basic abc"), "x-auth-token", "Bearer 123")
    call(app, event, Settings())
    assert (app.values(b"authorization"), app.values(b"x-auth-token")) == ([b"Basic abc"], [b"Bearer 123"])


class HttpxSource:
    """A source of the user's, with requests that are httpx's own."""

    name = "mine"

    def matches(self, event: Event) -> bool:
        return True

    def decode(self, event: Event, settings: Settings) -> httpx.Request:
        return httpx.Request("GET", "http://localhost/", headers=event["pairs"])

    def encode(self, response: Any, event: Event, settings: Settings) -> dict[str, Any]:
        return {"statusCode": response.status_code, "body": response.body.decode()}


def test_a_request_of_httpxs_own_gets_its_authorization_alike(call: Call) -> None:
    app = Recorder()
    event = {"pairs": [("X-Auth-Token", "Bearer 123"), ("Authorization", "Basic abc"), ("Accept", "*/*")]}
    call(app, event, Settings(authorization_source=SOURCE), sources=[HttpxSource()])
    assert app.headers == [(b"host", b"localhost"), (b"accept", b"*/*"), (b"authorization", b"Bearer 123")]


def answering(status: int, *parts: bytes, headers: Pairs | None = None) -> ASGIApp:
    start = {**START, "status": status, "headers": headers or START["headers"]}
    return sending(start, *(part(item, more=True) for item in parts), part(b""))


def failure(call: Call, app: ASGIApp, event: Event, codes: str, **options: Any) -> Any:
    """The JSON that the failure of the invocation says."""
    with pytest.raises(ErrorStatus) as caught:
        call(app, event, Settings(error_status_codes=codes), **options)  # type: ignore[arg-type]
    return json.loads(str(caught.value))


@every_case("name", BASES)
def test_a_status_that_is_set_to_fail_fails_the_invocation_whatever_the_service(name: str, call: Call) -> None:
    told = failure(call, answering(502, b"Bad ", b"Gateway"), load(name), "500,502-504")
    assert told == {"statusCode": 502, "body": "Bad Gateway"}


@every_case(("codes", "status"), [("500,502-504", 404), ("500,502-504", 501), ("500,502-504", 505), ("", 500)])
def test_any_other_status_is_an_answer(make_event: MakeEvent, call: Call, codes: str, status: int) -> None:
    settings = Settings(error_status_codes=codes)  # type: ignore[arg-type]
    assert call(answering(status, b"Not ", b"here"), make_event(), settings) == (status, b"Not here")


@every_case(
    ("body", "told"),
    [
        (b"", ""),
        (b'{"detail": "a \\"quoted\\" text"}', '{"detail": "a \\"quoted\\" text"}'),
        ("caf\u00e9 \U0001f600".encode(), "caf\u00e9 \U0001f600"),
        (b"line\r\n\0\x7f", "line\r\n\0\x7f"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 65536, "x" * 65536),
        (b"x" * 65537, "x" * 65536),
        (b"x" * 65535 + "\u00e9".encode(), "x" * 65535 + "\ufffd"),
    ],
)
def test_the_text_of_the_failure_is_json_whatever_the_body(
    make_event: MakeEvent, call: Call, body: bytes, told: str
) -> None:
    assert failure(call, answering(500, body), make_event(), "500") == {"statusCode": 500, "body": told}


@every_case(
    ("app", "fields", "told"),
    [
        (sending(then=KeyError("broken")), {}, (500, "Internal Server Error")),
        (answering(200, b"fine", headers=[(b"x-broken", b"a\nb")]), {}, (500, "Internal Server Error")),
        (answering(200), {"body": "%%%", "isBase64Encoded": True}, (400, "Bad Request")),
        (answering(500), {"method": "HEAD"}, (500, "")),
    ],
)
def test_an_answer_that_the_handler_makes_or_shortens_fails_alike(
    make_event: MakeEvent, call: Call, app: ASGIApp, fields: Event, told: tuple[int, str]
) -> None:
    status, body = told
    assert failure(call, app, make_event(**fields), "400,500") == {"statusCode": status, "body": body}


def test_an_application_that_fails_within_its_answer_fails_the_invocation_alike(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    app = sending({**START, "status": 503}, part(b"half", more=True), then=KeyError("broken"))
    assert failure(call, app, make_event(), "500-599") == {"statusCode": 500, "body": "Internal Server Error"}
    assert_logged(caplog, ("ERROR", "GET /", "KeyError", "broken"))


def test_an_event_that_is_no_request_is_no_failure_of_an_answer(call: Call) -> None:
    with pytest.raises(UnsupportedEvent):
        call(Recorder(), {"methodArn": "arn"}, Settings(error_status_codes="100-599"))  # type: ignore[arg-type]


def test_a_source_does_not_get_to_see_an_answer_that_fails() -> None:
    class Source(HttpxSource):
        def encode(self, response: Any, event: Event, settings: Settings) -> dict[str, Any]:
            raise AssertionError("not called")

    told = failure(called, answering(500, b"text"), {"pairs": []}, "500", sources=[Source()])
    assert told == {"statusCode": 500, "body": "text"}


def test_an_application_that_streams_a_failure_comes_to_its_own_end(make_event: MakeEvent, call: Call) -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await answering(500, *[b"part"] * 3)(scope, receive, send)
            ended.append("whole")
        finally:
            ended.append("over")

    assert failure(call, app, make_event(), "500") == {"statusCode": 500, "body": "partpartpart"}
    assert ended == ["whole", "over"]


async def endless(send: Send, part_of_it: bytes, pause: Callable[[], Awaitable[object]]) -> None:
    while True:
        await send(part(part_of_it, more=True))
        await pause()


def test_a_failure_that_never_ends_fails_the_invocation_after_a_part_of_it(make_event: MakeEvent) -> None:
    """A stream alone can be endless: a whole answer ends with the deadline."""
    for item, pause, told in (
        (b"a" * 1000, partial(asyncio.sleep, 0), "a" * 65536),
        (b"b", asyncio.Event().wait, "b"),
    ):

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "status": 503})
            await endless(send, item, pause)  # noqa: B023  # called within its round

        assert failure(streamed, app, make_event(), "503") == {"statusCode": 503, "body": told}


def test_a_startup_that_fails_is_no_failure_of_an_answer(make_event: MakeEvent) -> None:
    app = Journal(startup=ConnectionError("no database"))
    handler = Bridge(app, settings=Settings(error_status_codes=frozenset(range(100, 600))))
    with closing(handler), pytest.raises(StartupFailed):
        handler(make_event(), None)
