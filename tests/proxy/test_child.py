"""BRIDGE_MODE=proxy on the child's side: the scope that comes out is the one in process. No socket, and no uvicorn."""

import logging
import math
import os
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import InProcessTransport, Settings
from bridge._httpx import httpx
from bridge._messages import header_pairs
from bridge.asgi import build_scope
from bridge.proxy.child import ScopedApplication
from bridge.proxy.remote import SCOPE_HEADER, with_scope
from bridge.sources import select_source
from tests.events import BASES, load

App = Any


def decoded(event: dict[str, Any], context: Any = None) -> Any:
    """The request that a handler would give its transport."""
    request = select_source(event).decode(event, Settings())
    request.extensions["asgi"] |= {"aws.event": event, "aws.context": context}
    return request


async def through(app: App, request: Any, *, path: str = "/") -> httpx.Response:
    """What the child would answer: `request` goes to it as an HTTP request alone, without any extension."""
    sent = await with_scope(request)
    stripped = httpx.Request(
        sent.method, f"http://localhost{path}", headers=header_pairs(sent), content=await sent.aread()
    )
    response = await InProcessTransport(app, client=None).handle_async_request(stripped)
    await response.aread()
    return response


class Recorder:
    """An application that keeps what it is called with."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.body = b""
        self.last: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.scope, self.body, more = scope, message["body"], message["more_body"]
        assert not more
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": b"fine"})
        self.last = await receive()


# The server's own entries: they differ, and must.
SERVERS = {"asgi", "state"}


@pytest.mark.anyio
@pytest.mark.parametrize("name", BASES)
async def test_the_scope_that_comes_out_equals_the_one_that_went_in(name: str) -> None:
    request = decoded(load(name))
    expected = dict(build_scope(request, root_path="", client=None))
    body = await request.aread()
    app = Recorder()
    response = await through(ScopedApplication(app), request)
    for server in SERVERS:
        expected.pop(server, None)
        app.scope.pop(server, None)
    assert app.scope == expected
    assert {key: type(value) for key, value in app.scope.items()} == {
        key: type(value) for key, value in expected.items()
    }
    assert app.body == body
    assert (response.status_code, response.headers.raw, response.content) == (200, [(b"x-a", b"1")], b"fine")
    assert app.last == {"type": "http.disconnect"}


ODD_SCOPES: list[dict[str, Any]] = [
    {"client": None},
    {"client": ("192.0.2.1", 80)},
    {"server": ("shop.internal", None)},
    {"server": None},
    {"path": "/caf\u00e9/\U0001f375", "raw_path": b"/caf\xe9/\xff"},
    {"path": "/\ud800"},
    {"query_string": b"\x00\xff%"},
    {"headers": [(b"x-a", b"\xff\x00\x01"), (b"x-a", b""), (b"cookie", b"a=\xe9")]},
    {"headers": [(SCOPE_HEADER, b"0"), (b"host", b"shop"), (b"content-length", b"99")]},
    {"method": "A B", "scheme": "https", "http_version": "2", "root_path": "/prod"},
    {"shop": {"id": [1, "a", None, True, 1.5]}},
]


@pytest.mark.anyio
@pytest.mark.parametrize("entries", ODD_SCOPES, ids=repr)
async def test_every_entry_arrives_as_it_was(entries: dict[str, Any]) -> None:
    request = decoded(load("function_url"))
    request.extensions["asgi"] |= entries
    request.raw_headers = request.extensions["asgi"]["headers"]
    request.method = request.extensions["asgi"]["method"]
    app = Recorder()
    await through(ScopedApplication(app), request)
    assert {name: app.scope[name] for name in entries} == entries


@pytest.mark.anyio
async def test_a_plain_httpx_request_of_a_source_s_own_arrives_too() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    request = httpx.Request("PUT", "http://shop.internal:81/a%2Fb?c=%20", content=parts())
    request.extensions = {"asgi": {"aws.event": {"body": "x"}, "aws.context": None}}
    expected = dict(build_scope(request, root_path="", client=None))
    app = Recorder()
    await through(ScopedApplication(app), request)
    assert app.body == b"ab"
    for name in ("method", "path", "raw_path", "query_string", "headers", "server", "scheme", "aws.event"):
        assert app.scope[name] == expected[name]


BODIES: list[dict[str, Any]] = [
    {"body": "Grüße", "isBase64Encoded": False},
    {"body": "AAH/", "isBase64Encoded": True},
    {"body": "QR==", "isBase64Encoded": True},  # bits behind the end
    {"body": "a\ud800", "isBase64Encoded": False},
    {"body": "", "isBase64Encoded": True},
    {"body": None, "isBase64Encoded": False},
    {"body": "e30=", "isBase64Encoded": 1},
]


@pytest.mark.anyio
@pytest.mark.parametrize("fields", BODIES, ids=repr)
async def test_the_event_has_the_body_that_it_had(fields: dict[str, Any]) -> None:
    event = load("function_url") | fields
    app = Recorder()
    await through(ScopedApplication(app), decoded(event))
    assert app.scope["aws.event"] == event
    assert list(app.scope["aws.event"]) == list(event)


@pytest.mark.anyio
async def test_the_other_flag_of_lattice_counts_too() -> None:
    event = load("vpc_lattice_v1")
    assert event["is_base64_encoded"] is True
    app = Recorder()
    await through(ScopedApplication(app), decoded(event))
    assert app.scope["aws.event"] == event


class Identity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self) -> None:
        self.cognito_identity_id, self.cognito_identity_pool_id = "me", None


class ClientContext:
    __slots__ = ("client", "custom", "env")

    def __init__(self) -> None:
        self.client, self.custom, self.env = SimpleNamespace(app_title="Shop"), {"a": [1]}, None


class LambdaContext:
    """awslambdaric's has a __dict__, and its parts have slots."""

    def __init__(self) -> None:
        self.aws_request_id = "request-1"
        self.identity = Identity()
        self.client_context = ClientContext()
        self._deadline = object()

    def get_remaining_time_in_millis(self) -> int:
        return 60_000

    def log(self, message: str) -> None: ...


