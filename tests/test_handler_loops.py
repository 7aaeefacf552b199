"""The event loop on which a handler answers, from any thread, and that it never hangs."""

import asyncio
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from bridge.errors import RunningLoopError
from tests.apps import START, Journal, part, sending
from tests.cases import every_case
from tests.logged import assert_logged
from tests.loops import TIMEOUT

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
InThread = Callable[..., "Future[Any]"]


def body(handler: Bridge, event: Event) -> str:
    text: str = handler(event, None)["body"]
    return text


async def body_async(handler: Bridge, event: Event) -> str:
    text: str = (await handler.handle(event, None))["body"]
    return text


def test_startup_shutdown_and_a_thousand_requests_are_on_one_loop(make_event: MakeEvent) -> None:
    loops: set[asyncio.AbstractEventLoop] = set()

    async def keep_loop() -> None:
        loops.add(asyncio.get_running_loop())

    app = Journal(startup=keep_loop, request=keep_loop, shutdown=keep_loop)
    with closing(Bridge(app)) as handler:
        event = make_event()
        assert [body(handler, event) for _ in range(1000)] == ["1"] * 1000
    assert app.steps == ["startup", *["request"] * 1000, "shutdown"]
    assert len(loops) == 1


@every_case("order", ["as", "sa", "asa", "sas", "aass", "ssaa", "assa"])
def test_sync_calls_and_asyncio_run_work_in_any_order(make_event: MakeEvent, order: str) -> None:
    app = Journal(request=lambda: asyncio.sleep(0))
    with closing(Bridge(app, lifespan="off")) as handler:
        for way in order:
            event = make_event()
            assert (body(handler, event) if way == "s" else asyncio.run(body_async(handler, event))) == "0"
    assert app.steps == ["request"] * len(order)


def test_an_application_whose_loop_has_ended_is_started_again_and_the_log_says_so(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = Journal()
    line = ("WARNING", "loop", "closed", "starting it again")
    with closing(Bridge(app)) as handler:
        assert asyncio.run(body_async(handler, make_event())) == "1"
        assert_logged(caplog)
        assert asyncio.run(body_async(handler, make_event())) == "2"
        assert_logged(caplog, line)
        assert [body(handler, make_event()) for _ in range(3)] == ["3"] * 3
    assert_logged(caplog, line, line)
    assert app.steps == [*["startup", "request"] * 3, "request", "request", "shutdown"]


def test_closing_a_handler_that_a_callers_stopped_loop_started_does_not_hang(make_event: MakeEvent) -> None:
    handler = Bridge(Journal())
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
        await sending(START, part(inner.encode()))(scope, receive, send)

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
            await sending(START, part(str(exc).encode()))(scope, receive, send)

    with closing(Bridge(app, lifespan="off")) as handler:
        handlers.append(handler)
        text = in_thread(body, handler, make_event()).result(TIMEOUT)
        assert ("in a call of the same handler" if in_a_thread else "inside a running event loop") in text
        assert text.startswith("handler.close()" if step == "close" else "handler(event, context)")
        assert in_thread(body, handler, make_event()).result(TIMEOUT) == text


def test_the_first_calls_and_the_closes_of_several_threads_start_and_shut_down_once(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    app = Journal()
    handler = Bridge(app)
    ready = threading.Barrier(8)

    def call() -> str:
        ready.wait(TIMEOUT)
        return body(handler, make_event())

    calls = [in_thread(call) for _ in range(8)]
    assert [call.result(TIMEOUT) for call in calls] == ["1"] * 8
    closes = [in_thread(handler.close) for _ in range(8)]
    assert [close.result(TIMEOUT) for close in closes] == [None] * 8
    assert app.steps == ["startup", *["request"] * 8, "shutdown"]


def test_a_task_that_the_application_leaves_behind_goes_on_in_the_next_request(make_event: MakeEvent) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not tasks:
            tasks.append(asyncio.create_task(asyncio.sleep(0)))
        else:
            await tasks[0]
        await sending(START, part(b""))(scope, receive, send)

    with closing(Bridge(app, lifespan="off")) as handler:
        body(handler, make_event())
        assert not tasks[0].done()
        body(handler, make_event())
        assert tasks[0].done()


FORGOTTEN = """
import gc, os
from contextlib import asynccontextmanager
from bridge import Bridge
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

EVENT = {EVENT!r}

@asynccontextmanager
async def lifespan(app):
    try:
        yield
    finally:
        print("ended")

def test(is_collected):
    handler = Bridge(Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))], lifespan=lifespan))
    assert handler(EVENT, None)["statusCode"] == 200
    if not is_collected:
        handler.itself = handler

before = len(os.listdir("/dev/fd"))
number = 0
while number < 20 or len(os.listdir("/dev/fd")) >= before + 20:  # a thread may hold the last ones for a moment
    test(True)
    number += 1
test(False)
print(number + 1, "passed")
"""


def test_a_process_ends_whose_handlers_were_forgotten_with_their_lifespans_and_threads(
    make_event: MakeEvent, run_python: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    done = run_python(FORGOTTEN.replace("{EVENT!r}", repr(make_event())), "-Werror")
    assert (done.returncode, done.stderr) == (0, "")
    (passed,) = (line for line in done.stdout.splitlines() if line != "ended")
    assert passed == f"{done.stdout.count('ended')} passed"
