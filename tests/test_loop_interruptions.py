"""What ends a call from outside: Ctrl-C, a SystemExit in another task, a signal handler. The next call works."""

import asyncio
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from bridge import _loop
from bridge._loop import OwnLoop
from tests.logged import assert_logged
from tests.loops import TIMEOUT, Gate, running_loop, value

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

InThread = Callable[..., "Future[Any]"]


def press_control_c() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_is_not_an_exception_comes_out_and_the_loop_goes_on(own: OwnLoop, error: type[BaseException]) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        own.run(fail())
    assert own.run(value("goes on")) == "goes on"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_that_exits_in_a_call_goes_on_with_nothing_of_its_parents(own: OwnLoop) -> None:
    read, write = os.pipe()

    async def fork() -> int:
        if (child := os.fork()) == 0:
            signal.alarm(TIMEOUT)  # which ends it if it hangs
            raise SystemExit(3)
        return child

    async def call() -> int:
        try:
            return await asyncio.create_task(fork())
        except asyncio.CancelledError:
            os.write(write, b"went on")
            raise

    parent = os.getpid()
    try:
        child = own.run(call())
    except BaseException:
        if os.getpid() != parent:
            os._exit(3)
        raise
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    os.close(write)
    assert os.read(read, 100) == b""
    os.close(read)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_another_task_ends_the_call_and_its_coroutine(own: OwnLoop, error: type[BaseException]) -> None:
    ended: list[bool] = []

    async def fail() -> None:
        raise error

    async def call() -> None:
        beside = asyncio.create_task(fail())
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(beside.done() and beside.exception() is not None)

    with pytest.raises(error):
        own.run(call())
    assert ended == [True]
    assert own.run(value("goes on")) == "goes on"


def test_control_c_ends_the_call_and_a_thread_that_waits_gets_its_turn(own: OwnLoop, in_thread: InThread) -> None:
    waiting = threading.Event()
    steps: list[object] = []

    async def call() -> None:
        try:
            waiting.set()
            while True:  # noqa: ASYNC110 - a signal that comes just before select() blocks is seen when it returns
                await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    async def follow() -> None:
        steps.append("next")

    def interrupt() -> "Future[Any]":
        assert waiting.wait(TIMEOUT)
        following = in_thread(own.run, follow())
        press_control_c()
        return following

    interrupting = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        own.run(call())
    interrupting.result(TIMEOUT).result(TIMEOUT)
    assert steps == ["cleaned up", "next"]
    assert own.run(value("goes on")) == "goes on"


def test_control_c_ends_the_wait_for_a_turn_and_not_the_call_that_is_waited_for(
    own: OwnLoop, in_thread: InThread
) -> None:
    gate = Gate()

    async def call() -> str:
        await gate.wait()
        return "first"

    def interrupt() -> None:
        pause = threading.Event()
        while not is_over.is_set():  # One may come before the wait.
            press_control_c()
            pause.wait(0.05)

    first = in_thread(own.run, call())
    assert gate.reached.wait(TIMEOUT)
    is_over = threading.Event()
    before = signal.signal(signal.SIGINT, once_waiting)
    try:
        interrupting = in_thread(interrupt)
        with pytest.raises(KeyboardInterrupt):
            own.run(value("never started"))
    finally:
        is_over.set()
        interrupting.result(TIMEOUT)
        signal.signal(signal.SIGINT, before)
    gate.opened.set()
    assert first.result(TIMEOUT) == "first"
    assert own.run(value("goes on")) == "goes on"


def once_waiting(signum: int, frame: Any) -> None:
    """Raise as Ctrl-C does, in the thread that waits for the lock."""
    if frame is not None and frame.f_code is OwnLoop._take_turn.__code__:
        raise KeyboardInterrupt


# Interrupts calls that follow each other closely, at moments that differ. Python loses an interruption that comes in a
# callback of its garbage collector, so the timer goes on. A call that hangs ends the process with all its tracebacks.
# asyncio itself can be hit in the two steps in which a loop starts and stops to run: then this thread can run no event
# loop any more, so the next call comes from another one.
INTERRUPTED = """
import faulthandler, random, signal
from concurrent.futures import ThreadPoolExecutor
from bridge import _loop

_loop.INTERRUPT_GRACE = 0.01
armed = False

def interrupt(signum, frame):
    if armed:
        raise KeyboardInterrupt

async def call():
    return 1

signal.signal(signal.SIGALRM, interrupt)
moments = random.Random(1)
own = _loop.OwnLoop()
threads = ThreadPoolExecutor(1)
faulthandler.dump_traceback_later(60, exit=True)
for number in range(300):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, moments.uniform(5e-5, 1e-3), 0.05)
        while True:
            own.run(call())
    except KeyboardInterrupt:
        armed = False
    except RuntimeError:
        armed = False
    assert threads.submit(own.run, call()).result(30) == 1, number
    assert not own.is_busy, number
signal.setitimer(signal.ITIMER_REAL, 0)
threads.submit(own.close).result(30)
print("every next call worked")
"""