async def context_there(context: Any) -> Any:
    app = Recorder()
    await through(ScopedApplication(app), decoded(load("function_url"), context))
    return app.scope["aws.context"]


@pytest.mark.anyio
async def test_the_context_has_the_attributes_of_the_runtime_s() -> None:
    context = await context_there(LambdaContext())
    assert context.aws_request_id == "request-1"
    assert (context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id) == ("me", None)
    assert context.client_context.client.app_title == "Shop"
    assert (context.client_context.custom, context.client_context.env) == ({"a": [1]}, None)
    assert not hasattr(context, "_deadline")
    remaining = context.get_remaining_time_in_millis()
    assert isinstance(remaining, int)
    assert 0 < remaining <= 60_000


class Late(LambdaContext):
    def get_remaining_time_in_millis(self) -> int:
        return -5


@pytest.mark.anyio
async def test_no_time_is_left_behind_the_deadline() -> None:
    assert (await context_there(Late())).get_remaining_time_in_millis() == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "context", [None, {"aws_request_id": "x"}, {"deadline": 1, "attributes": {}}, "text", 1, [1, [2]]]
)
async def test_a_context_that_json_knows_is_itself(context: Any) -> None:
    assert await context_there(context) == context


@pytest.mark.anyio
async def test_an_object_without_a_deadline_keeps_its_attributes() -> None:
    context = await context_there(SimpleNamespace(aws_request_id="x", nested=SimpleNamespace(a=1), flags={"b": 2}))
    assert (context.aws_request_id, context.nested.a, context.flags) == ("x", 1, {"b": 2})
    assert not hasattr(context, "get_remaining_time_in_millis")


@pytest.mark.anyio
async def test_a_deadline_may_be_an_attribute() -> None:
    context = await context_there(SimpleNamespace(aws_request_id="x", get_remaining_time_in_millis=lambda: 30_000))
    assert context.aws_request_id == "x"
    assert 0 < context.get_remaining_time_in_millis() <= 30_000


def cyclic() -> SimpleNamespace:
    context = SimpleNamespace(aws_request_id="x")
    context.myself = context
    return context


