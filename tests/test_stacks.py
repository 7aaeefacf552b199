"""The stacks in the log: of a task down to the innermost call, and of every other thread."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import anyio
import pytest

from bridge.stacks import MAX_TASKS, describe_tasks, describe_thread, describe_threads

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture
def anyio_backend() -> str:
    """Stacks are those of asyncio's tasks."""
    return "asyncio"


async def innermost() -> None:
    await asyncio.get_running_loop().create_future()


async def nested() -> None:
    await innermost()


class Cursor:
    """Something to await, as a database's driver gives it."""

    def __await__(self) -> Generator[Any, Any, None]:
        return nested().__await__()


async def in_an_object() -> None:
    await Cursor()


async def in_a_context_manager() -> None:
    async with anyio.create_task_group():
        await innermost()


def calls_in(stack: str) -> list[str]:
    """Return the source lines, outermost call first."""
    return [line.strip() for line in stack.splitlines() if line.startswith("    ")]


async def end(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_the_stack_of_a_task_goes_down_to_the_innermost_call() -> None:
    async def run(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()

    innermost_calls = ["await innermost()", "await asyncio.get_running_loop().create_future()"]
    # Python does not tell what a coroutine's __await__() waits for.
    cases = {nested: innermost_calls, in_a_context_manager: innermost_calls, in_an_object: ["await Cursor()"]}
    for wait, calls in cases.items():
        task = asyncio.create_task(run(wait), name="waiting")
        await anyio.wait_all_tasks_blocked()
        stack = describe_tasks([task]).partition("Thread ")[0]
        assert stack.startswith("Task waiting:\n  File ")
        assert calls_in(stack)[0] == "await wait()"
        assert calls_in(stack)[-len(calls) :] == calls, stack
        await end(task)


async def test_a_task_that_has_ended_is_left_out_and_one_that_has_not_started_is_at_its_beginning() -> None:
    ended = asyncio.create_task(asyncio.sleep(0), name="ended")
    await asyncio.wait([ended])
    task = asyncio.create_task(innermost(), name="new")
    stack = describe_tasks([task, ended])
    assert [line for line in stack.splitlines() if line.startswith("Task ")] == ["Task new:"]
    assert "in innermost\n" in stack
    await end(task)


async def test_a_name_forges_no_line() -> None:
    name = "fetch /x\r\n[ERROR]\tforged\x1b"
    task = asyncio.create_task(innermost(), name=name)
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name=name)
    thread.start()
    lines = describe_tasks([task]).split("\n")
    gate.set()
    thread.join()
    await end(task)
    for kind in ("Task", "Thread"):
        assert lines.count(rf"{kind} fetch /x\r\n[ERROR]\tforged\x1b:") == 1


async def test_of_very_many_tasks_only_some_are_described() -> None:
    tasks = [asyncio.create_task(nested()) for _ in range(MAX_TASKS + 5)]
    stack = describe_tasks(tasks)
    assert (stack.count("Task "), "and 5 more tasks" in stack) == (MAX_TASKS, True)
    for task in tasks:
        await end(task)


def test_every_other_thread_is_told_of() -> None:
    gate, is_working = threading.Event(), threading.Event()

    def work() -> None:
        is_working.set()
        gate.wait()

    thread = threading.Thread(target=work, name="at work")
    thread.start()
    assert is_working.wait(30)
    text = describe_threads()
    stack = describe_thread(thread.ident)
    gate.set()
    thread.join()
    assert f"Thread at work:\n{stack}" in text
    assert calls_in(stack).index("self.run()") < calls_in(stack).index("gate.wait()")
    assert "describe_threads" not in text


def test_a_thread_that_has_ended_has_no_stack() -> None:
    assert describe_thread(0) == describe_thread(None) == ""
