"""What InProcessTransport does with an application that fails or breaks the protocol."""

import logging
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from bridge._httpx import httpx
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.errors import IncompleteResponse, InvalidMessage, NoResponse, ProtocolError, UnexpectedMessage

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

ClientOf = Callable[..., httpx.AsyncClient]
Logged = Callable[[], list[tuple[int, str, BaseException | None]]]

START = {"type": "http.response.start", "status": 200}


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """The lines that the package logged: level, message and exception."""

    def lines() -> list[tuple[int, str, BaseException | None]]:
        records = [record for record in caplog.records if record.name == "bridge"]
        return [(record.levelno, record.getMessage(), (record.exc_info or (None,) * 3)[1]) for record in records]

    return lines


class Oops(Exception):
    """The application's own."""


async def read_into(parts: list[bytes], body: AsyncIterator[bytes]) -> None:
    """Keep what was read also if the body breaks off."""
    async for item in body:
        parts.append(item)  # noqa: PERF401


async def raises_before_the_start(scope: Scope, receive: Receive, send: Send) -> None:
    raise Oops


async def raises_after_the_start(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    raise Oops


async def raises_in_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(part(b"one"))
    raise Oops


async def raises_when_complete(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(part(b"all", more=False))
    raise Oops


@pytest.mark.parametrize(
    "app", [raises_before_the_start, raises_after_the_start, raises_in_the_body, raises_when_complete]
)
async def test_the_client_gets_the_applications_exception(client_of: ClientOf, app: ASGIApp, logged: Logged) -> None:
    with anyio.fail_after(5), pytest.raises(Oops):
        async with client_of(app) as client:
            await client.get("/")
    assert logged() == []


async def test_a_failure_before_the_start_becomes_a_500_where_exceptions_are_not_raised(
    client_of: ClientOf, logged: Logged
) -> None:
    with anyio.fail_after(5):
        async with client_of(raises_before_the_start, raise_app_exceptions=False) as client:
            response = await client.get("/")
    assert (response.status_code, response.content) == (500, b"")
    ((level, message, error),) = logged()
    assert (level, message) == (logging.ERROR, "The application failed before its response started.")
    assert isinstance(error, Oops)


@pytest.mark.parametrize(("app", "read"), [(raises_after_the_start, []), (raises_in_the_body, [b"one"])])
async def test_a_failure_in_the_body_breaks_the_response_off_where_exceptions_are_not_raised(
    client_of: ClientOf, logged: Logged, app: ASGIApp, read: list[bytes]
) -> None:
    parts: list[bytes] = []
    with anyio.fail_after(5):
        async with client_of(app, raise_app_exceptions=False) as client, client.stream("GET", "/") as response:
            with pytest.raises(httpx.RemoteProtocolError) as caught:
                await read_into(parts, response.aiter_raw())
    assert parts == read
    assert str(caught.value) == "The application failed in the middle of its response."
    assert isinstance(caught.value.__cause__, Oops)
    assert logged() == [
        (logging.ERROR, "The application failed in the middle of its response.", caught.value.__cause__)
    ]


async def test_a_failure_after_a_complete_response_keeps_it_where_exceptions_are_not_raised(
    client_of: ClientOf, logged: Logged
) -> None:
    with anyio.fail_after(5):
        async with client_of(raises_when_complete, raise_app_exceptions=False) as client:
            response = await client.get("/")
    assert (response.status_code, response.content) == (200, b"all")
    ((level, message, error),) = logged()
    assert (level, message) == (logging.ERROR, "The application failed after its response was complete.")
    assert isinstance(error, Oops)


async def sends_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """It returns at once."""


async def sends_no_end(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(part(b"one"))


async def sends_the_body_first(scope: Scope, receive: Receive, send: Send) -> None:
    await send(part(b"one"))


async def starts_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(START)


async def answers_twice(scope: Scope, receive: Receive, send: Send) -> None:
    for _ in range(2):
        await send(START)
        await send(part(b"all", more=False))


async def sends_a_bad_status(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": "200 OK"})


async def sends_a_text_body(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": "text"})


async def swallows_what_send_raised(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await send(part(b"too early"))
    except ProtocolError:
        await send(START)
        await send(part(b"all", more=False))


async def wraps_what_send_raised(scope: Scope, receive: Receive, send: Send) -> None:
    async def answer() -> None:
        await send(part(b"too early"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)


BEFORE_THE_START: list[tuple[ASGIApp, type[ProtocolError]]] = [
    (sends_nothing, NoResponse),
    (sends_the_body_first, UnexpectedMessage),
    (sends_a_bad_status, InvalidMessage),
]
AFTER_THE_START: list[tuple[ASGIApp, type[ProtocolError]]] = [
    (sends_no_end, IncompleteResponse),
    (starts_twice, UnexpectedMessage),
    (sends_a_text_body, InvalidMessage),
]
WHEN_COMPLETE: list[tuple[ASGIApp, type[ProtocolError]]] = [
    (answers_twice, UnexpectedMessage),
    (swallows_what_send_raised, UnexpectedMessage),
]


@pytest.mark.parametrize(("app", "error"), BEFORE_THE_START + AFTER_THE_START + WHEN_COMPLETE)
async def test_a_broken_protocol_is_an_exception_with_a_name(
    client_of: ClientOf, app: ASGIApp, error: type[ProtocolError], logged: Logged
) -> None:
    with anyio.fail_after(5):
        async with client_of(app) as client:
            with pytest.raises(ProtocolError) as caught:
                await client.get("/")
    assert type(caught.value) is error
    assert logged() == []


async def test_a_broken_protocol_keeps_its_name_inside_a_task_group(client_of: ClientOf) -> None:
    with anyio.fail_after(5):
        async with client_of(wraps_what_send_raised) as client:
            with pytest.raises(UnexpectedMessage) as caught:
                await client.get("/")
    assert str(caught.value) == (
        "Expected the ASGI application to send 'http.response.start', but got 'http.response.body'."
    )


@pytest.mark.parametrize(("app", "error"), BEFORE_THE_START)
async def test_a_broken_protocol_before_the_start_becomes_a_500_where_exceptions_are_not_raised(
    client_of: ClientOf, app: ASGIApp, error: type[ProtocolError], logged: Logged
) -> None:
    with anyio.fail_after(5):
        async with client_of(app, raise_app_exceptions=False) as client:
            response = await client.get("/")
    assert response.status_code == 500
    ((level, message, logged_error),) = logged()
    assert (level, message) == (logging.ERROR, "The application failed before its response started.")
    assert type(logged_error) is error


@pytest.mark.parametrize(("app", "error"), AFTER_THE_START)
async def test_a_broken_protocol_after_the_start_breaks_off_where_exceptions_are_not_raised(
    client_of: ClientOf, app: ASGIApp, error: type[ProtocolError], logged: Logged
) -> None:
    with anyio.fail_after(5):
        async with client_of(app, raise_app_exceptions=False) as client:
            with pytest.raises(httpx.RemoteProtocolError) as caught:
                await client.get("/")
    assert type(caught.value.__cause__) is error
    assert len(logged()) == 1


@pytest.mark.parametrize(("app", "error"), WHEN_COMPLETE)
async def test_a_broken_protocol_when_complete_is_logged_where_exceptions_are_not_raised(
    client_of: ClientOf, app: ASGIApp, error: type[ProtocolError], logged: Logged
) -> None:
    with anyio.fail_after(5):
        async with client_of(app, raise_app_exceptions=False) as client:
            response = await client.get("/")
    assert (response.status_code, response.content) == (200, b"all")
    ((level, message, logged_error),) = logged()
    assert (level, message) == (logging.ERROR, "The application failed after its response was complete.")
    assert type(logged_error) is error


@pytest.mark.parametrize("raise_app_exceptions", [True, False])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("messages", [[], [START], [START, part(b"one")], [START, part(b"all", more=False)]])
async def test_what_is_no_exception_is_never_swallowed(
    client_of: ClientOf, error: type[BaseException], raise_app_exceptions: bool, messages: list[Message], logged: Logged
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise error

    with anyio.fail_after(5):
        client = client_of(app, raise_app_exceptions=raise_app_exceptions)
        with pytest.raises(error):
            await client.get("/")
        await client.aclose()
    assert logged() == []


async def test_a_failure_of_one_exchange_leaves_the_others_alone(client_of: ClientOf) -> None:
    failed = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fails":
            raise Oops
        await send(START)
        await failed.wait()
        await send(part(b"fine", more=False))

    with anyio.fail_after(5):
        async with client_of(app) as client, client.stream("GET", "/") as response:
            with pytest.raises(Oops):
                await client.get("/fails")
            failed.set()
            assert await response.aread() == b"fine"
