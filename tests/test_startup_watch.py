"""The log lines about a startup that does not end. The application goes on as soon as the line is there."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge import Bridge, Handler
from bridge._httpx import httpx
from bridge._types import Receive, Scope, Send
from bridge.startup_watch import _moments, imported_at
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

WHAT = "startup has not ended after"


class Told(logging.Handler):
    """Sets `event` when a line has the application's function."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    def emit(self, record: logging.LogRecord) -> None:
        if "in waits" in record.getMessage() or "in blocks" in record.getMessage():
            self._event.set()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Return an event that is set by the first line with the application in it. Lines come again and again."""
    start = time.monotonic()
    monkeypatch.setattr("bridge.startup_watch._moments", lambda: [start + number / 20 for number in range(1, 600)])
    event, logger = threading.Event(), logging.getLogger("bridge")
    handler = Told(event)
    logger.addHandler(handler)
    yield event
    logger.removeHandler(handler)


async def waits(logged: threading.Event) -> None:
    while not logged.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def blocks(logged: threading.Event) -> None:
    assert logged.wait(30)


def application(start: Callable[[threading.Event], Any], logged: threading.Event) -> Handler:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(logged)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return Bridge(app, lifespan="on")


def transport(start: Callable[[threading.Event], Any], logged: threading.Event) -> Handler:
    class Slow(httpx.AsyncBaseTransport):
        async def __aenter__(self) -> "Slow":
            await start(logged)
            return self

        async def __aexit__(self, *exc_info: object) -> None:
            """Nothing was opened."""

    return Handler(Slow())


@pytest.mark.parametrize("make", [application, transport])
@pytest.mark.parametrize(("start", "fact"), [(waits, "in waits"), (blocks, "logged.wait(30)")])
def test_a_slow_startup_is_logged_with_its_stack(
    make: Any, start: Any, fact: str, logged: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with make(start, logged):
            pass

    asyncio.run(main())
    assert_logged(caplog, *[("WARNING", WHAT)] * (len(caplog.records) - 1), ("WARNING", WHAT, fact))
    assert not [thread for thread in threading.enumerate() if thread.name == "bridge startup watch"]


def test_in_lambda_the_last_line_comes_before_the_end_of_the_init_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    def moments(age: float) -> list[float]:
        monkeypatch.setattr("bridge.startup_watch.time.monotonic", lambda: imported_at + age)
        return [round(moment - imported_at, 3) for moment in _moments()]

    assert moments(1.0) == [6.0]
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
    assert moments(1.0) == [6.0, 9.0]
    assert moments(6.0) == [9.0, 9.0]  # one line
    assert moments(100.0) == [105.0]  # a startup after the init phase
    for kind in ("provisioned-concurrency", "snap-start", "lambda-managed-instances"):
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
        assert moments(1.0) == [6.0, 129.0]
