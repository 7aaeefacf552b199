"""A reader that leaves, or is cancelled: the application hears of it, and is gone before the reader goes on."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import anyio
import pytest

from bridge._httpx import httpx
from bridge._types import Message, Receive, Scope, Send
from bridge.asgi import InProcessTransport
from bridge.asgi import streaming as _streaming
from bridge.errors import ApplicationCancelled, ClientDisconnected
from tests.apps import START, part
from tests.asgi.readers import leave
from tests.logged import assert_logged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

ClientOf = Callable[..., httpx.AsyncClient]

ONE = part(b"one", more=True)


async def request_body(receive: Receive) -> None:
    while (await receive())["more_body"]:
        pass


async def test_receive_says_disconnect_once_the_reader_has_gone() -> None:
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await request_body(receive)
        await send(START)
        received.append(await receive())
        received.append(await receive())

    await leave(app)
    assert received == [{"type": "http.disconnect"}, {"type": "http.disconnect"}]


async def test_receive_says_disconnect_also_if_the_request_was_not_read(client_of: ClientOf) -> None:
    received: list[Message] = []
    left = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await left.wait()
        received.append(await receive())

    async with client_of(app) as client, client.stream("POST", "/", content=b"unread"):
        left.set()
    assert received == [{"type": "http.disconnect"}]


async def test_a_disconnect_that_comes_out_of_a_task_group_is_not_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)

        async def answer() -> None:
            await send(ONE)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)

    await leave(app)
    assert_logged(caplog)


async def test_a_send_that_waits_for_the_reader_raises_an_oserror_once_it_has_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raised: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            while True:
                await send(part(b"part", more=True))
        except OSError as exc:
            raised.append(exc)
            raise

    # Not through a client: httpx's own generators, left halfway, are closed whenever they are garbage collected.
    response = await InProcessTransport(app).handle_async_request(httpx.Request("GET", "http://app.test/"))
    async with aclosing(aiter(response.stream)) as parts:  # type: ignore[arg-type, type-var]
        assert await anext(parts) == b"part"
        await anyio.wait_all_tasks_blocked()
    await response.aclose()
    (error,) = raised
    assert type(error) is ClientDisconnected
    assert str(error) == "The reader of the response has left."
    assert_logged(caplog)


@pytest.mark.parametrize("raise_app_exceptions", [True, False])
async def test_leaving_before_the_last_part_was_read_is_a_disconnect_too(
    caplog: pytest.LogCaptureFixture, raise_app_exceptions: bool
) -> None:
    raised: list[type[BaseException]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await send(part(b"all"))
        except OSError as exc:
            raised.append(type(exc))
            raise

    await leave(app, raise_app_exceptions=raise_app_exceptions)
    assert raised == [ClientDisconnected]
    assert_logged(caplog)


async def test_every_later_send_raises_too() -> None:
    raised: list[type[BaseException]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await request_body(receive)
        await send(START)
        await receive()
        for more in (True, False, True):
            try:
                await send(part(b"part", more=more))
            except OSError as exc:
                raised.append(type(exc))

    await leave(app)
    assert raised == [ClientDisconnected] * 3


@pytest.mark.parametrize("raise_app_exceptions", [True, False])
async def test_a_failure_after_the_reader_has_gone_is_logged(
    caplog: pytest.LogCaptureFixture, raise_app_exceptions: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await request_body(receive)
        await send(START)
        await receive()
        raise ValueError("cleaning up failed")

    await leave(app, raise_app_exceptions=raise_app_exceptions)
    assert_logged(caplog, ("ERROR", "GET /", "reader", "ValueError: cleaning up failed"))


async def test_an_application_that_does_not_end_is_cancelled_after_the_grace_period(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streaming, "DISCONNECT_GRACE", 0.01)
    steps: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            steps.append("cancelled")
            raise

    await leave(app)
    steps.append("reader goes on")
    assert steps == ["cancelled", "reader goes on"]
    assert_logged(caplog, ("WARNING", "GET /", "0.01 s", "cancelled"))


@pytest.mark.parametrize("messages", [[], [START], [START, ONE], [START, ONE, part(b"two")]])
async def test_a_reader_that_is_cancelled_takes_the_application_along(
    client_of: ClientOf, messages: list[Message]
) -> None:
    steps: list[str] = []
    waiting = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        waiting.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            steps.append("application ended")

    async def read(cancelled: anyio.CancelScope) -> None:
        with cancelled:
            async with client_of(app) as client:
                await client.get("/")
        steps.append("reader ended")

    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()
        tasks.start_soon(read, scope)
        await waiting.wait()
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
    assert scope.cancelled_caught
    assert steps == ["application ended", "reader ended"]


async def test_a_timeout_of_the_reader_is_the_readers_alone(client_of: ClientOf) -> None:
    seen: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(anyio.current_effective_deadline())
        await send(START)
        await send(part(b""))

    with anyio.fail_after(30):
        async with client_of(app) as client:
            await client.get("/")
    assert seen == [float("inf")]


async def test_closing_a_response_waits_for_the_application_and_can_be_repeated(client_of: ClientOf) -> None:
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await request_body(receive)
        await send(START)
        await receive()
        await anyio.wait_all_tasks_blocked()
        ended.append(True)

    async with client_of(app) as client, client.stream("GET", "/") as response:
        await response.aclose()
        assert ended == [True]
        await response.stream.aclose()  # type: ignore[union-attr]
    assert ended == [True]


async def test_a_failed_response_can_still_be_closed(client_of: ClientOf) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raise ValueError

    async with client_of(app) as client, client.stream("GET", "/") as response:
        with pytest.raises(ValueError, match=r"^$"):
            await response.aread()
        await response.aclose()


class TestOnAsyncio:
    """Cancellation at the level of asyncio's own tasks, which knows nothing of scopes."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.parametrize("messages", [[], [START], [START, ONE]])
    async def test_an_application_that_cancels_itself_does_not_cancel_its_reader(
        self, client_of: ClientOf, messages: list[Message]
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            for message in messages:
                await send(message)
            raise asyncio.CancelledError

        async with client_of(app) as client:
            with pytest.raises(ApplicationCancelled):
                await client.get("/")

    async def test_tasks_that_are_all_cancelled_before_their_first_step_end(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            raise AssertionError("It must not run.")

        transport = InProcessTransport(app)
        before = asyncio.all_tasks()
        reader = asyncio.create_task(transport.handle_async_request(httpx.Request("GET", "http://app.test/")))
        await asyncio.sleep(0)  # The reader runs up to where it has made the application's task.
        started = asyncio.all_tasks() - before
        assert len(started) == 2
        for task in started:  # As asyncio.run does at the end of its main function.
            task.cancel()
        _, pending = await asyncio.wait(started, timeout=5)
        for task in pending:
            task.cancel()
        assert pending == set()
        assert reader.cancelled()
