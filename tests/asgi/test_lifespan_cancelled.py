"""An application whose lifespan ends in a cancellation that was not asked for from outside."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import pytest

from bridge import Handler
from bridge._httpx import httpx
from bridge._types import LifespanMode, Receive, Scope, Send
from bridge.asgi.lifespan import make_lifespan
from bridge.errors import ApplicationCancelled, ShutdownFailed, StartupFailed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

MODES: list[LifespanMode] = ["auto", "on"]


def own_task() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    assert task is not None
    return task


async def await_a_cancelled_task() -> None:
    task = asyncio.create_task(asyncio.sleep(3600))
    task.cancel()
    await task


async def raise_it() -> None:
    raise asyncio.CancelledError


async def cancel_itself() -> None:
    own_task().cancel()
    await asyncio.sleep(3600)


async def be_cancelled_by_a_timer() -> None:
    asyncio.get_running_loop().call_soon(own_task().cancel)
    await asyncio.sleep(3600)


async def cancel_itself_and_return() -> None:
    own_task().cancel()


WAYS = [await_a_cancelled_task, raise_it, cancel_itself, be_cancelled_by_a_timer, cancel_itself_and_return]


@pytest.fixture
def anyio_backend() -> str:
    """Choose asyncio: only there can an application cancel itself."""
    return "asyncio"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
async def test_a_cancellation_from_inside_the_startup_fails_it_and_says_so(
    mode: LifespanMode, way: Callable[[], Awaitable[None]]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await way()

    with pytest.raises(StartupFailed) as caught:
        await make_lifespan(app, mode).startup()
    assert type(caught.value.__cause__) is ApplicationCancelled


@pytest.mark.parametrize("way", WAYS)
async def test_a_cancellation_from_inside_the_shutdown_fails_it_and_says_so(way: Callable[[], Awaitable[None]]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await way()

    lifespan = make_lifespan(app, "on")
    await lifespan.startup()
    with pytest.raises(ShutdownFailed) as caught:
        await lifespan.shutdown()
    assert type(caught.value.__cause__) is ApplicationCancelled


class Transport(httpx.AsyncBaseTransport):
    """One whose opening, or closing, ends in a cancellation."""

    def __init__(self, phase: str, way: Callable[[], Awaitable[None]]) -> None:
        self._phase, self._way = phase, way

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    async def __aenter__(self) -> Self:
        if self._phase == "opened":
            await self._way()
        return self

    async def __aexit__(self, *args: object) -> None:
        if self._phase == "closed":
            await self._way()


@pytest.mark.parametrize("way", WAYS[:4])
def test_so_does_one_of_a_transport_on_the_handlers_own_loop(
    make_event: Callable[..., dict[str, Any]], way: Callable[[], Awaitable[None]]
) -> None:
    handler = Handler(Transport("opened", way))
    with pytest.raises(StartupFailed, match="could not be opened: CancelledError"):
        handler(make_event(), None)
    handler.close()
    handler = Handler(Transport("closed", way))
    assert handler(make_event(), None)["statusCode"] == 200
    with pytest.raises(ShutdownFailed, match="could not be closed: CancelledError"):
        handler.close()
