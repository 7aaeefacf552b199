"""When a handler starts and stops its application, and what the requests see of it."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import anyio
import pytest

from bridge import Bridge
from bridge._types import LifespanMode, Receive, Scope, Send
from bridge.errors import LoopClosedError, ShutdownFailed, StartupFailed

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]


class Journal(list[str]):
    """An application that writes down its startup, its requests and its shutdown."""

    startup: BaseException | str | None = None
    shutdown: BaseException | str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._phase("startup", self.startup, receive, send)
            scope["state"]["shared"] = self
            await self._phase("shutdown", self.shutdown, receive, send)
            return
        self.append("request")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"fine"})

    async def _phase(self, name: str, failure: BaseException | str | None, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == f"lifespan.{name}"
        self.append(name)
        if isinstance(failure, BaseException):
            raise failure
        if failure is not None:
            await send({"type": f"lifespan.{name}.failed", "message": failure})
            raise RuntimeError(failure)
        await send({"type": f"lifespan.{name}.complete"})


class Starting(Journal):
    """Its startup fails."""

    startup = "no database"


class Raising(Journal):
    """Its startup raises."""

    startup = ValueError("no database")


class Stopping(Journal):
    """Its shutdown fails."""

    shutdown = "still open"


@pytest.mark.anyio
async def test_async_with_runs_startup_and_shutdown_around_the_requests(make_event: MakeEvent) -> None:
    app = Journal()
    async with Bridge(app) as handler:
        assert app == ["startup"]
        for _ in range(2):
            assert (await handler.handle(make_event(), None))["body"] == "fine"
    assert app == ["startup", "request", "request", "shutdown"]


@pytest.mark.anyio
async def test_async_with_runs_shutdown_also_when_its_block_fails() -> None:
    app = Journal()
    with pytest.raises(KeyError):
        async with Bridge(app):
            raise KeyError
    assert app == ["startup", "shutdown"]


@pytest.mark.anyio
async def test_a_first_call_that_is_cancelled_leaves_the_startup_to_the_next(make_event: MakeEvent) -> None:
    startups: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            startups.append(len(startups))
            if len(startups) == 1:
                await anyio.sleep_forever()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"fine"})

    handler = Bridge(app)
    with anyio.move_on_after(0.01):
        await handler.handle(make_event(), None)
    async with handler:
        assert (await handler.handle(make_event(), None))["body"] == "fine"
    assert startups == [0, 1]


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize(
    ("app", "text"),
    [
        (Starting, "The application's startup failed: no database"),
        (Raising, "Expected the application to answer 'lifespan.startup', but it raised ValueError: no database."),
    ],
)
def test_a_failed_startup_fails_every_call_and_is_tried_once(
    make_event: MakeEvent, mode: LifespanMode, app: type[Journal], text: str
) -> None:
    journal = app()
    with closing(Bridge(journal, lifespan=mode)) as handler:
        for _ in range(2):
            with pytest.raises(StartupFailed) as caught:
                handler(make_event(), None)
            assert str(caught.value) == text
            assert str(caught.value.__cause__) == "no database"
        with pytest.raises(StartupFailed):
            asyncio.run(handler.handle(make_event(), None))
    assert journal == ["startup"]


def test_a_startup_that_keeps_failing_does_not_pile_up_tracebacks(make_event: MakeEvent) -> None:
    def depth() -> int:
        with pytest.raises(StartupFailed) as caught:
            handler(make_event(), None)
        return len(caught.traceback)

    with closing(Bridge(Raising())) as handler:
        depth()
        assert depth() == depth()


def test_a_failed_startup_fails_the_calls_of_all_threads_that_wait_for_it(make_event: MakeEvent) -> None:
    ready = threading.Barrier(4)

    def call() -> str:
        ready.wait(30)
        with pytest.raises(StartupFailed) as caught:
            handler(make_event(), None)
        return str(caught.value)

    journal = Starting()
    with closing(Bridge(journal)) as handler, ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(call) for _ in range(4)]
        assert {call.result(30) for call in calls} == {"The application's startup failed: no database"}
    assert journal == ["startup"]


def test_off_leaves_the_lifespan_out(make_event: MakeEvent) -> None:
    app = Journal()
    with closing(Bridge(app, lifespan="off")) as handler:
        assert handler(make_event(), None)["body"] == "fine"
    assert app == ["request"]


async def only_http(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str("state" in scope).encode()})


def test_auto_serves_an_application_without_lifespan_and_gives_it_no_state(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with closing(Bridge(only_http)) as handler:
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
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    with closing(Bridge(app)) as handler:
        for _ in range(3):
            handler(make_event(), None)
    assert states == [{"number": 2, "shared": [1, 1, 1]}] * 3
    assert states[0]["shared"] is states[2]["shared"]


def test_a_failed_shutdown_fails_close_and_the_handler_is_closed_all_the_same(make_event: MakeEvent) -> None:
    journal = Stopping()
    handler = Bridge(journal)
    handler(make_event(), None)
    with pytest.raises(ShutdownFailed, match=r"^The application's shutdown failed: still open$"):
        handler.close()
    handler.close()
    assert journal == ["startup", "request", "shutdown"]
    with pytest.raises(LoopClosedError):
        handler(make_event(), None)


@pytest.mark.anyio
async def test_a_failed_shutdown_fails_async_with() -> None:
    with pytest.raises(ShutdownFailed, match="still open"):
        async with Bridge(Stopping()):
            pass


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_startup_comes_out_of_the_call_and_the_next_call_starts_again(
    make_event: MakeEvent, error: type[BaseException]
) -> None:
    journal = Journal()
    journal.startup = error()
    with closing(Bridge(journal)) as handler:
        with pytest.raises(error):
            handler(make_event(), None)
        journal.startup = None
        assert handler(make_event(), None)["body"] == "fine"
    assert journal == ["startup", "startup", "request", "shutdown"]


@pytest.mark.anyio
async def test_an_application_whose_lifespan_ends_by_itself_is_started_once(make_event: MakeEvent) -> None:
    startups: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            startups.append("startup")
            await send({"type": "lifespan.startup.complete"})
            return
        await only_http(scope, receive, send)

    async with Bridge(app) as handler:
        for _ in range(3):
            await anyio.wait_all_tasks_blocked()
            await handler.handle(make_event(), None)
    assert startups == ["startup"]
