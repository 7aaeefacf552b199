"""What a Lambda handler answers, whatever the application does. Loops and threads are in test_handler_loops.py."""

import logging
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any

import anyio
import pytest

from bridge import DEFAULT_SOURCES, Bridge, Settings
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.errors import ConfigurationError, MalformedEvent, ProtocolError, UnsupportedEvent

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Call = Callable[[Bridge, Event], dict[str, Any]]
Logged = Callable[[], list[tuple[int, str, type[BaseException] | None]]]

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
SERVER_ERROR = {
    "statusCode": 500,
    "headers": {"content-type": "text/plain; charset=utf-8", "content-length": "21"},
    "cookies": [],
    "body": "Internal Server Error",
    "isBase64Encoded": False,
}
BAD_REQUEST = SERVER_ERROR | {
    "statusCode": 400,
    "headers": {"content-type": "text/plain; charset=utf-8", "content-length": "11"},
    "body": "Bad Request",
}


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def result(body: str, status: int = 200) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "text/plain"},
        "cookies": [],
        "body": body,
        "isBase64Encoded": False,
    }


def sending(*messages: Message, then: BaseException | None = None) -> ASGIApp:
    """An application without lifespan that sends `messages`, and then returns or raises."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for message in messages:
                await send(message)
            if then is not None:
                raise then

    return app


def call_sync(handler: Bridge, event: Event) -> dict[str, Any]:
    return handler(event, None)


def on_backend(backend: str) -> Call:
    def call(handler: Bridge, event: Event) -> dict[str, Any]:
        async def main() -> dict[str, Any]:
            async with handler:
                return await handler.handle(event, None)

        run: Callable[..., dict[str, Any]] = anyio.run
        return run(main, backend=backend)

    return call


@pytest.fixture(params=[call_sync, on_backend("asyncio"), on_backend("trio")], ids=["sync", "asyncio", "trio"])
def call(request: pytest.FixtureRequest) -> Call:
    """Both faces of a handler give the same answers and log the same lines."""
    chosen: Call = request.param
    return chosen


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """The lines that the package logged: level, message and type of the exception."""

    def lines() -> list[tuple[int, str, type[BaseException] | None]]:
        records = [record for record in caplog.records if record.name == "bridge"]
        return [(record.levelno, record.getMessage(), (record.exc_info or (None,))[0]) for record in records]

    return lines


def test_an_invocation_gets_the_applications_response(call: Call, make_event: MakeEvent, logged: Logged) -> None:
    with closing(Bridge(sending(START, part(b"one "), part(b"two", more=False)))) as handler:
        assert call(handler, make_event()) == result("one two")
    assert logged() == []


def test_the_application_sees_the_request_the_event_and_the_context(make_event: MakeEvent) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["method"], scope["path"], scope["client"], await receive()))
        seen.extend((scope["aws.event"], scope["aws.context"], "state" in scope))
        await sending(START, part(b"", more=False))(scope, receive, send)

    event, context = make_event("POST", "/caf%C3%A9", body="text"), object()
    with closing(Bridge(app, lifespan="off")) as handler:
        handler(event, context)
    request = {"type": "http.request", "body": b"text", "more_body": False}
    assert seen == [("POST", "/caf\u00e9", ("192.0.2.1", 0), request), event, context, False]
    assert seen[1] is event


class Oops(Exception):
    """The application's own."""


@pytest.mark.parametrize("messages", [[], [START], [START, part(b"one")]], ids=["before", "started", "in the body"])
def test_an_application_that_raises_before_the_end_is_a_500_and_one_line_with_its_traceback(
    call: Call, make_event: MakeEvent, logged: Logged, messages: list[Message]
) -> None:
    with closing(Bridge(sending(*messages, then=Oops()))) as handler:
        assert call(handler, make_event()) == SERVER_ERROR
    assert logged() == [(logging.ERROR, "The application raised Oops.", Oops)]


