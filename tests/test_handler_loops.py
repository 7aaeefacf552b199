"""The event loop on which a handler answers, from any thread, and that it never hangs."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from bridge.errors import RunningLoopError
from tests.apps import START, part

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
InThread = Callable[..., "Future[Any]"]

TIMEOUT = 30


async def answer(send: Send, text: str) -> None:
    await send(START)
    await send(part(text.encode()))


class Client:
    """A client that is bound to the event loop on which it was opened, as those of databases are."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self.queries = 0

    async def query(self) -> int:
        assert asyncio.get_running_loop() is self._loop, "attached to a different loop"
        async with self._lock:
            await asyncio.sleep(0)
            self.queries += 1
            return self.queries


class Shop:
    """An application that opens its client at startup and uses it in every request."""

    def __init__(self) -> None:
        self.startups = self.shutdowns = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.startups += 1
            scope["state"]["client"] = Client()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.shutdowns += 1
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await answer(send, str(await scope["state"]["client"].query()))


def body(handler: Bridge, event: Event) -> str:
    text: str = handler(event, None)["body"]
    return text


async def body_async(handler: Bridge, event: Event) -> str:
    text: str = (await handler.handle(event, None))["body"]
    return text


def test_what_startup_opened_works_in_the_first_request_and_in_the_thousandth(make_event: MakeEvent) -> None:
    shop = Shop()
    with closing(Bridge(shop)) as handler:
        event = make_event()
        assert [body(handler, event) for _ in range(1000)] == [str(number) for number in range(1, 1001)]
    assert (shop.startups, shop.shutdowns) == (1, 1)


@pytest.mark.parametrize("order", ["as", "sa", "asa", "sas", "aass", "ssaa", "assa"])
def test_sync_calls_and_asyncio_run_work_in_any_order(make_event: MakeEvent, order: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await answer(send, scope["path"])

    with closing(Bridge(app, lifespan="off")) as handler:
        for number, way in enumerate(order):
            event = make_event(path=f"/{number}")
            text = body(handler, event) if way == "s" else asyncio.run(body_async(handler, event))
            assert text == f"/{number}"


def test_an_application_whose_loop_has_ended_is_started_again_and_the_log_says_so(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()
    line = "The event loop on which the application was started is closed: starting it again."
    with closing(Bridge(shop)) as handler:
        assert asyncio.run(body_async(handler, make_event())) == "1"
        assert caplog.messages == []
        assert asyncio.run(body_async(handler, make_event())) == "1"
        assert caplog.messages == [line]
        assert [body(handler, make_event()) for _ in range(3)] == ["1", "2", "3"]
    assert caplog.messages == [line] * 2
    assert (shop.startups, shop.shutdowns) == (3, 1)


def test_async_with_after_sync_calls_does_not_hang(make_event: MakeEvent, in_thread: InThread) -> None:
    shop = Shop()

    async def main(handler: Bridge) -> None:
        async with handler:
            pass

    with closing(Bridge(shop)) as handler:
        assert body(handler, make_event()) == "1"
        in_thread(asyncio.run, asyncio.wait_for(main(handler), TIMEOUT)).result(TIMEOUT)
    assert (shop.startups, shop.shutdowns) == (1, 1)


def test_closing_a_handler_that_a_callers_stopped_loop_started_does_not_hang(make_event: MakeEvent) -> None:
    shop = Shop()
    handler = Bridge(shop)
    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(body_async(handler, make_event())) == "1"
        closer = threading.Thread(target=handler.close, daemon=True)
        closer.start()
        closer.join(TIMEOUT)
        assert not closer.is_alive()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_a_handler_can_be_awaited_inside_its_own_application(make_event: MakeEvent) -> None:
    handlers: list[Bridge] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inner = "inner" if scope["path"] == "/inner" else await body_async(handlers[0], make_event(path="/inner"))
        await answer(send, inner)

    with closing(Bridge(app, lifespan="off")) as handler:
        handlers.append(handler)
        assert body(handler, make_event()) == "inner"


@pytest.mark.parametrize("in_a_thread", [False, True])
@pytest.mark.parametrize("step", ["call", "close"])
def test_a_call_that_would_wait_for_itself_is_an_error_and_hangs_nothing(
    make_event: MakeEvent, in_thread: InThread, step: str, in_a_thread: bool
) -> None:
    handlers: list[Bridge] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def again() -> None:
            if step == "call":
                handlers[0](make_event(), None)
            handlers[0].close()

        try:
            await asyncio.to_thread(again) if in_a_thread else again()
        except RunningLoopError as exc:
            await answer(send, str(exc))

    with closing(Bridge(app, lifespan="off")) as handler:
        handlers.append(handler)
        text = in_thread(body, handler, make_event()).result(TIMEOUT)
        assert ("in a thread" if in_a_thread else "inside a running event loop") in text
        assert in_thread(body, handler, make_event()).result(TIMEOUT) == text


def test_the_first_calls_from_several_threads_start_the_application_once(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    shop = Shop()
    ready = threading.Barrier(8)

    def call() -> str:
        ready.wait(TIMEOUT)
        return body(handler, make_event())

    with closing(Bridge(shop)) as handler:
        calls = [in_thread(call) for _ in range(8)]
        assert sorted(int(call.result(TIMEOUT)) for call in calls) == list(range(1, 9))
    assert (shop.startups, shop.shutdowns) == (1, 1)


def test_a_task_that_the_application_leaves_behind_goes_on_in_the_next_request(make_event: MakeEvent) -> None:
    tasks: list[asyncio.Task[str]] = []

    async def later() -> str:
        await asyncio.sleep(0)
        return "later"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/start":
            tasks.append(asyncio.create_task(later()))
        await answer(send, await tasks[0] if scope["path"] == "/get" else "")

    with closing(Bridge(app, lifespan="off")) as handler:
        assert [body(handler, make_event(path=path)) for path in ("/start", "/get")] == ["", "later"]


def test_closing_from_several_threads_concurrently_shuts_down_once(make_event: MakeEvent, in_thread: InThread) -> None:
    shop = Shop()
    handler = Bridge(shop)
    assert body(handler, make_event()) == "1"
    for closing_ in [in_thread(handler.close) for _ in range(8)]:
        assert closing_.result(TIMEOUT) is None
    assert (shop.startups, shop.shutdowns) == (1, 1)
