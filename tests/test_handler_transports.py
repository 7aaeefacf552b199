"""Handler in front of any httpx transport: the stock ones, and one of a third party."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bridge import Bridge, Handler, InProcessTransport
from bridge._httpx import httpx
from bridge._types import Receive, Scope, Send
from bridge.errors import ApplicationCancelled, ConfigurationError, ShutdownFailed, StartupFailed
from tests.apps import START, part, sending
from tests.events import BASES, load
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

MakeEvent = Callable[..., dict[str, Any]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what HTTP carries of the request, and with a repeated header and a binary body."""
    seen = {
        "method": scope["method"],
        "path": scope["raw_path"].decode("ascii"),
        "query": scope["query_string"].decode("ascii"),
        "headers": sorted((name.decode("ascii"), value.decode("latin-1")) for name, value in scope["headers"]),
        "body": (await receive())["body"].decode("ascii"),
    }
    headers = [(b"content-type", b"application/json"), (b"x-a", b"1"), (b"x-a", b"2"), (b"set-cookie", b"a=1")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send(part(json.dumps(seen).encode("ascii")))


def test_the_stock_transport_answers_events_of_every_source_as_bridge_does() -> None:
    with closing(Handler(httpx.ASGITransport(tell))) as stock, closing(Bridge(tell, lifespan="off")) as bridge:
        different = [name for name in BASES if stock(load(name), None) != bridge(load(name), None)]
    assert different == []


def test_a_mock_transport_gets_an_httpx_request_and_gives_an_httpx_response(make_event: MakeEvent) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert isinstance(request, httpx.Request)
        return httpx.Response(202, headers={"x-method": request.method}, json={"url": str(request.url)})

    with closing(Handler(httpx.MockTransport(respond))) as handler:
        result = handler(make_event("PUT", "/a%2Fb", rawQueryString="x=1"), None)
    assert (result["statusCode"], result["headers"]["x-method"]) == (202, "PUT")
    assert json.loads(result["body"]) == {"url": "https://abc.lambda-url.eu-west-1.on.aws/a%2Fb?x=1"}


def test_a_body_without_end_is_a_502_and_one_line(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bridge._messages.MAX_WHOLE", 10)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"1234"

    with closing(Handler(httpx.MockTransport(lambda request: httpx.Response(200, content=endless())))) as handler:
        assert handler(make_event("GET", "/live"), None)["statusCode"] == 502
    assert_logged(caplog, ("ERROR", "GET /live: ", "more than 10 bytes"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """Yield the path of a UNIX socket on which a server says what it was asked for."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(line), line))
        await writer.drain()
        writer.close()

    path = str(tmp_path / "s")
    async with await asyncio.start_unix_server(serve, path):
        yield path


class ToServer(httpx.AsyncBaseTransport):
    """A third party's: it sends every request to one server, and counts how often it is opened and closed."""

    def __init__(self, path: str) -> None:
        self._inner = httpx.AsyncHTTPTransport(uds=path, verify=False)
        self.steps: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http")
        return await self._inner.handle_async_request(request)

    async def __aenter__(self) -> "ToServer":
        self.steps.append("opened")
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        self.steps.append("closed")
        await self._inner.aclose()


@pytest.mark.anyio
async def test_a_transport_over_a_socket_is_opened_once_and_closed(server: str, make_event: MakeEvent) -> None:
    transport = ToServer(server)
    handler = Handler(transport)
    async with handler:
        for path in ("/one", "/two"):
            result = await handler.handle(make_event(path=path), None)
            assert result["body"] == f"GET {path} HTTP/1.1"
        async with handler.stream(make_event(path="/three"), None) as response:
            assert b"".join([item async for item in response.body]) == b"GET /three HTTP/1.1"
    assert transport.steps == ["opened", "closed"]


@pytest.mark.anyio
@pytest.mark.parametrize("whole", [True, False])
async def test_a_transport_without_a_server_is_a_502_and_one_line(
    tmp_path: Path, make_event: MakeEvent, caplog: pytest.LogCaptureFixture, whole: bool
) -> None:
    handler = Handler(ToServer(str(tmp_path / "absent")))
    async with handler:
        if whole:
            status = (await handler.handle(make_event(path="/x"), None))["statusCode"]
        else:
            async with handler.stream(make_event(path="/x"), None) as response:
                status = response.prelude["statusCode"]
    assert status == 502
    assert_logged(caplog, ("ERROR", "GET /x", "ConnectError"))


def test_a_transport_that_times_out_is_a_504(make_event: MakeEvent, caplog: pytest.LogCaptureFixture) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    with closing(Handler(httpx.MockTransport(respond))) as handler:
        assert handler(make_event(path="/x"), None)["statusCode"] == 504
    assert_logged(caplog, ("ERROR", "GET /x", "ReadTimeout", "too slow"))


def test_an_error_of_the_applications_own_client_is_the_applications(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise httpx.ConnectError("no database", request=httpx.Request("GET", "http://database.test/"))

    with closing(Bridge(app, lifespan="off")) as handler:
        assert handler(make_event(path="/x"), None)["statusCode"] == 500
    assert_logged(caplog, ("ERROR", "GET /x", "raised ConnectError", "Traceback"))


async def cancelled() -> AsyncIterator[bytes]:
    yield b"some"
    raise asyncio.CancelledError


async def all_of_it() -> AsyncIterator[bytes]:
    yield b"all of "
    yield b"it"


async def read_before(headers: dict[str, str]) -> httpx.Response:
    response = httpx.Response(200, headers=headers, content=all_of_it())
    await response.aread()
    return response


def answer_with(status_code: int, _: httpx.Request) -> httpx.Response:
    return httpx.Response(status_code, content=all_of_it())


@pytest.mark.anyio
async def test_whole_and_streamed_answers_agree_whatever_a_transport_returns(
    make_event: MakeEvent,
) -> None:
    answers: dict[str, Any] = {
        "read before": lambda _: read_before({}),
        "read before, and encoded": lambda _: read_before({"content-encoding": "none"}),
        "a synchronous body": lambda _: httpx.Response(200, content=iter([b"all of it"])),
        "nothing": lambda _: anyio.lowlevel.checkpoint(),
        "a body that was cancelled": lambda _: httpx.Response(200, content=cancelled()),
    } | {f"status {code}": partial(answer_with, code) for code in (-1, 0, 7, 99, 1000, 10**30)}
    failed = (500, b"Internal Server Error")
    expected: dict[str, Any] = dict.fromkeys(answers, (failed, failed)) | {
        "read before": ((200, b"all of it"), (200, b"all of it")),
        "a body that was cancelled": (failed, (200, ApplicationCancelled)),
    }
    results = {}
    for name, answer in answers.items():
        async with Handler(httpx.MockTransport(answer)) as handler:
            whole = await handler.handle(make_event(), None)
            async with handler.stream(make_event(), None) as response:
                try:
                    body: Any = b"".join([item async for item in response.body])
                except Exception as exc:
                    body = type(exc)
        results[name] = ((whole["statusCode"], whole["body"].encode()), (response.prelude["statusCode"], body))
    assert results == expected


class ChangingBody(InProcessTransport):
    """A third party's: it gives the application another body."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert await request.aread() == b"the event's"
        request.stream = httpx.ByteStream(b"another")
        return await super().handle_async_request(request)


@pytest.mark.anyio
async def test_the_application_gets_the_body_that_a_transport_around_it_has_set(
    make_event: MakeEvent,
) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await send(START)
        await send(part(message["body"]))

    async with Handler(ChangingBody(echo)) as handler:
        event = make_event("POST", body="the event's")
        whole = await handler.handle(event, None)
        async with handler.stream(event, None) as response:
            assert (whole["body"], [item async for item in response.body]) == ("another", [b"another"])


class Changing(httpx.AsyncBaseTransport):
    """A third party's: it changes what another transport answers."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        response.headers["x-changed"] = "1"
        response.stream = httpx.ByteStream(await response.aread() + b", and more")
        return response


@pytest.mark.anyio
async def test_every_answer_is_the_one_that_a_transport_around_another_has_made(make_event: MakeEvent) -> None:
    app = sending({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1")]}, part(b"all"))
    answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    async with Handler(Changing(InProcessTransport(app))) as handler:
        handled = await handler.handle(make_event(), None)
        await handler._answer(make_event(), None, answered)
        async with handler.stream(make_event(), None) as response:
            streamed = {**response.prelude, "body": (b"".join([item async for item in response.body])).decode()}
    expected = {"statusCode": 200, "headers": {"x-app": "1", "x-changed": "1"}, "body": "all, and more"}
    results = [handled, answered.result(), streamed]
    assert [{key: result[key] for key in expected} for result in results] == [expected] * 3


class Failing(httpx.AsyncBaseTransport):
    """It fails when it is opened, or when it is closed."""

    def __init__(self, when: str) -> None:
        self._when = when

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    async def __aenter__(self) -> "Failing":
        if self._when == "opened":
            raise OSError("no device")
        return self

    async def __aexit__(self, *details: object) -> None:
        if self._when == "closed":
            raise OSError("no device")


def test_a_transport_that_cannot_be_opened_is_a_failed_startup(make_event: MakeEvent) -> None:
    with closing(Handler(Failing("opened"))) as handler, pytest.raises(StartupFailed, match="OSError: no device"):
        handler(make_event(), None)


def test_a_transport_that_cannot_be_closed_is_a_failed_shutdown(make_event: MakeEvent) -> None:
    handler = Handler(Failing("closed"))
    assert handler(make_event(), None)["statusCode"] == 200
    with pytest.raises(ShutdownFailed, match="OSError: no device"):
        handler.close()


@pytest.mark.parametrize("transport", [tell, None, httpx.HTTPTransport], ids=["application", "None", "class"])
def test_what_is_not_a_transport_is_refused_at_construction(transport: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{httpx.__name__}\.AsyncBaseTransport, but got .*Bridge\(app\)"):
        Handler(transport)


def test_bridge_calls_the_application_through_an_asgi_transport_with_an_httpx_request(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[httpx.Request] = []
    handle = InProcessTransport.handle_async_request

    async def record(self: InProcessTransport, request: httpx.Request) -> httpx.Response:
        assert isinstance(self, httpx.ASGITransport)
        requests.append(request)
        response = await handle(self, request)
        assert isinstance(response, httpx.Response)
        return response

    monkeypatch.setattr(InProcessTransport, "handle_async_request", record)

    async def read(handler: Bridge) -> list[bytes]:
        async with handler.stream(make_event(), None) as response:
            return [item async for item in response.body]

    with closing(Bridge(sending(START, part(b"all")), lifespan="off")) as handler:
        assert handler(make_event(), None)["body"] == "all"
    assert anyio.run(read, Bridge(sending(START, part(b"all")), lifespan="off")) == [b"all"]
    assert [isinstance(request, httpx.Request) for request in requests] == [True, True]
