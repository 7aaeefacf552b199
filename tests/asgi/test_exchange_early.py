"""EarlyExchange: the response is handed over with its last message, once, while the application may go on."""

import asyncio
from typing import Any

import pytest

from bridge._messages import CompleteResponse
from bridge._types import Message
from bridge.asgi.exchange import EarlyExchange
from bridge.errors import UnexpectedMessage

pytestmark = pytest.mark.anyio

START = {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


@pytest.fixture
def finished() -> list[CompleteResponse]:
    """Each response that was handed over."""
    return []


@pytest.fixture
def exchange(finished: list[CompleteResponse]) -> EarlyExchange:
    return EarlyExchange(b"request", finished.append)


async def test_it_is_handed_over_with_the_last_message_and_not_before(
    exchange: EarlyExchange, finished: list[CompleteResponse]
) -> None:
    await exchange.send(START)
    await exchange.send(part(b"one ", more=True))
    assert finished == []
    await exchange.send(part(b"two"))
    (response,) = finished
    assert (response.status_code, response.raw_headers, response.body) == (201, [(b"x-a", b"1")], b"one two")


async def test_a_body_in_one_part_is_not_copied(exchange: EarlyExchange, finished: list[CompleteResponse]) -> None:
    body = b"x" * 1000
    await exchange.send(START)
    await exchange.send(part(body))
    assert finished[0].body is body


@pytest.mark.parametrize("message", [part(b"more"), part(b"", more=True), START, {"type": "nonsense"}, {}])
async def test_what_comes_after_it_changes_nothing_of_it(
    exchange: EarlyExchange, finished: list[CompleteResponse], message: Any
) -> None:
    await exchange.send(START)
    await exchange.send(part(b"done"))
    with pytest.raises(UnexpectedMessage):
        await exchange.send(message)
    (response,) = finished
    assert response.body == b"done"
    with pytest.raises(UnexpectedMessage):
        exchange.check_finished()


async def test_who_gets_it_has_a_turn_before_the_application_goes_on(exchange: EarlyExchange) -> None:
    steps: list[str] = []

    def take(response: CompleteResponse) -> None:
        asyncio.get_running_loop().call_soon(steps.append, "had it")

    exchange._finished = take
    await exchange.send(START)
    await exchange.send(part(b""))
    steps.append("goes on")
    assert steps == ["had it", "goes on"]


async def test_the_messages_before_the_last_one_give_nobody_a_turn(exchange: EarlyExchange) -> None:
    steps: list[str] = []
    asyncio.get_running_loop().call_soon(steps.append, "a turn")
    await exchange.send(START)
    await exchange.send(part(b"", more=True))
    assert steps == []


async def test_what_taking_it_raises_is_the_senders(exchange: EarlyExchange) -> None:
    def refuse(response: CompleteResponse) -> None:
        raise LookupError("nobody takes it")

    exchange._finished = refuse
    await exchange.send(START)
    with pytest.raises(LookupError):
        await exchange.send(part(b""))


async def test_a_receiver_hears_of_the_end_of_the_response(exchange: EarlyExchange) -> None:
    request = {"type": "http.request", "body": b"request", "more_body": False}
    assert await exchange.receive() == request
    listening = asyncio.ensure_future(exchange.receive())
    await asyncio.sleep(0)
    await exchange.send(START)
    assert not listening.done()
    await exchange.send(part(b""))
    assert await listening == await exchange.receive() == {"type": "http.disconnect"}
