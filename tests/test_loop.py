"""The handler's own event loop: the calling thread runs it, and threads take turns."""

import asyncio
import gc
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import anyio.to_thread
import pytest

from bridge import _loop_end
from bridge._loop import OwnLoop
from bridge._loop_end import close_forgotten
from bridge._outside import outside_calls_here
from bridge.errors import LoopClosedError, RunningLoopError
from tests.logged import assert_logged
from tests.loops import TIMEOUT, Gate, running_loop, until_refused, value

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

InThread = Callable[..., "Future[Any]"]


def test_a_call_gets_the_result_of_its_coroutine_or_its_exception(own: OwnLoop) -> None:
    async def fail() -> None:
        raise ValueError("oops")

    assert own.run(value("result")) == "result"
    with pytest.raises(ValueError, match="oops"):
        own.run(fail())
    assert own.run(value(1)) == 1


def test_every_call_is_on_the_same_loop_whichever_thread_makes_it(own: OwnLoop, in_thread: InThread) -> None:
    loops = {own.run(running_loop()), own.run(running_loop())}
    asyncio.run(value(None))
    loops |= {in_thread(own.run, running_loop()).result(TIMEOUT) for _ in range(3)}
    assert len(loops) == 1


def test_the_ambient_loop_is_neither_used_nor_changed(own: OwnLoop) -> None:
    ambient = asyncio.new_event_loop()
    asyncio.set_event_loop(ambient)
    try:
        assert own.run(running_loop()) is not ambient
        assert asyncio.get_event_loop_policy().get_event_loop() is ambient
    finally:
        asyncio.set_event_loop(None)
        ambient.close()


def test_calls_of_several_threads_take_turns(own: OwnLoop, in_thread: InThread) -> None:
    running: list[int] = []
    seen: list[list[int]] = []

    async def call(number: int) -> int:
        running.append(number)
        for _ in range(3):
            await asyncio.sleep(0.001)
            seen.append(running.copy())
        running.remove(number)
        return number

    calls = [in_thread(own.run, call(number)) for number in range(8)]
    assert [each.result(TIMEOUT) for each in calls] == list(range(8))
    assert [len(numbers) for numbers in seen] == [1] * 24


def test_a_thread_that_waits_gets_its_turn_after_a_call_that_failed(own: OwnLoop, in_thread: InThread) -> None:
    gate = Gate()

    async def call() -> None:
        await gate.wait()
        raise SystemExit(3)

    def run() -> object:
        try:
            return own.run(call())
        except SystemExit as exc:
            return exc.code

    first = in_thread(run)
    assert gate.reached.wait(TIMEOUT)
    second = in_thread(own.run, value("second"))
    gate.opened.set()
    assert (first.result(TIMEOUT), second.result(TIMEOUT)) == (3, "second")


def test_many_short_calls_from_many_threads_all_end(own: OwnLoop, in_thread: InThread) -> None:
    def calls(start: int) -> list[object]:
        return [own.run(value(number)) for number in range(start, start + 100)]

    threads = [in_thread(calls, start) for start in range(0, 800, 100)]
    assert [number for thread in threads for number in thread.result(TIMEOUT)] == list(range(800))


def test_what_another_thread_or_a_socket_tells_the_loop_is_served_by_calls_that_never_wait(
    own: OwnLoop, in_thread: InThread
) -> None:
    async def nothing() -> None:
        """Never give the loop a turn."""

    async def listen() -> None:
        asyncio.get_running_loop().add_reader(reader, lambda: told.append(reader.recv(10)))

    async def stop() -> None:
        asyncio.get_running_loop().remove_reader(reader)

    told: list[object] = []
    reader, writer = socket.socketpair()
    with reader, writer:
        own.run(listen())
        in_thread(own.run(running_loop()).call_soon_threadsafe, told.append, "thread").result(TIMEOUT)
        writer.send(b"socket")
        for _ in range(3):
            own.run(nothing())
        own.run(stop())
    assert sorted(map(str, told)) == ["b'socket'", "thread"]


def test_a_loop_that_is_stopped_from_inside_goes_on_until_the_call_is_done(own: OwnLoop) -> None:
    async def stop() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.001)
        return "done"

    assert own.run(stop()) == "done"
    assert own.run(value("again")) == "again"


def test_a_call_inside_a_running_loop_is_refused_with_the_way_out(own: OwnLoop) -> None:
    async def inside() -> None:
        with pytest.raises(RunningLoopError, match=r"await handler\.handle\(event, context\)"):
            own.check_callable()

    asyncio.run(inside())
    own.run(inside())


def test_it_knows_whether_the_caller_runs_on_it_and_whether_it_is_busy(own: OwnLoop) -> None:
    async def inside() -> tuple[bool, bool]:
        return own.is_running_here, own.is_busy

    assert (own.is_running_here, own.is_busy) == (False, False)
    assert own.run(inside()) == (True, True)
    assert asyncio.run(inside()) == (False, False)


def test_closing_it_ends_what_still_runs_on_it(own: OwnLoop) -> None:
    steps: list[str] = []
    tasks: list[asyncio.Task[None]] = []
    generators: list[AsyncIterator[int]] = []

    async def background() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            steps.append("task")

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            steps.append("generator")

    async def call() -> None:
        tasks.append(asyncio.create_task(background()))
        generators.append(generate())
        await anext(generators[0])
        await asyncio.sleep(0)

    own.run(call())
    assert steps == []
    own.close()
    assert steps == ["task", "generator"]
    assert tasks[0].cancelled()


