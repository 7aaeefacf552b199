"""What an httpx client gets from InProcessTransport for an application that fails or breaks the protocol."""

from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from bridge._httpx import httpx
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.errors import IncompleteResponse, InvalidMessage, NoResponse, ProtocolError, UnexpectedMessage
from tests.apps import START, part, sending
from tests.logged import assert_logged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

ClientOf = Callable[..., httpx.AsyncClient]


class Oops(Exception):
    """The application's own."""


async def read_into(parts: list[bytes], body: AsyncIterator[bytes]) -> None:
    """Keep what was read also if the body breaks off."""
    async for item in body:
        parts.append(item)  # noqa: PERF401


async def swallows_a_violation(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await send(part(b"too early"))
    except ProtocolError:
        await sending(START, part(b"all"))(scope, receive, send)


async def wraps_a_violation(scope: Scope, receive: Receive, send: Send) -> None:
    async def answer() -> None:
        await send(part(b"too early"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)


ONE = part(b"one", more=True)
BEFORE_THE_START: list[tuple[ASGIApp, type[Exception]]] = [
    (sending(then=Oops()), Oops),
    (sending(), NoResponse),
    (sending(ONE), UnexpectedMessage),
    (sending({**START, "status": "200 OK"}), InvalidMessage),
    (wraps_a_violation, UnexpectedMessage),
]
IN_THE_MIDDLE: list[tuple[ASGIApp, bytes, type[Exception]]] = [
    (sending(START, then=Oops()), b"", Oops),
    (sending(START, ONE, then=Oops()), b"one", Oops),
    (sending(START, ONE, then=StopAsyncIteration()), b"one", RuntimeError),
    (sending(START, ONE), b"one", IncompleteResponse),
    (sending(START, START), b"", UnexpectedMessage),
    (sending(START, {"type": "http.response.body", "body": "text"}), b"", InvalidMessage),
]
AFTER_THE_END: list[tuple[ASGIApp, type[Exception], str]] = [
    (sending(START, part(b"all"), then=Oops()), Oops, "Oops"),
    (sending(START, part(b"all"), START), UnexpectedMessage, "Expected the ASGI application to send nothing more"),
    (swallows_a_violation, UnexpectedMessage, "Expected the ASGI application to send 'http.response.start'"),
]


@pytest.mark.parametrize(
    ("app", "error"),
    [
        *BEFORE_THE_START,
        *((app, error) for app, _, error in IN_THE_MIDDLE),
        *((app, error) for app, error, _ in AFTER_THE_END),
    ],
)
async def test_the_client_gets_the_exception(
    client_of: ClientOf, app: ASGIApp, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(app) as client:
        with pytest.raises((Oops, ProtocolError, RuntimeError)) as caught:
            await client.get("/")
    assert type(caught.value) is error
    assert_logged(caplog)


@pytest.mark.parametrize(("app", "error"), BEFORE_THE_START)
async def test_before_the_start_it_becomes_a_500_where_exceptions_are_not_raised(
    client_of: ClientOf, app: ASGIApp, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(app, raise_app_exceptions=False) as client:
        response = await client.get("/orders")
    assert (response.status_code, response.content) == (500, b"")
    assert_logged(caplog, ("ERROR", "GET /orders", error.__name__))


@pytest.mark.parametrize(("app", "read", "error"), IN_THE_MIDDLE)
async def test_in_the_middle_it_breaks_the_response_off_where_exceptions_are_not_raised(
    client_of: ClientOf, app: ASGIApp, read: bytes, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    parts: list[bytes] = []
    async with client_of(app, raise_app_exceptions=False) as client, client.stream("GET", "/orders") as response:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await read_into(parts, response.aiter_raw())
    assert (b"".join(parts), type(caught.value.__cause__)) == (read, error)
    assert_logged(caplog, ("ERROR", "GET /orders", "middle", error.__name__))


@pytest.mark.parametrize(("app", "error", "fact"), AFTER_THE_END)
async def test_after_the_end_the_response_stays_where_exceptions_are_not_raised(
    client_of: ClientOf, app: ASGIApp, error: type[Exception], fact: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(app, raise_app_exceptions=False) as client:
        response = await client.get("/orders")
    assert (response.status_code, response.content) == (200, b"all")
    assert_logged(caplog, ("ERROR", "GET /orders", "complete", fact))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("messages", [[], [START, ONE], [START, part(b"all")]])
async def test_an_exit_is_never_swallowed(
    client_of: ClientOf, error: type[BaseException], messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    for raise_app_exceptions in (True, False):
        client = client_of(sending(*messages, then=error()), raise_app_exceptions=raise_app_exceptions)
        with pytest.raises(error):
            await client.get("/")
        await client.aclose()
    is_logged = error is SystemExit and len(messages) == 2 and messages[-1] is not ONE
    assert_logged(caplog, *[("WARNING", "GET /", "SystemExit", "complete")] * 2 * is_logged)


async def test_a_failure_of_one_exchange_leaves_the_others_alone(client_of: ClientOf) -> None:
    failed = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fails":
            raise Oops
        await send(START)
        await failed.wait()
        await send(part(b"fine"))

    async with client_of(app) as client, client.stream("GET", "/") as response:
        with pytest.raises(Oops):
            await client.get("/fails")
        failed.set()
        assert await response.aread() == b"fine"
