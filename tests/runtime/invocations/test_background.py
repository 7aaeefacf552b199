"""Work after the response: the client has its answer before it, and the next event waits for its end, within limits."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import pytest

from bridge._types import ASGIApp, Receive, Scope, Send
from bridge.runtime.invocations.background import LEFT_TASKS_LIMIT, MAX_NAMES, Background, collect_tasks, names
from bridge.runtime.invocations.deadline import Deadline
from bridge.watchdog import Watchdog
from tests.events import MakeEvent
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import DEADLINE, NO_DEADLINE, START, Gate, Slots, part

Event = dict[str, Any]
TIME_OVER = "its time is over"
BESIDE = "go on during the next invocation"


def answering(then: Callable[[], Any]) -> ASGIApp:
    """Answers, and goes on with `then`, once; later requests are answered alone."""
    calls: list[None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"%d" % len(calls)))
            calls.append(None)
            if len(calls) == 1:
                await then()

    return app


def bodies(api: RuntimeDouble, make_event: MakeEvent, count: int = 2, **options: Any) -> list[str]:
    """Answer so many invocations, one after the other."""
    return [api.invoke(make_event(), **options).answer().json["body"] for _ in range(count)]


# In the application's own call.


def test_the_next_event_waits_for_the_work_after_the_answer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    async def in_a_thread(gate: Gate) -> None:
        await anyio.to_thread.run_sync(gate.wait)

    for work in (Gate.passed, in_a_thread):
        gate = Gate()
        running = slots.on_loop(answering(partial(work, gate)))
        first, second = api.invoke(make_event()), api.invoke(make_event())
        assert first.answer().json["body"] == "0"
        assert not second.handed_out_at
        gate.open()
        assert second.answer().json["body"] == "1"
        running.end()
    assert_logged(caplog)


# Its limits.


def test_work_goes_on_up_to_the_deadline_and_is_cancelled_there_with_its_stack_in_the_log(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    ends: list[BaseException] = []

    async def deliver() -> None:
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            ends.append(exc)
            raise

    running = slots.on_loop(answering(deliver))
    assert bodies(api, make_event, 1, deadline=DEADLINE) == ["0"]
    running.pass_time(api)
    assert bodies(api, make_event, 1) == ["1"]
    assert [type(end) for end in ends] == [asyncio.CancelledError]
    assert_logged(caplog, ("ERROR", TIME_OVER, "Task bridge invocation:", "await asyncio.Event().wait()"))


def test_the_limit_for_work_holds_with_and_without_a_deadline(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    for deadline in (DEADLINE, NO_DEADLINE):
        caplog.clear()
        running = slots.on_loop(answering(asyncio.Event().wait), background=0.05)
        assert bodies(api, make_event, 2, deadline=deadline) == ["0", "1"]
        assert_logged(caplog, ("ERROR", TIME_OVER))
        running.end()


def test_work_that_is_cancelled_once_may_clean_up(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned_up = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)  # a second cancellation would end it here
            cleaned_up.set()

    slots.on_loop(answering(work), background=0)
    assert bodies(api, make_event, deadline=DEADLINE) == ["0", "1"]
    assert cleaned_up.is_set()
    assert_logged(caplog, ("ERROR", TIME_OVER))


def test_work_that_does_not_end_when_it_is_cancelled_goes_on_beside_the_next_event(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    gate, is_cancelled, ended = Gate(), Gate(), threading.Event()

    async def work() -> None:
        while not gate.is_open:
            try:
                await gate.passed()
            except asyncio.CancelledError:
                is_cancelled.open()
        ended.set()

    running = slots.on_loop(answering(work), background=0)
    assert bodies(api, make_event, 1, deadline=DEADLINE) == ["0"]
    is_cancelled.wait()
    running.pass_time(api)
    assert bodies(api, make_event, 1) == ["1"]
    gate.open()
    assert ended.wait(10)
    assert_logged(caplog, ("ERROR", TIME_OVER), ("ERROR", "does not end", "beside"))


# Tasks that it leaves running.


def test_the_next_event_waits_for_tasks_that_end_soon_and_for_those_that_they_start(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[int] = []
    tasks: list[asyncio.Task[None]] = []

    async def step(number: int) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        steps.append(number)
        if number < 2:
            leave(number + 1)

    def leave(number: int) -> None:
        tasks.append(asyncio.create_task(step(number)))

    async def application() -> None:
        leave(0)

    slots.on_loop(answering(application))
    assert bodies(api, make_event, 1) == ["0"]
    api.wait_for_polls(1)
    assert steps == [0, 1, 2]

    async def function(event: Any, context: Any) -> None:
        leave(0)

    slots.end()
    slots.of_function(function)
    api.invoke(0).answer()
    api.wait_for_polls(1)
    assert steps == [0, 1, 2] * 2
    assert_logged(caplog)


def test_tasks_that_do_not_end_are_named_once_their_second_is_over(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    gate, ended = Gate(), threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def poll_prices() -> None:
        await gate.passed()
        ended.set()

    async def leave() -> None:
        tasks.append(asyncio.create_task(poll_prices(), name="prices"))
        tasks.append(asyncio.create_task(gate.passed(), name="more"))

    slots.on_loop(answering(leave))
    first, second = api.invoke(make_event(), deadline=NO_DEADLINE), api.invoke(make_event())
    answered_at = first.answer().ended_at
    assert second.answer().json["body"] == "1"
    assert second.handed_out_at - answered_at > LEFT_TASKS_LIMIT * 0.9
    assert_logged(caplog, ("WARNING", BESIDE, "more (Gate.passed), prices (test_", "poll_prices)"))
    gate.open()
    assert ended.wait(10)


def test_tasks_that_start_others_again_and_again_do_not_hold_the_next_event_up_for_longer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def again() -> None:
        await asyncio.sleep(0)
        if not stop.is_set():
            await leave()

    async def leave() -> None:
        task = asyncio.create_task(again(), name="again")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    running = slots.on_loop(answering(leave))
    assert bodies(api, make_event, 1, deadline=DEADLINE) == ["0"]
    running.pass_time(api)
    assert bodies(api, make_event, 1) == ["1"]
    stop.set()
    assert_logged(caplog, ("WARNING", BESIDE, "again ("))


def test_tasks_of_the_startup_and_of_other_invocations_are_not_waited_for(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            worker = asyncio.create_task(asyncio.Event().wait())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            worker.cancel()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send(START)
            await send(part(b"taken"))
            if scope["path"] == "/wait":
                await gate.passed()

    slots.on_loop(app, count=2)
    assert api.invoke(make_event(path="/wait")).answer().json["body"] == "taken"
    assert bodies(api, make_event, 3) == ["taken"] * 3
    api.wait_for_polls(1)
    assert api.open_polls == 1
    gate.open()
    api.wait_for_polls(2)
    assert_logged(caplog)


# How tasks are noted.


async def wait() -> None:
    await asyncio.Event().wait()


def background_of(call: Coroutine[Any, Any, None], caplog: pytest.LogCaptureFixture, factory: Any = None) -> str:
    """Run `call` as that of an invocation without a deadline, and end it. Return the line about tasks that it left."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        if factory is not None:
            loop.set_task_factory(factory)
        collect_tasks(loop)
        outside = loop.create_task(wait(), name="outside")
        background = Background(Deadline(0, 0.0, Watchdog()), None)
        background.start(call, lambda work: None)
        await background.finish()
        outside.cancel()
        assert background.is_over or caplog.records

    caplog.clear()
    asyncio.run(main())
    return "".join(record.getMessage() for record in caplog.records)


