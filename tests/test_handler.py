"""What a Lambda handler answers, whatever the application does. Loops and threads are in test_handler_loops.py."""

import asyncio
import functools
import inspect
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anyio
import pytest

from bridge import DEFAULT_SOURCES, Bridge, Handler, InProcessTransport, Proxy, Settings
from bridge._types import Receive, Scope, Send
from bridge.errors import ConfigurationError, MalformedEvent, UnsupportedEvent
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Call = Callable[[Bridge, Event], dict[str, Any]]

BAD_REQUEST = {
    "statusCode": 400,
    "headers": {"content-type": "text/plain; charset=utf-8", "content-length": "11"},
    "cookies": [],
    "body": "Bad Request",
    "isBase64Encoded": False,
}


def result(body: str, status: int = 200) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "text/plain"},
        "cookies": [],
        "body": body,
        "isBase64Encoded": False,
    }


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
    """Call both ways of a handler, which give the same answers and log the same lines."""
    chosen: Call = request.param
    return chosen


def test_an_invocation_gets_the_applications_response(
    call: Call, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Bridge(sending(START, part(b"one ", more=True), part(b"two")))) as handler:
        assert call(handler, make_event()) == result("one two")
    assert_logged(caplog)


def test_the_application_sees_the_request_the_event_and_the_context(make_event: MakeEvent) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["method"], scope["path"], scope["client"], await receive()))
        seen.extend((scope["aws.event"], scope["aws.context"], "state" in scope))
        await sending(START, part(b""))(scope, receive, send)

    event, context = make_event("POST", "/caf%C3%A9", body="text"), object()
    with closing(Bridge(app, lifespan="off")) as handler:
        handler(event, context)
    request = {"type": "http.request", "body": b"text", "more_body": False}
    assert seen == [("POST", "/caf\u00e9", ("192.0.2.1", 0), request), event, context, False]
    assert seen[1] is event


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({"body": "no base64!", "isBase64Encoded": True}, ("base64",)),
        ({"body": {"a": 1}}, ("body", "string", "dict")),
        ({"headers": ["a"]}, ("headers", "object", "list")),
    ],
    ids=["base64", "body", "headers"],
)
def test_a_broken_event_is_a_400_and_one_line_and_the_next_one_is_answered(
    call: Call, make_event: MakeEvent, caplog: pytest.LogCaptureFixture, fields: Event, facts: tuple[str, ...]
) -> None:
    with closing(Bridge(sending(START, part(b"fine")))) as handler:
        assert call(handler, make_event(**fields)) == BAD_REQUEST
        assert_logged(caplog, ("ERROR", "function-url", *facts))
        assert call(handler, make_event()) == result("fine")


class Source:
    """A source of a user's."""

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
    call: Call, caplog: pytest.LogCaptureFixture, make_event: MakeEvent
) -> None:
    sources = [Source(MalformedEvent("Cut short.", status_code=413)), *DEFAULT_SOURCES]
    with closing(Bridge(sending(START, part(b"fine")), sources=sources)) as handler:
        assert call(handler, {"mine": 1})["code"] == 413
        assert_logged(caplog, ("ERROR", "mine", "Cut short."))
        assert call(handler, make_event()) == result("fine")


def test_a_source_that_fails_is_a_400_and_one_line_with_its_traceback(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Bridge(sending(), sources=[Source(KeyError("path"))])) as handler:
        assert call(handler, {"mine": 1}) == {"code": 400, "text": "Bad Request"}
    assert_logged(caplog, ("ERROR", "mine", "Traceback", "KeyError"))


@every_case("event", [{"methodArn": "arn"}, {"rawPath": "/"}, {"requestContext": {"connectionId": "1"}}])
def test_an_event_that_is_no_http_request_fails_the_invocation_and_only_that(
    call: Call, make_event: MakeEvent, event: Any
) -> None:
    with closing(Bridge(sending(START, part(b"fine")))) as handler:
        with pytest.raises(UnsupportedEvent, match="HTTP request"):
            call(handler, event)
        assert call(handler, make_event()) == result("fine")


def test_an_object_that_is_not_an_application_is_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="Expected an ASGI or a WSGI application"):
        Bridge(lambda event, context: {})


@pytest.mark.parametrize("lifespan", ["never", "", None, True])
def test_an_unknown_lifespan_mode_is_refused_at_construction(lifespan: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"lifespan is {lifespan!r}; expected 'auto', 'on' or 'off'"):
        Bridge(sending(), lifespan=lifespan)


def test_settings_given_go_over_those_of_the_environment(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        paths.append(scope["path"])
        await sending(START, part(b""))(scope, receive, send)

    monkeypatch.setenv("AWS_LWA_REMOVE_BASE_PATH", "/api")
    for settings in (None, Settings(base_path="/other")):
        with closing(Bridge(app, lifespan="off", settings=settings)) as handler:
            handler(make_event(path="/api/users"), None)
    assert paths == ["/users", "/api/users"]


def test_requests_share_no_state(make_event: MakeEvent) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["added"] = len(scopes)
        scope["headers"].append((b"added", b"1"))
        scopes.append(scope)
        await sending(START, part(b""))(scope, receive, send)

    event = make_event()
    with closing(Bridge(app, lifespan="off")) as handler:
        for _ in range(3):
            handler(event, None)
    assert [scope["added"] for scope in scopes] == [0, 1, 2]
    assert [len(scope["headers"]) for scope in scopes] == [2, 2, 2]
    assert event == make_event()


class Named(Bridge):
    """One of a user's own."""


@every_case(
    ("make", "name", "module"),
    [
        (lambda: Bridge(sending()), "Bridge", "bridge.application"),
        (lambda: Handler(InProcessTransport(sending())), "Handler", "bridge.handler"),
        (lambda: Proxy(url="http://127.0.0.1:9"), "Proxy", "bridge.proxy.handler"),
        (lambda: Named(sending()), "Named", __name__),
    ],
)
def test_a_handler_has_what_decorators_of_functions_read(make: Callable[[], Handler], name: str, module: str) -> None:
    handler = make()

    @functools.wraps(handler)
    def wrapper(event: Event, context: object) -> Event:
        return handler(event, context)

    for function in (handler, wrapper):
        assert (function.__name__, function.__qualname__, function.__module__) == (name, name, module)
        assert function.__doc__ == type(handler).__doc__
        assert list(inspect.signature(function).parameters) == ["event", "context"]
        assert not inspect.iscoroutinefunction(function)
        assert not asyncio.iscoroutinefunction(function)
    assert wrapper.__wrapped__ is handler
    handler.close()
