"""InProcessTransport as httpx clients use it: the exchange as it should be. What goes wrong is in
test_failures.py, a reader that leaves in test_streaming.py."""

from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar

import anyio
import pytest

from bridge._httpx import httpx
from bridge._types import Message, Receive, Scope, Send
from bridge.asgi import InProcessTransport
from bridge.errors import ConfigurationError
from tests.apps import START, part, sending

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

ClientOf = Callable[..., httpx.AsyncClient]


hello = sending(START, part(b"hello"))


async def test_it_is_an_httpx_asgi_transport() -> None:
    transport = InProcessTransport(hello)
    assert isinstance(transport, httpx.ASGITransport)
    assert (transport.app, transport.raise_app_exceptions, transport.root_path) == (hello, True, "")


async def test_an_application_that_is_not_asgi_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="WSGI"):
        InProcessTransport(lambda environ, start_response: [])  # type: ignore[arg-type,misc]


async def test_it_takes_the_arguments_of_the_stock_transport_in_the_same_order() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await hello(scope, receive, send)

    transport = InProcessTransport(app, False, "/mounted", ("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport) as client:
        await client.get("http://app.test/")
    assert (seen[0]["root_path"], seen[0]["client"]) == ("/mounted", ("192.0.2.7", 4711))


async def test_a_client_gets_the_whole_response(client_of: ClientOf) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"X-Repeat", b"1"), (b"x-repeat", b"2"), (b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send(part("caf\u00e9 ".encode(), more=True))
        await send(part(b"", more=True))
        await send(part(b"bar"))

    async with client_of(app) as client:
        response = await client.get("/")
    assert response.status_code == 418
    assert response.headers.raw == [
        (b"X-Repeat", b"1"),
        (b"x-repeat", b"2"),
        (b"content-type", b"text/plain; charset=utf-8"),
    ]
    assert response.text == "caf\u00e9 bar"


async def test_a_slow_reader_holds_the_applications_send(client_of: ClientOf) -> None:
    sent: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for body in (b"1", b"2", b"3"):
            await send(part(body, more=True))
            sent.append(body)
        await send(part(b""))

    async with client_of(app) as client, client.stream("GET", "/") as response:
        parts = response.aiter_raw()
        await anyio.wait_all_tasks_blocked()
        assert sent == []
        assert await anext(parts) == b"1"
        await anyio.wait_all_tasks_blocked()
        assert sent == [b"1"]
        assert await anext(parts) == b"2"
        await anyio.wait_all_tasks_blocked()
        assert sent == [b"1", b"2"]
        assert [item async for item in parts] == [b"3"]


async def test_the_request_body_reaches_the_application_part_by_part(client_of: ClientOf) -> None:
    received: list[Message] = []
    got_first = anyio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await got_first.wait()
        yield b"second"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            received.append(message)
            got_first.set()
            more = message["more_body"]
        await hello(scope, receive, send)

    async with client_of(app) as client:
        await client.post("/", content=body())
    assert received == [
        {"type": "http.request", "body": b"first", "more_body": True},
        {"type": "http.request", "body": b"second", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
    ]


async def test_request_and_response_bodies_flow_at_the_same_time(client_of: ClientOf) -> None:
    async def body() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while (message := await receive())["more_body"]:
            await send(part(message["body"], more=True))
        await send(part(b""))

    async with client_of(echo) as client, client.stream("POST", "/", content=body()) as response:
        assert [item async for item in response.aiter_raw()] == [b"0", b"1", b"2"]


async def test_an_application_may_answer_without_reading_the_whole_request(client_of: ClientOf) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await send({"type": "http.response.start", "status": 413})
        await send(part(message["body"]))

    async with client_of(app) as client:
        response = await client.post("/", content=b"large")
    assert (response.status_code, response.content) == (413, b"large")


async def test_receive_waits_for_the_end_of_the_response_and_then_says_disconnect(client_of: ClientOf) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            seen.append(await receive())

        while (await receive())["more_body"]:
            pass
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await send(START)
            await anyio.wait_all_tasks_blocked()
            seen.append("last part")
            await send(part(b"done"))

    async with client_of(app) as client:
        response = await client.get("/")
    assert response.content == b"done"
    assert seen == ["last part", {"type": "http.disconnect"}]


async def test_exchanges_run_side_by_side(client_of: ClientOf) -> None:
    arrived: list[str] = []
    all_here = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        arrived.append(scope["path"])
        if len(arrived) == 3:
            all_here.set()
        await all_here.wait()
        await send(START)
        await send(part(scope["raw_path"]))

    answers: dict[str, bytes] = {}
    async with client_of(app) as client, anyio.create_task_group() as tasks:

        async def ask(path: str) -> None:
            answers[path] = (await client.get(path)).content

        for path in ("/a", "/b", "/c"):
            tasks.start_soon(ask, path)
    assert answers == {"/a": b"/a", "/b": b"/b", "/c": b"/c"}


async def test_the_application_sees_the_callers_context_variables(client_of: ClientOf) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen = variable.get()
        variable.set("the application's")
        await send(START)
        await send(part(seen.encode()))

    variable.set("the caller's")
    async with client_of(app) as client:
        response = await client.get("/")
    assert response.text == "the caller's"
    assert variable.get() == "the caller's"


async def test_a_head_response_has_the_headers_of_a_get_and_no_body(client_of: ClientOf) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send(part(b"he", more=True))
        await send(part(b"llo"))

    async with client_of(app) as client:
        response = await client.head("/")
    assert (response.headers["content-length"], response.content) == ("5", b"")


@pytest.mark.parametrize(("method", "body"), [("HEAD", b"part"), ("GET", b"")])
async def test_parts_that_no_reader_gets_let_others_run_between_them(
    client_of: ClientOf, method: str, body: bytes
) -> None:
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(10_000):
            await send(part(body, more=True))
            sent.append(number)
        await send(part(b""))

    async with client_of(app) as client, client.stream(method, "/") as response:
        assert response.status_code == 200
        assert len(sent) < 10_000


async def test_closing_a_read_response_waits_for_what_the_application_still_does(client_of: ClientOf) -> None:
    done: list[str] = []
    read = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await read.wait()
        await anyio.wait_all_tasks_blocked()
        done.append("background work")

    async with client_of(app) as client, client.stream("GET", "/") as response:
        parts = [item async for item in response.stream]  # type: ignore[union-attr]
        assert (parts, done) == ([b"hello"], [])
        read.set()
    assert done == ["background work"]


async def test_a_request_with_a_synchronous_body_is_refused() -> None:
    request = httpx.Request("POST", "http://app.test/", content=iter([b"part"]))
    with pytest.raises(TypeError, match="Expected a request with an asynchronous body, but got IteratorByteStream"):
        await InProcessTransport(hello).handle_async_request(request)
