"""An application whose lifespan ends in a cancellation that was not asked for from outside."""

import asyncio

import pytest

from bridge._types import LifespanMode, Receive, Scope, Send
from bridge.asgi.lifespan import make_lifespan
from bridge.errors import ApplicationCancelled, ShutdownFailed, StartupFailed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

MODES: list[LifespanMode] = ["auto", "on"]


@pytest.fixture
def anyio_backend() -> str:
    """Choose asyncio: only there can an application cancel itself."""
    return "asyncio"


@pytest.mark.parametrize("mode", MODES)
async def test_a_cancellation_from_inside_the_startup_fails_it_and_says_so(mode: LifespanMode) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        task = asyncio.create_task(asyncio.sleep(3600))
        task.cancel()
        await task

    with pytest.raises(StartupFailed) as caught:
        await make_lifespan(app, mode).startup()
    assert type(caught.value.__cause__) is ApplicationCancelled


async def test_a_cancellation_from_inside_the_shutdown_fails_it_and_says_so() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise asyncio.CancelledError

    lifespan = make_lifespan(app, "on")
    await lifespan.startup()
    with pytest.raises(ShutdownFailed) as caught:
        await lifespan.shutdown()
    assert type(caught.value.__cause__) is ApplicationCancelled
