"""The event loop on which a handler answers, from any thread, and that it never hangs."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from bridge.errors import LoopClosedError, RunningLoopError

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
InThread = Callable[..., "Future[Any]"]

TIMEOUT = 30


@pytest.fixture
def in_thread() -> Iterator[InThread]:
    """Call a function in a thread of its own."""
    with ThreadPoolExecutor(max_workers=16) as threads:
        yield threads.submit


async def answer(send: Send, text: str) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})


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


def test_a_sync_call_inside_the_application_is_an_error_too(make_event: MakeEvent) -> None:
    handlers: list[Bridge] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            handlers[0](make_event(), None)
        except RunningLoopError as exc:
            await answer(send, type(exc).__name__)

    with closing(Bridge(app, lifespan="off")) as handler:
        handlers.append(handler)
        assert body(handler, make_event()) == "RunningLoopError"


def test_a_handler_can_be_awaited_inside_its_own_application(make_event: MakeEvent) -> None:
    handlers: list[Bridge] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inner = "inner" if scope["path"] == "/inner" else await body_async(handlers[0], make_event(path="/inner"))
        await answer(send, inner)

    with closing(Bridge(app, lifespan="off")) as handler:
        handlers.append(handler)
        assert body(handler, make_event()) == "inner"


def test_closing_inside_its_own_application_is_an_error_and_hangs_nothing(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    handlers: list[Bridge] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            handlers[0].close()
        except RunningLoopError as exc:
            await answer(send, type(exc).__name__)

    handlers.append(Bridge(app, lifespan="off"))
    assert in_thread(body, handlers[0], make_event()).result(TIMEOUT) == "RunningLoopError"
    handlers[0].close()


def test_calls_from_several_threads_take_turns_on_one_loop(make_event: MakeEvent, in_thread: InThread) -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    steps: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        loops.append(asyncio.get_running_loop())
        steps.append("begin")
        await asyncio.sleep(0.001)
        steps.append("end")
        await answer(send, scope["path"])

    with closing(Bridge(app, lifespan="off")) as handler:
        calls = [in_thread(body, handler, make_event(path=f"/{number}")) for number in range(8)]
        assert [call.result(TIMEOUT) for call in calls] == [f"/{number}" for number in range(8)]
    assert steps == ["begin", "end"] * 8
    assert len(set(loops)) == 1


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


def test_a_cancellation_that_comes_from_inside_the_application_is_a_500_and_ends_nothing_else(
    make_event: MakeEvent,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/cancel":
            raise asyncio.CancelledError
        await answer(send, "fine")

    with closing(Bridge(app, lifespan="off")) as handler:
        assert handler(make_event(path="/cancel"), None)["statusCode"] == 500
        assert body(handler, make_event()) == "fine"


def test_control_c_ends_the_request_and_the_handler_goes_on(make_event: MakeEvent, in_thread: InThread) -> None:
    waiting = threading.Event()
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            try:
                waiting.set()
                while True:  # noqa: ASYNC110 - a signal that comes just before select() blocks is seen when it returns
                    await asyncio.sleep(0.01)
            finally:
                ended.append(True)
        await answer(send, "fine")

    def interrupt() -> None:
        assert waiting.wait(TIMEOUT)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with closing(Bridge(app, lifespan="off")) as handler:
        interrupting = in_thread(interrupt)
        with pytest.raises(KeyboardInterrupt):
            handler(make_event(path="/wait"), None)
        interrupting.result(TIMEOUT)
        assert ended == [True]
        assert body(handler, make_event()) == "fine"


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


def test_a_closed_handler_refuses_every_call(make_event: MakeEvent) -> None:
    handler = Bridge(Shop())
    assert body(handler, make_event()) == "1"
    handler.close()
    handler.close()
    with pytest.raises(LoopClosedError, match=r"^The handler was closed: make a new one to go on serving\.$"):
        handler(make_event(), None)
    with pytest.raises(LoopClosedError):
        asyncio.run(handler.handle(make_event(), None))


def test_closing_from_several_threads_concurrently_shuts_down_once(make_event: MakeEvent, in_thread: InThread) -> None:
    shop = Shop()
    handler = Bridge(shop)
    assert body(handler, make_event()) == "1"
    for closing_ in [in_thread(handler.close) for _ in range(8)]:
        assert closing_.result(TIMEOUT) is None
    assert (shop.startups, shop.shutdowns) == (1, 1)