@pytest.mark.anyio
@pytest.mark.parametrize(
    "context",
    [
        SimpleNamespace(aws_request_id="x", get_remaining_time_in_millis=lambda: None),
        SimpleNamespace(aws_request_id="x", data=b"\xff", things={1, 2}, pairs={(1, 2): 3}, number=math.inf),
        cyclic(),
    ],
    ids=["no number", "what JSON does not know", "cyclic"],
)
async def test_what_cannot_be_carried_does_not_keep_the_rest_from_arriving(context: Any) -> None:
    assert (await context_there(context)).aws_request_id == "x"


@pytest.mark.anyio
async def test_a_body_in_parts_is_put_together() -> None:
    """As a server gives it; also when a part ends within the scope, or is empty."""
    request = decoded(load("function_url"))
    sent = await with_scope(request)
    content = await sent.aread()

    async def parts() -> AsyncIterator[bytes]:
        yield b""
        for start in range(0, len(content), 7):
            yield content[start : start + 7]
        yield b""

    app = Recorder()
    stripped = httpx.Request("POST", "http://localhost/", headers=header_pairs(sent), content=parts())
    response = await InProcessTransport(ScopedApplication(app)).handle_async_request(stripped)
    assert await response.aread() == b"fine"
    assert app.body == b'{"qty": 2}'


@pytest.mark.anyio
async def test_a_response_streams() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        for part in (b"a", b"b"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    sent = await with_scope(decoded(load("function_url")))
    stripped = httpx.Request("POST", "http://localhost/", headers=header_pairs(sent), content=await sent.aread())
    response = await InProcessTransport(ScopedApplication(app)).handle_async_request(stripped)
    assert [part async for part in response.aiter_raw()] == [b"a", b"b"]


async def failing_before(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("no")


async def silent(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.anyio
@pytest.mark.parametrize("app", [failing_before, silent])
async def test_an_application_without_an_answer_has_the_handler_s_own(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    response = await through(ScopedApplication(app), decoded(load("function_url")))
    assert (response.status_code, response.content) == (500, b"Internal Server Error")
    assert response.headers.raw == [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21")]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.anyio
async def test_a_failure_behind_the_answer_is_logged_and_does_not_reach_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server would close the connection, on which the next request may be under way already."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503})
        await send({"type": "http.response.body", "body": b"sorry"})
        raise ValueError("behind")

    response = await through(ScopedApplication(app), decoded(load("function_url")))
    assert (response.status_code, response.content) == (503, b"sorry")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


@pytest.mark.anyio
async def test_a_failure_in_the_middle_reaches_the_server_which_breaks_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        await through(ScopedApplication(app), decoded(load("function_url")))


async def lifespan_of(app: App) -> list[Any]:
    """What a server hears from the application's lifespan."""
    sent: list[Any] = []
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        return {"type": next(events)}

    async def send(message: Any) -> None:
        sent.append(message)

    await ScopedApplication(app)({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)
    return sent


@pytest.mark.anyio
async def test_a_lifespan_is_passed_through() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope == {"type": "lifespan", "asgi": {}, "state": {}}
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})

    assert await lifespan_of(app) == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


@pytest.mark.anyio
async def test_an_application_without_a_lifespan_raises_and_the_server_goes_on() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        await lifespan_of(app)


@pytest.mark.anyio
async def test_a_startup_that_raises_is_a_failed_one_as_in_process() -> None:
    """uvicorn alone would take it for an application without a lifespan, and serve it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ValueError("no database")

    (message,) = await lifespan_of(app)
    assert message["type"] == "lifespan.startup.failed"
    assert "ValueError: no database" in message["message"]


@pytest.mark.anyio
async def test_the_trace_is_where_tracing_libraries_look(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(os.environ.get("_X_AMZN_TRACE_ID"))
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    for value in ("Root=1-a", ""):
        monkeypatch.setenv("_X_AMZN_TRACE_ID", value)
        sent = await with_scope(decoded(load("function_url")))
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "of another process")
        content = await sent.aread()
        stripped = httpx.Request("POST", "http://localhost/", headers=header_pairs(sent), content=content)
        response = await InProcessTransport(ScopedApplication(app)).handle_async_request(stripped)
        await response.aread()
    assert seen == ["Root=1-a", None]