def test_an_application_that_raises_after_the_end_keeps_its_response(
    call: Call, make_event: MakeEvent, logged: Logged
) -> None:
    with closing(Bridge(sending(START, part(b"all", more=False), then=Oops()))) as handler:
        assert call(handler, make_event()) == result("all")
    assert logged() == [(logging.ERROR, "The application failed after its response was complete.", Oops)]


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        ([], "send 'http.response.start', but it returned without a response."),
        (
            [START],
            "send 'http.response.body' with 'more_body' false, but it returned without completing its response.",
        ),
        (
            [START, part(b"one")],
            "send 'http.response.body' with 'more_body' false, but it returned without completing its response.",
        ),
        ([part(b"one")], "send 'http.response.start', but got 'http.response.body'."),
        ([START, START], "send 'http.response.body', but got 'http.response.start'."),
        (
            [START, part(b"all", more=False), START],
            "send nothing more, because its response is complete, but got 'http.response.start'.",
        ),
        (
            [START, part(b"all", more=False), part(b"more", more=False)],
            "send nothing more, because its response is complete, but got 'http.response.body'.",
        ),
        ([START, {"type": "http.response.trailers"}], "send 'http.response.body', but got 'http.response.trailers'."),
    ],
)
def test_an_application_that_breaks_the_protocol_is_a_500_and_one_line_that_says_how(
    call: Call, make_event: MakeEvent, logged: Logged, messages: list[Message], line: str
) -> None:
    with closing(Bridge(sending(*messages))) as handler:
        assert call(handler, make_event()) == SERVER_ERROR
    assert logged() == [(logging.ERROR, f"Expected the ASGI application to {line}", None)]


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"type": "http.response.start", "status": "200"}, "'status' to be an integer from 100 to 999, but got '200'."),
        (START | {"headers": [("a", 1)]}, "'headers' to be pairs of bytes, but got [('a', 1)]."),
        (START | {"headers": [(b"a b", b"1")]}, "the name of a response header to be a token, but got b'a b'."),
        (
            START | {"headers": [(b"a", b"1\r\nset-cookie: x")]},
            "the value of response header 'a' to have no control bytes.",
        ),
    ],
    ids=["status", "headers", "name", "value"],
)
def test_a_response_with_an_impossible_head_is_a_500_and_one_line_that_says_why(
    call: Call, make_event: MakeEvent, logged: Logged, message: Message, line: str
) -> None:
    with closing(Bridge(sending(message, part(b"all", more=False)))) as handler:
        assert call(handler, make_event()) == SERVER_ERROR
    assert logged() == [(logging.ERROR, f"Expected {line}", None)]


def test_a_broken_protocol_that_the_application_swallows_is_a_500_all_the_same(
    call: Call, make_event: MakeEvent, logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(part(b"too early"))
        except ProtocolError:
            await sending(START, part(b"all", more=False))(scope, receive, send)

    with closing(Bridge(app, lifespan="off")) as handler:
        assert call(handler, make_event()) == SERVER_ERROR
    line = "Expected the ASGI application to send 'http.response.start', but got 'http.response.body'."
    assert logged() == [(logging.ERROR, line, None)]


def test_a_broken_protocol_inside_a_task_group_is_still_one_clear_line(
    call: Call, make_event: MakeEvent, logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer() -> None:
            await send(part(b"too early"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)

    with closing(Bridge(app, lifespan="off")) as handler:
        assert call(handler, make_event()) == SERVER_ERROR
    line = "Expected the ASGI application to send 'http.response.start', but got 'http.response.body'."
    assert logged() == [(logging.ERROR, line, None)]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("messages", [[], [START], [START, part(b"all", more=False)]], ids=["none", "start", "all"])
def test_what_is_no_exception_is_never_swallowed_and_the_handler_goes_on(
    make_event: MakeEvent, logged: Logged, error: type[BaseException], messages: list[Message]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/exit":
            await sending(*messages, then=error())(scope, receive, send)
        await sending(START, part(b"fine", more=False))(scope, receive, send)

    with closing(Bridge(app, lifespan="off")) as handler:
        with pytest.raises(error):
            handler(make_event(path="/exit"), None)
        assert handler(make_event(), None) == result("fine")
    assert logged() == []


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"body": "no base64!", "isBase64Encoded": True},
            "Expected a base64 body, as the event's flag says, but it is broken: ",
        ),
        ({"body": {"a": 1}}, "Expected the body to be a string, but got dict."),
        ({"headers": ["a"]}, "Expected headers to be an object, but got list."),
    ],
    ids=["base64", "body", "headers"],
)
def test_a_broken_event_is_a_400_and_one_line_and_the_next_one_is_answered(
    call: Call, make_event: MakeEvent, logged: Logged, fields: Event, line: str
) -> None:
    with closing(Bridge(sending(START, part(b"fine", more=False)))) as handler:
        assert call(handler, make_event(**fields)) == BAD_REQUEST
        ((level, message, error),) = logged()
        assert (level, error) == (logging.ERROR, None)
        assert message.startswith(f"A malformed function-url event: {line}")
        assert call(handler, make_event()) == result("fine")


