"""The ids of log lines in threads that inherit no context: those of the invocation, and never those of another one."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from bridge.runtime.log.ids import LogIds, log_ids
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import Running, Slots

Note = Callable[[], None]
Start = Callable[[Note], None]


@pytest.fixture
def early_thread() -> Iterator[Start]:
    """Run a function on a thread that was started before the first invocation."""
    functions: queue.SimpleQueue[Note | None] = queue.SimpleQueue()

    def run() -> None:
        while (function := functions.get()) is not None:
            function()

    thread = threading.Thread(target=run)
    thread.start()
    yield functions.put
    functions.put(None)
    thread.join()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """A pool that outlives the invocations."""
    with ThreadPoolExecutor(1) as made:
        yield made


class Lines:
    """The ids of the lines that the threads of one invocation have logged."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._ids: queue.SimpleQueue[LogIds] = queue.SimpleQueue()

    def note(self) -> None:
        self._ids.put(log_ids())

    def all(self) -> set[LogIds]:
        return {self._ids.get(timeout=30) for _ in range(self._count)}


def start_threads(lines: Lines, pool: ThreadPoolExecutor, early_thread: Start) -> None:
    """Log in four kinds of threads."""
    threading.Thread(target=lines.note).start()
    threading.Timer(0, lines.note).start()
    pool.submit(lines.note)
    early_thread(lines.note)


def test_with_one_invocation_at_a_time_the_lines_of_every_thread_have_its_ids(
    api: RuntimeDouble, slots: Slots, pool: ThreadPoolExecutor, early_thread: Start
) -> None:
    async def asynchronous(event: Any, context: Any) -> object:
        lines = Lines(6)
        start_threads(lines, pool, early_thread)
        await asyncio.to_thread(lines.note)
        await asyncio.get_running_loop().run_in_executor(None, lines.note)
        assert lines.all() == {LogIds(context.aws_request_id, context.tenant_id or "")}
        return None

    def plain(event: Any, context: Any) -> object:
        lines = Lines(5)
        start_threads(lines, pool, early_thread)
        lines.note()
        assert lines.all() == {LogIds(context.aws_request_id, context.tenant_id or "")}
        return None

    starts: list[Callable[[], Running]] = [lambda: slots.of_function(asynchronous), lambda: slots.in_threads(plain)]
    for start in starts:
        running = start()
        for tenant in ("blue", None, "green"):
            assert api.invoke({}, tenant_id=tenant).answer().json is None
        running.end()


def test_with_several_a_line_has_the_ids_that_its_context_has_and_never_those_of_another(
    api: RuntimeDouble, slots: Slots, pool: ThreadPoolExecutor, early_thread: Start
) -> None:
    arrived = threading.Barrier(4)

    async def asynchronous(event: Any, context: Any) -> object:
        await asyncio.to_thread(arrived.wait, 30)
        lines = Lines(3)
        await asyncio.to_thread(lines.note)
        copied = copy_context()
        threading.Thread(target=copied.run, args=(lines.note,)).start()
        await asyncio.get_running_loop().run_in_executor(None, copy_context().run, lines.note)
        assert lines.all() == {LogIds(context.aws_request_id, context.tenant_id)}
        return None

    def plain(event: Any, context: Any) -> object:
        arrived.wait(30)
        assert log_ids() == LogIds(context.aws_request_id, context.tenant_id)
        lines = Lines(4)
        start_threads(lines, pool, early_thread)
        assert lines.all() == {LogIds()}
        return None

    starts: list[Callable[[], Running]] = [
        lambda: slots.of_function(asynchronous, count=4),
        lambda: slots.in_threads(plain, count=4),
    ]
    for start in starts:
        running = start()
        invocations = [api.invoke({}, tenant_id=f"tenant-{number}") for number in range(8)]
        assert [invocation.answer().json for invocation in invocations] == [None] * 8
        running.end()