def test_control_c_at_any_moment_of_a_call_leaves_the_next_call_working(
    run_python: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = run_python(INTERRUPTED)
    assert (done.returncode, done.stdout) == (0, "every next call worked\n"), done.stderr[-2000:]


def test_a_call_that_does_not_end_after_an_interruption_is_left_and_the_next_one_gets_a_new_loop(
    own: OwnLoop, in_thread: InThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_loop, "INTERRUPT_GRACE", 0.05)
    monkeypatch.setattr(logging.getLogger("asyncio"), "disabled", True)  # It tells of the task that was destroyed.
    waiting = threading.Event()
    stubborn: list[bool] = []

    async def call() -> None:
        waiting.set()
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                stubborn.append(True)

    def interrupt() -> None:
        assert waiting.wait(TIMEOUT)
        press_control_c()

    left = own.run(running_loop())
    interrupting = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        own.run(call())
    interrupting.result(TIMEOUT)
    assert_logged(caplog, ("ERROR", "0.05 s", "loop is left"))
    assert own.run(running_loop()) is not left
    assert (left.is_closed(), stubborn) == (True, [True])


def test_a_signal_handler_cancels_the_call_of_its_thread_and_is_called_after_it(own: OwnLoop) -> None:
    steps: list[object] = []

    async def call() -> None:
        steps.append(own.interrupt(lambda: steps.append("then")))
        try:
            await asyncio.sleep(3600)
        finally:
            steps.append("ended")

    with pytest.raises(asyncio.CancelledError):
        own.run(call())
    assert steps == [True, "ended", "then"]
    assert own.run(value("goes on")) == "goes on"
    assert steps == [True, "ended", "then"]


def test_a_signal_handler_that_comes_before_the_first_step_cancels_the_call(
    own: OwnLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> asyncio.AbstractEventLoop:
        assert own.interrupt(end)
        return asyncio.new_event_loop()

    def end() -> None:
        raise SystemExit(3)

    monkeypatch.setattr(own, "new_loop", interrupted)
    with pytest.raises(SystemExit):
        own.run(value("never"))
    assert own.run(value("goes on")) == "goes on"


def test_a_call_that_another_task_cancels_before_its_first_step_ends(own: OwnLoop) -> None:
    async def leave() -> None:
        asyncio.get_running_loop().call_soon(cancel_all)

    def cancel_all() -> None:
        for task in asyncio.all_tasks():
            task.cancel()

    own.run(leave())
    with pytest.raises(asyncio.CancelledError):
        own.run(value("never"))
    assert own.run(value("goes on")) == "goes on"


def test_a_loop_can_be_closed_right_after_a_call_that_was_cancelled(own: OwnLoop) -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    async def before() -> None:
        await asyncio.sleep(0)
        steps.append("shut down")

    steps: list[str] = []
    with pytest.raises(asyncio.CancelledError):
        own.run(cancel())
    own.close(before)
    assert steps == ["shut down"]


def test_a_signal_handler_finds_no_call_where_its_thread_is_in_none(own: OwnLoop, in_thread: InThread) -> None:
    gate = Gate()

    async def call() -> str:
        await gate.wait()
        return "not cancelled"

    def never() -> None:
        raise AssertionError("There was no call.")

    assert own.interrupt(never) is False
    running = in_thread(own.run, call())
    assert gate.reached.wait(TIMEOUT)
    assert own.interrupt(never) is False
    gate.opened.set()
    assert running.result(TIMEOUT) == "not cancelled"


def test_closing_is_not_cancelled_by_a_signal_handler(own: OwnLoop) -> None:
    steps: list[object] = []

    async def before() -> None:
        steps.append(own.interrupt(lambda: steps.append("then")))
        await asyncio.sleep(0)
        steps.append("shut down")

    own.run(value(None))
    own.close(before)
    assert steps == [True, "shut down", "then"]