class Source:
    """A source that somebody else wrote."""

    name = "mine"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def matches(self, event: Event) -> bool:
        return "mine" in event

    def decode(self, event: Event, settings: Settings) -> Any:
        raise self._error

    def encode(self, response: Any, event: Event, settings: Settings) -> dict[str, Any]:
        return {"code": response.status_code, "text": response.body.decode()}


def test_the_source_of_an_event_says_with_which_status_it_is_refused(
    call: Call, logged: Logged, make_event: MakeEvent
) -> None:
    sources = [Source(MalformedEvent("Cut short.", status_code=413)), *DEFAULT_SOURCES]
    with closing(Bridge(sending(START, part(b"fine", more=False)), sources=sources)) as handler:
        assert call(handler, {"mine": 1})["code"] == 413
        assert logged() == [(logging.ERROR, "A malformed mine event: Cut short.", None)]
        assert call(handler, make_event()) == result("fine")


def test_a_source_that_fails_is_a_400_and_one_line_with_its_traceback(call: Call, logged: Logged) -> None:
    with closing(Bridge(sending(), sources=[Source(KeyError("path"))])) as handler:
        assert call(handler, {"mine": 1}) == {"code": 400, "text": "Bad Request"}
    assert logged() == [(logging.ERROR, "A malformed mine event, which could not be decoded.", KeyError)]


@pytest.mark.parametrize("event", [{}, {"Records": [{"eventSource": "aws:sqs"}]}, [], None, "text"], ids=repr)
def test_an_event_that_is_no_http_request_fails_the_invocation_and_only_that(
    call: Call, make_event: MakeEvent, event: Any
) -> None:
    with closing(Bridge(sending(START, part(b"fine", more=False)))) as handler:
        with pytest.raises(UnsupportedEvent, match=r"^The event is not an HTTP request"):
            call(handler, event)
        assert call(handler, make_event()) == result("fine")


def test_what_an_answer_says_of_a_failure_is_no_more_than_its_name(call: Call, make_event: MakeEvent) -> None:
    with closing(Bridge(sending(then=Oops("the password is 1234")))) as handler:
        assert "1234" not in repr(call(handler, make_event()))


@pytest.mark.parametrize("app", [None, 5, "shop:app"])
def test_an_application_that_cannot_be_called_is_refused_at_construction(app: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Bridge(app)
    kind = type(app).__name__
    assert str(caught.value) == f"Expected an ASGI application, but got {kind}, which is no callable."


@pytest.mark.parametrize("lifespan", ["never", "", None, True])
def test_an_unknown_lifespan_mode_is_refused_at_construction(lifespan: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Bridge(sending(), lifespan=lifespan)
    assert str(caught.value) == f"The argument lifespan is {lifespan!r}; expected 'auto', 'on' or 'off'."


def test_settings_given_go_over_those_of_the_environment(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        paths.append(scope["path"])
        await sending(START, part(b"", more=False))(scope, receive, send)

    monkeypatch.setenv("AWS_LWA_REMOVE_BASE_PATH", "/api")
    for settings in (None, Settings(base_path="/other")):
        with closing(Bridge(app, lifespan="off", settings=settings)) as handler:
            handler(make_event(path="/api/users"), None)
    assert paths == ["/users", "/api/users"]


def test_the_application_of_a_bridge_can_be_had_back() -> None:
    app = sending()
    assert Bridge(app).app is app


def test_requests_share_no_state(make_event: MakeEvent) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["added"] = len(scopes)
        scope["headers"].append((b"added", b"1"))
        scopes.append(scope)
        await sending(START, part(b"", more=False))(scope, receive, send)

    event = make_event()
    with closing(Bridge(app, lifespan="off")) as handler:
        for _ in range(3):
            handler(event, None)
    assert [scope["added"] for scope in scopes] == [0, 1, 2]
    assert [len(scope["headers"]) for scope in scopes] == [2, 2, 2]
    assert event == make_event()


def test_handle_is_a_coroutine_like_any_other(make_event: MakeEvent) -> None:
    with closing(Bridge(sending(START, part(b"fine", more=False)))) as handler:
        coroutine = handler.handle(make_event(), None)
        assert isinstance(coroutine, Coroutine)
        coroutine.close()