def test_every_way_to_start_a_task_counts(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.runtime.invocations.background.LEFT_TASKS_LIMIT", 0.0)
    made: list[Any] = []

    async def start_all() -> None:
        loop = asyncio.get_running_loop()
        made.append(asyncio.create_task(wait(), name="a"))
        made.append(loop.create_task(wait(), name="b", context=contextvars.copy_context()))
        made.append(asyncio.gather(loop.create_task(wait(), name="c"), return_exceptions=True))
        made.append(loop.create_task(asyncio.sleep(0), name="ended"))
        await made[-1]

    assert background_of(start_all(), caplog).endswith(": a (wait), b (wait), c (wait).")


def test_a_task_factory_of_the_applications_own_stays_in_place(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.runtime.invocations.background.LEFT_TASKS_LIMIT", 0.0)

    class Task(asyncio.Task[Any]):
        """Its own."""

    made: list[asyncio.Task[None]] = []

    async def start() -> None:
        made.append(asyncio.create_task(wait(), name="own"))

    assert "own (wait)" in background_of(start(), caplog, lambda loop, coro, **more: Task(coro, loop=loop, **more))
    assert [type(task) for task in made] == [Task]


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python is older than 3.12")
def test_a_task_that_ends_before_it_is_noted_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    async def nothing() -> None:
        return None

    async def start() -> None:
        await asyncio.create_task(nothing())

    assert background_of(start(), caplog, getattr(asyncio, "eager_task_factory")) == ""  # noqa: B009


def test_names_say_what_runs() -> None:
    class Job:
        async def run(self) -> None:
            await wait()

    async def main() -> None:
        tasks = [asyncio.create_task(Job().run(), name="b"), asyncio.create_task(wait(), name="a")]
        assert names(tasks) == "a (wait), b (test_names_say_what_runs.<locals>.Job.run)"
        assert names(tasks * MAX_NAMES).endswith(f" and {MAX_NAMES} more")
        tasks[0].set_name("fetch /x\r\n[ERROR]\tforged\x1b")
        assert names(tasks[:1]).startswith(r"fetch /x\r\n[ERROR]\tforged\x1b (")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
