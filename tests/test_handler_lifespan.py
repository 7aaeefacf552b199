"""When a handler starts and stops its application, and what the requests see of it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anyio
import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from bridge.errors import LoopClosedError, ShutdownFailed, StartupFailed
from tests.apps import START, Journal, part, sending

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]


@pytest.mark.anyio
async def test_async_with_runs_startup_and_shutdown_around_the_requests(make_event: MakeEvent) -> None:
    app = Journal()
    async with Bridge(app) as handler:
        assert app.steps == ["startup"]
        for _ in range(2):
            assert (await handler.handle(make_event(), None))["body"] == "1"
    assert app.steps == ["startup", "request", "request", "shutdown"]


@pytest.mark.anyio
async def test_async_with_runs_shutdown_also_when_its_block_fails() -> None:
    app = Journal()
    with pytest.raises(KeyError):
        async with Bridge(app):
            raise KeyError
    assert app.steps == ["startup", "shutdown"]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_first_call_that_is_cancelled_leaves_the_startup_to_the_next(make_event: MakeEvent) -> None:
    app = Journal(startup=anyio.sleep_forever)
    handler = Bridge(app)
    with anyio.move_on_after(0.01):
        await handler.handle(make_event(), None)
    app.then["startup"] = None
    async with handler:
        assert (await handler.handle(make_event(), None))["body"] == "2"
    assert app.steps == ["startup", "startup", "request", "shutdown"]


def test_a_failed_startup_is_tried_again_by_the_next_call(make_event: MakeEvent) -> None:
    error = ValueError("no database")
    app = Journal(startup=error)
    with closing(Bridge(app)) as handler:
        for _ in range(2):
            with pytest.raises(StartupFailed, match="ValueError: no database") as caught:
                handler(make_event(), None)
            assert caught.value.__cause__ is error
        with pytest.raises(StartupFailed):
            asyncio.run(handler.handle(make_event(), None))
        app.then["startup"] = None
        assert handler(make_event(), None)["body"] == "4"
    assert app.steps == [*["startup"] * 4, "request", "shutdown"]


def test_in_lambda_a_failed_startup_fails_every_call_and_is_tried_once(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda replaces the environment. A handler that is made inside an event loop is started by its first call."""
    app = Journal(startup=ValueError("no database"))
    depths: list[int] = []

    async def make() -> Bridge:
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        return Bridge(app)

    with closing(asyncio.run(make())) as handler:
        for _ in range(3):
            with pytest.raises(StartupFailed, match="ValueError: no database") as caught:
                handler(make_event(), None)
            depths.append(len(caught.traceback))
    assert app.steps == ["startup"]
    assert depths[1] == depths[2]  # The tracebacks do not pile up.


def test_off_leaves_the_lifespan_out(make_event: MakeEvent) -> None:
    app = Journal()
    with closing(Bridge(app, lifespan="off")) as handler:
        assert handler(make_event(), None)["body"] == "0"
    assert app.steps == ["request"]


def test_auto_serves_an_application_without_lifespan_and_gives_it_no_state(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await sending(START, part(str("state" in scope).encode()))(scope, receive, send)

    caplog.set_level(logging.INFO)
    with closing(Bridge(app)) as handler:
        assert [handler(make_event(), None)["body"] for _ in range(2)] == ["False"] * 2
    assert caplog.records == []


def test_each_request_gets_a_shallow_copy_of_the_state(make_event: MakeEvent) -> None:
    states: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"].update(number=1, shared=[])
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        states.append(scope["state"])
        scope["state"]["shared"].append(scope["state"]["number"])
        scope["state"]["number"] += 1
        await sending(START, part(b""))(scope, receive, send)

    with closing(Bridge(app)) as handler:
        for _ in range(3):
            handler(make_event(), None)
    assert states == [{"number": 2, "shared": [1, 1, 1]}] * 3
    assert states[0]["shared"] is states[2]["shared"]


def test_a_failed_shutdown_fails_close_and_the_handler_is_closed_all_the_same(make_event: MakeEvent) -> None:
    app = Journal(shutdown=ValueError("still open"))
    handler = Bridge(app)
    handler(make_event(), None)
    with pytest.raises(ShutdownFailed, match="still open"):
        handler.close()
    handler.close()
    assert app.steps == ["startup", "request", "shutdown"]
    with pytest.raises(LoopClosedError):
        handler(make_event(), None)


@pytest.mark.anyio
async def test_a_failed_shutdown_fails_async_with() -> None:
    with pytest.raises(ShutdownFailed, match="still open"):
        async with Bridge(Journal(shutdown=ValueError("still open"))):
            pass


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_startup_comes_out_of_the_call_and_the_next_call_starts_again(
    make_event: MakeEvent, error: type[BaseException]
) -> None:
    app = Journal(startup=error())
    with closing(Bridge(app)) as handler:
        with pytest.raises(error):
            handler(make_event(), None)
        app.then["startup"] = None
        assert handler(make_event(), None)["body"] == "2"
    assert app.steps == ["startup", "startup", "request", "shutdown"]
