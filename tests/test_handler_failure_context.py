"""A failure is logged in the context where the application failed: tools note there which exceptions they have sent."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from bridge import Bridge, Handler
from bridge._httpx import httpx
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from tests.apps import START, part
from tests.cases import every_case
from tests.events import MakeEvent

seen: ContextVar[str] = ContextVar("seen", default="not seen")


class Noting(logging.Handler):
    """It notes in which context each line is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.contexts.append(seen.get())


@pytest.fixture
def noting() -> Iterator[Noting]:
    handler = Noting()
    logging.getLogger("bridge").addHandler(handler)
    yield handler
    logging.getLogger("bridge").removeHandler(handler)


def failing(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        seen.set("seen")
        raise LookupError("no such page")

    return app


def failing_wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    seen.set("seen")
    raise LookupError("no such page")


def of_transport(app: ASGIApp) -> Handler:
    return Handler(httpx.ASGITransport(app))


def called(handler: Handler, event: dict[str, Any]) -> None:
    with closing(handler):
        handler(event, None)


def handled(handler: Handler, event: dict[str, Any]) -> None:
    async def main() -> None:
        async with handler:
            await handler.handle(event, None)

    anyio.run(main)


def streamed(handler: Handler, event: dict[str, Any]) -> None:
    async def main() -> None:
        async with handler, handler.stream(event, None) as response:
            async for _ in response.body:
                pass

    anyio.run(main)


@every_case("call", [called, handled, streamed])
@every_case(
    "make",
    [
        lambda: Bridge(failing(), lifespan="off"),
        lambda: Bridge(failing(START, part(b"all")), lifespan="off"),
        lambda: Bridge(failing_wsgi),
        lambda: of_transport(failing()),
    ],
)
def test_a_failure_is_logged_in_the_context_where_it_was_raised(
    make: Callable[[], Handler], call: Callable[[Handler, dict[str, Any]], None], make_event: MakeEvent, noting: Noting
) -> None:
    noting.contexts.clear()
    call(make(), make_event())
    assert noting.contexts == ["seen"]
