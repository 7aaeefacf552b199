"""How a streamed exchange may end: a reader never mistakes a part for the whole, and no fault is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from typing import cast

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bridge._httpx import httpx
from bridge._types import Message, Receive, Scope, Send
from bridge.asgi import InProcessTransport
from bridge.asgi import streaming as _streaming
from tests.apps import START, part
from tests.asgi.readers import leave
from tests.logged import assert_logged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

ClientOf = Callable[..., httpx.AsyncClient]


@pytest.mark.parametrize("cancelled", [0, 1, 2])
@pytest.mark.parametrize("waits", [0, 0.01])
async def test_a_part_whose_send_was_cancelled_arrives_in_its_place(
    client_of: ClientOf, cancelled: int, waits: float
) -> None:
    """As with a web server, which has put it into the socket's buffer before it waits."""
    may_read = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(3):
            with anyio.move_on_after(waits if number == cancelled else None):
                if number > cancelled:
                    may_read.set()
                await send(part(b"%d" % number, more=number < 2))
        may_read.set()

    parts: list[bytes] = []
    async with client_of(app) as client, client.stream("GET", "/") as response:
        if cancelled == 0:
            await may_read.wait()
        async for item in response.aiter_raw():
            parts.append(item)
            if item == b"%d" % (cancelled - 1):
                await may_read.wait()
    assert parts == [b"0", b"1", b"2"]


@pytest.mark.parametrize("is_last", [True, False])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_application_that_is_cancelled_in_its_send_has_sent_that_part(
    caplog: pytest.LogCaptureFixture, is_last: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        await send(START)
        asyncio.get_running_loop().call_soon(task.cancel)
        await send(part(b"part", more=not is_last))

    transport = InProcessTransport(app, raise_app_exceptions=False)
    response = await transport.handle_async_request(httpx.Request("GET", "http://app/"))
    await asyncio.sleep(0.01)
    parts: list[bytes] = []
    with nullcontext() if is_last else pytest.raises(httpx.RemoteProtocolError):
        async for item in cast("httpx.AsyncByteStream", response.stream):
            parts += [item]
    await response.aclose()
    assert parts == [b"part"]
    fact = "was complete, and stays" if is_last else "in the middle"
    assert_logged(caplog, ("ERROR", "GET /", fact))


@pytest.mark.parametrize("raise_app_exceptions", [True, False])
async def test_an_exit_after_the_reader_has_gone_comes_out(raise_app_exceptions: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await send(part(b"part", more=True))
        except OSError:
            raise SystemExit(3) from None

    with pytest.raises(SystemExit) as caught:
        await leave(app, raise_app_exceptions=raise_app_exceptions)
    assert caught.value.code == 3


async def test_an_exit_when_the_grace_period_is_over_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_streaming, "DISCONNECT_GRACE", 0.01)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await anyio.sleep_forever()
        finally:
            raise SystemExit(4)

    with pytest.raises(SystemExit) as caught:
        await leave(app)
    assert caught.value.code == 4


async def test_a_bug_that_the_disconnect_brings_to_light_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await send(part(b"part", more=True))
        finally:
            raise KeyError("a bug in the cleanup")

    await leave(app)
    assert_logged(caplog, ("ERROR", "GET /", "reader", "KeyError: 'a bug in the cleanup'"))


async def test_a_bug_beside_the_disconnect_in_a_task_group_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raised = anyio.Event()

        async def answer() -> None:
            try:
                await send(part(b"part", more=True))
            finally:
                raised.set()

        async def fail() -> None:
            await raised.wait()
            raise KeyError("a bug")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            tasks.start_soon(fail)

    await leave(app)
    assert_logged(caplog, ("ERROR", "GET /", "reader", "KeyError: 'a bug'"))


async def test_starlettes_own_word_for_the_disconnect_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    class Parts:  # Not a generator, which Starlette would leave to the garbage collector.
        made = 0

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            self.made += 1
            return b"part"

    parts = Parts()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(parts)(scope, receive, send)

    async def reads_the_request(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await send(part(b"part", more=True))
        except OSError:
            await Request(scope, receive).body()

    for each in (app, reads_the_request):
        await leave(each)
    assert parts.made == 1
    assert_logged(caplog)


async def test_taking_the_last_part_and_leaving_at_once_is_no_disconnect(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streaming, "DISCONNECT_GRACE", 0)
    done: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"whole"))
        await anyio.sleep(0.01)
        done.append("background work")

    response = await InProcessTransport(app).handle_async_request(httpx.Request("GET", "http://app.test/"))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    await anyio.wait_all_tasks_blocked()
    assert await anext(aiter(response.stream)) == b"whole"
    await response.aclose()
    assert done == ["background work"]
    assert_logged(caplog)


async def test_a_request_body_that_breaks_off_is_never_followed_by_a_clean_end(client_of: ClientOf) -> None:
    received: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(4):
            try:
                received.append(await receive())
            except ValueError as exc:
                received.append(repr(exc))
        await send(START)
        await send(part(b""))

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError("broke off")

    async with client_of(app) as client:
        await client.post("/", content=body())
    assert received == [
        {"type": "http.request", "body": b"half", "more_body": True},
        "ValueError('broke off')",
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]


async def test_a_request_body_whose_read_was_cancelled_is_never_followed_by_a_clean_end(client_of: ClientOf) -> None:
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(await receive())
        with anyio.move_on_after(0.01):
            await receive()
        received.append(await receive())
        await send(START)
        await send(part(b""))

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        await anyio.sleep_forever()

    async with client_of(app) as client:
        await client.post("/", content=body())
    assert received == [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # where a task can be left to itself
@pytest.mark.parametrize("request_is_read", [True, False])
async def test_an_application_that_cancels_its_own_receive_keeps_its_response(
    client_of: ClientOf, request_is_read: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if request_is_read:
            assert (await receive())["body"] == b"first"
        listening = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send(START)
        await send(part(b"answer"))
        listening.cancel()

    async def body() -> AsyncIterator[bytes]:
        if request_is_read:
            yield b"first"
        await anyio.sleep_forever()

    async with client_of(app) as client:
        assert (await client.post("/", content=body())).content == b"answer"