@pytest.mark.parametrize("is_used", [True, False])
def test_a_closed_loop_refuses_calls_and_may_be_closed_again(own: OwnLoop, is_used: bool) -> None:
    if is_used:
        own.run(value(None))
    own.close()
    own.close()
    with pytest.raises(LoopClosedError):
        own.check_callable()
    with pytest.raises(LoopClosedError):
        own.run(value(None))


def test_closing_waits_for_the_call_of_another_thread_and_refuses_those_that_wait(
    own: OwnLoop, in_thread: InThread
) -> None:
    gate = Gate()

    async def call() -> str:
        await gate.wait()
        return "first"

    async def before() -> None:
        steps.append("before")

    def close() -> None:
        own.close(before)
        steps.append("closed")

    steps: list[str] = []
    first = in_thread(own.run, call())
    assert gate.reached.wait(TIMEOUT)
    closing = in_thread(close)
    until_refused(own)
    second = in_thread(own.run, value("second"))
    assert steps == []
    gate.opened.set()
    assert first.result(TIMEOUT) == "first"
    assert isinstance(second.exception(TIMEOUT), LoopClosedError)
    assert closing.result(TIMEOUT) is None
    assert steps == ["before", "closed"]


def test_what_is_to_be_done_before_the_end_can_make_the_loop(own: OwnLoop) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def before() -> None:
        loops.append(asyncio.get_running_loop())
        raise ValueError("oops")

    own.close(before)
    assert loops == []
    other = OwnLoop()
    with pytest.raises(ValueError, match="oops"):
        other.close(before, makes_loop=True)
    assert [loop.is_closed() for loop in loops] == [True]


# anyio's worker threads.


async def thread_of_anyio() -> threading.Thread:
    thread: threading.Thread = await anyio.to_thread.run_sync(threading.current_thread)
    return thread


async def cancel_all_others() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


def test_a_worker_thread_serves_every_call_and_ends_with_the_loop(own: OwnLoop, in_thread: InThread) -> None:
    threads = {own.run(thread_of_anyio()) for _ in range(5)}
    threads |= {in_thread(own.run, thread_of_anyio()).result(TIMEOUT) for _ in range(5)}
    (thread,) = threads
    assert thread.is_alive()
    own.close()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


def test_an_application_that_cancels_every_task_ends_the_threads_and_the_next_call_gets_new_ones(own: OwnLoop) -> None:
    first = own.run(thread_of_anyio())
    own.run(cancel_all_others())
    first.join(TIMEOUT)
    assert not first.is_alive()
    assert own.run(thread_of_anyio()) is own.run(thread_of_anyio()) is not first


def test_the_loop_of_one_that_is_forgotten_is_closed_by_the_next_one(own: OwnLoop) -> None:
    """Without a close() its thread would outlast the main thread, and its file descriptors the process."""
    steps: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            steps.append("ended")

    tasks: list[asyncio.Task[None]] = []

    async def start_work() -> None:
        tasks.append(asyncio.create_task(work()))
        await asyncio.sleep(0)

    forgotten = OwnLoop()
    loop, thread = forgotten.run(running_loop()), forgotten.run(thread_of_anyio())
    forgotten.run(start_work())
    del forgotten
    gc.collect()
    assert (loop.is_closed(), steps) == (False, [])
    own.run(value(None))
    assert (loop.is_closed(), steps) == (True, ["ended"])
    thread.join(TIMEOUT)
    assert not thread.is_alive()


def test_a_loop_is_closed_although_a_task_swallows_its_cancellation(
    own: OwnLoop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_loop_end, "END_GRACE", 0.01)
    swallows = [True]
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        while swallows:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)

    async def start() -> None:
        tasks.append(asyncio.create_task(work()))
        await asyncio.sleep(0)

    own.run(start())
    loop = own.run(running_loop())
    own.close()
    assert loop.is_closed()
    assert_logged(caplog, ("ERROR", "1 task", "cancellation"))
    swallows.clear()
    with suppress(StopIteration):
        tasks[0].get_coro().throw(asyncio.CancelledError)


def test_a_fork_leaves_the_forgotten_loops_of_its_parent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten = OwnLoop()
    loop = forgotten.run(running_loop())
    del forgotten
    gc.collect()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        close_forgotten()
        assert not loop.is_closed()
    close_forgotten()
    assert loop.is_closed()


def test_a_coroutine_that_never_waits_runs_without_the_loop_in_a_turn_like_any_other(own: OwnLoop) -> None:
    async def main() -> tuple[int, str]:
        calls = outside_calls_here()
        assert calls is not None
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        with pytest.raises(RunningLoopError):
            own.run(asyncio.sleep(0))  # the caller's turn is not over
        return await calls.call(threading.get_ident), "own"

    assert own.run_stopped(main()) == (threading.get_ident(), "own")
    assert own.run(asyncio.sleep(0, "after it")) == "after it"
    assert outside_calls_here() is None


def test_a_coroutine_that_waits_without_the_loop_is_an_error_and_not_left_open(own: OwnLoop) -> None:
    ended: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ended.append("closed")

    with pytest.raises(RuntimeError, match="it waits"):
        own.run_stopped(main())
    assert ended == ["closed"]
    own.close()
    with pytest.raises(LoopClosedError):
        own.run_stopped(main())
