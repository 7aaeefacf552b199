"""Where something stands: down to the innermost call, whatever is in between; and which threads are told of."""

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bridge.invocation import request_id
from bridge.runtime.log.stacks import describe_tasks, describe_thread, describe_threads

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def calls_in(stack: str) -> list[str]:
    """The source lines, outermost call first."""
    return [line.strip() for line in stack.splitlines() if line.startswith("    ")]


async def stack_of(awaitable: Callable[[], Awaitable[object]], **options: Any) -> str:
    """That of a task which awaits it, as soon as that waits."""

    async def run() -> None:
        await awaitable()

    task = asyncio.create_task(run(), name="looked at")
    await anyio.wait_all_tasks_blocked()
    stack = describe_tasks([task]).partition("Thread ")[0]
    task.cancel()
    await asyncio.wait([task])
    return stack


async def deepest() -> None:
    await asyncio.get_running_loop().create_future()


DEEPEST = ["await deepest()", "await asyncio.get_running_loop().create_future()"]


# Tasks.


async def nested() -> None:
    await middle()


async def middle() -> None:
    await deepest()


async def in_async_for() -> None:
    async for _ in rows():
        pass


async def rows() -> AsyncGenerator[int, None]:
    await deepest()
    yield 1


async def in_anext() -> None:
    await anext(rows(), None)


async def in_asend() -> None:
    await rows().asend(None)


async def in_athrow() -> None:
    generator = rows_that_clean_up()
    await anext(generator)
    await generator.athrow(ValueError)


async def rows_that_clean_up() -> AsyncGenerator[int, None]:
    try:
        yield 1
    finally:
        await deepest()


class Cursor:
    """Something to await, as a database's driver gives it."""

    def __await__(self) -> Generator[Any, Any, None]:
        return middle().__await__()


class LazyCursor:
    def __await__(self) -> Generator[Any, Any, None]:
        yield from middle().__await__()


async def in_an_object() -> None:
    await Cursor()


async def in_a_generator() -> None:
    await LazyCursor()


async def in_a_context_manager() -> None:
    async with anyio.create_task_group():
        await deepest()


@pytest.mark.parametrize(
    "wait",
    [
        nested,
        in_async_for,
        in_anext,
        in_asend,
        in_athrow,
        in_an_object,
        in_a_generator,
        in_a_context_manager,
    ],
    ids=lambda wait: wait.__name__,
)
async def test_the_stack_of_a_task_goes_down_to_the_innermost_call(wait: Callable[[], Awaitable[object]]) -> None:
    stack = await stack_of(wait)
    calls = calls_in(stack)
    assert stack.startswith("Task looked at:\n  File ")
    assert calls[0] == "await awaitable()"
    assert calls[-2:] == DEEPEST


async def test_every_task_is_told_of_that_has_not_ended() -> None:
    waiting = asyncio.create_task(deepest(), name="waiting")
    ended = asyncio.create_task(asyncio.sleep(0), name="ended")
    await asyncio.wait([ended])
    stack = describe_tasks([waiting, ended])
    assert [line for line in stack.splitlines() if line.startswith("Task ")] == ["Task waiting:"]
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_task_that_has_not_started_stands_at_its_beginning() -> None:
    task = asyncio.create_task(deepest(), name="new")
    assert "in deepest\n" in describe_tasks([task])
    task.cancel()
    await asyncio.wait([task])


# Threads.


def work(gate: threading.Event, is_working: threading.Event) -> None:
    is_working.set()
    gate.wait(10)


class Working:
    """A thread at work in `work`, while the `with` block goes on."""

    def __init__(self, start: Callable[[Callable[[], None]], object]) -> None:
        self._gate, self._is_working = threading.Event(), threading.Event()
        self._start = start

    def __enter__(self) -> None:
        self._start(functools.partial(work, self._gate, self._is_working))
        assert self._is_working.wait(10)

    def __exit__(self, *_: object) -> None:
        self._gate.set()


def is_told_of() -> bool:
    return "in work\n" in describe_threads()


async def in_a_task(function: Callable[[], Awaitable[object]], invocation: str) -> "asyncio.Task[object]":
    """Started by that invocation, and far enough to have handed its work to a thread."""

    async def run() -> object:
        request_id.set(invocation)
        return await function()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("to_thread", [anyio.to_thread.run_sync, asyncio.to_thread], ids=["anyio", "asyncio"])
@pytest.mark.parametrize(("invocation", "is_expected"), [("mine", True), ("another", False)])
async def test_a_pools_thread_is_told_of_if_it_works_for_the_current_invocation(
    to_thread: Callable[[Callable[[], None]], Awaitable[None]], invocation: str, is_expected: bool
) -> None:
    gate, is_working = threading.Event(), threading.Event()
    task = await in_a_task(lambda: to_thread(functools.partial(work, gate, is_working)), invocation)
    assert await asyncio.to_thread(is_working.wait, 10)
    request_id.set("mine")
    assert is_told_of() is is_expected
    gate.set()
    await task
    assert not is_told_of()


async def test_a_thread_is_told_of_where_nobody_knows_what_it_works_for() -> None:
    request_id.set("mine")
    with ThreadPoolExecutor(1) as pool, Working(pool.submit):
        assert is_told_of()
    threads: list[threading.Thread] = []

    def start(function: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=function, name="on its own"))
        threads[0].start()

    with Working(start):
        text = describe_threads()
        assert "Thread on its own:\n" in text
        calls = calls_in(text.partition("Thread on its own:\n")[2])
        assert calls.index("self.run()") < calls.index("gate.wait(10)")
        assert "gate.wait(10)" in calls_in(describe_thread(threads[0].ident or 0))
    threads[0].join()


async def test_a_partial_in_a_pool_that_carries_no_context_is_no_obstacle() -> None:
    request_id.set("mine")
    futures: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:
        with Working(lambda function: futures.append(pool.submit(functools.partial(function)))):
            assert is_told_of()
        with Working(lambda function: futures.append(pool.submit(contextvars.Context().run, function))):
            assert is_told_of()


def wait_until_described(count: int) -> None:
    """A thread that has just told its result is on its way back: nothing tells when it waits again."""
    end = time.monotonic() + 10
    while describe_threads().count("Thread ") != count:
        assert time.monotonic() < end, describe_threads()
        time.sleep(0.001)


async def test_threads_that_wait_for_work_are_left_out_and_so_is_the_caller() -> None:
    before = describe_threads().count("Thread ")
    await anyio.to_thread.run_sync(int)
    await asyncio.to_thread(int)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        wait_until_described(before)
        assert "describe_threads" not in describe_threads()


def test_a_thread_that_has_ended_has_no_stack() -> None:
    assert describe_thread(0) == ""
