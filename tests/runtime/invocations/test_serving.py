"""The slots of a process together: until SIGTERM, or until one of them fails. On an event loop, and in threads."""

import asyncio
import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from bridge._loop import OwnLoop
from bridge.errors import RuntimeApiGone, RuntimeApiRefused
from bridge.runtime.invocations import serving
from bridge.runtime.invocations.serving import serve, serve_in_threads
from bridge.runtime.invocations.waker import Waker
from tests.logged import assert_logged
from tests.runtime.slots import Gate

pytestmark = pytest.mark.usefixtures("default_sigterm")

Rest = Callable[[socket.socket, int], bool]


class Slot:
    """Runs `work`, which may ask whether it is to stop. `is_waiting`: as the slots of a runtime say it."""

    rest: Rest | None = None

    def __init__(self, work: "Callable[[Slot], Any]", *, is_waiting: bool = False) -> None:
        self.is_waiting = is_waiting
        self.stopped, self.started = Gate(), Gate()
        self._work = work
        self.ends: list[str] = []

    async def run(self, rest: Rest | None) -> None:
        self.rest = rest
        self.started.open()
        try:
            await self._work(self)
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        self.ends.append("returned")

    def stop(self) -> None:
        self.stopped.open()


class BlockingSlot(Slot):
    def run(self, block: object = None) -> None:  # type: ignore[override]
        self.started.open()
        self._work(self)
        self.ends.append("returned")


async def wait(slot: Slot) -> None:
    await asyncio.Event().wait()


async def until_stopped(slot: Slot) -> None:
    await slot.stopped.passed()


def failing(error: BaseException, *others: Slot) -> "Callable[[Slot], Any]":
    """Fails once the others have started."""

    async def work(slot: Slot) -> None:
        for other in others:
            await other.started.passed()
        raise error

    return work


def run(*slots: Any) -> None:
    """On an event loop of their own, as a runtime does it."""
    loop = OwnLoop()
    try:
        loop.run(serve(slots))
    finally:
        loop.close()


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def terminate_and_wait(slot: Slot) -> None:
    terminate()
    await until_stopped(slot)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which another thread lets a slot end: how fast it is, is not what they are about."""
    monkeypatch.setattr(serving, "SHUTDOWN_GRACE", 30.0)


# On an event loop.


@pytest.mark.usefixtures("patient")
def test_sigterm_stops_all_slots_and_waits_for_those_that_answer(caplog: pytest.LogCaptureFixture) -> None:
    waiting = Slot(wait, is_waiting=True)
    answering = Slot(until_stopped)
    run(waiting, answering, Slot(terminate_and_wait))
    assert (waiting.ends, answering.ends) == (["cancelled"], ["returned"])
    assert_logged(caplog)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # a second one would cut the shutdown short


def test_sigterm_cancels_what_does_not_answer_in_time(caplog: pytest.LogCaptureFixture) -> None:
    late = [Slot(wait), Slot(wait)]
    run(*late, Slot(terminate_and_wait))
    assert [slot.ends for slot in late] == [["cancelled"]] * 2
    assert_logged(caplog, ("WARNING", "SIGTERM", "2 invocations", f"{serving.SHUTDOWN_GRACE} s"))


def test_an_api_that_is_gone_cancels_the_others(caplog: pytest.LogCaptureFixture) -> None:
    answering, waiting = Slot(until_stopped), Slot(wait, is_waiting=True)
    with pytest.raises(RuntimeApiGone, match="gone"):
        run(answering, waiting, Slot(failing(RuntimeApiGone("gone"), answering, waiting)))
    assert answering.ends == waiting.ends == ["cancelled"]
    assert not answering.stopped.is_open
    assert_logged(caplog)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("error", [RuntimeApiRefused("no"), LookupError("a fault of ours")], ids=repr)
def test_a_slot_that_fails_lets_the_others_answer(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    answering, waiting, late = Slot(until_stopped), Slot(wait, is_waiting=True), Slot(wait)
    with pytest.raises(type(error)) as caught:
        run(answering, waiting, late, Slot(failing(error, answering, waiting, late)))
    assert caught.value is error
    assert (answering.ends, waiting.ends, late.ends) == (["returned"], ["cancelled"], ["cancelled"])
    assert_logged(caplog, ("WARNING", "A slot has failed", "1 invocations"))


def test_a_slot_that_the_application_has_cancelled_is_a_failure() -> None:
    async def cancel_all_slots(slot: Slot) -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "bridge slot":
                task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        run(Slot(wait), Slot(cancel_all_slots))


def test_a_slot_that_fails_while_the_others_answer_is_not_forgotten() -> None:
    async def fail_when_stopped(slot: Slot) -> None:
        await until_stopped(slot)
        raise LookupError("a fault of ours")

    with pytest.raises(LookupError):
        run(Slot(fail_when_stopped), Slot(terminate_and_wait))


def test_a_worker_thread_of_anyios_outlasts_the_task_that_needed_it_and_ends_with_the_slots() -> None:
    threads: list[threading.Thread] = []

    async def call_in_thread() -> None:
        threads.append(await anyio.to_thread.run_sync(threading.current_thread))

    async def work(slot: Slot) -> None:
        for _ in range(3):
            await asyncio.create_task(call_in_thread())
        assert threads[2].is_alive()
        raise RuntimeApiGone("at last")

    with pytest.raises(RuntimeApiGone):
        run(Slot(work))
    assert threads == threads[:1] * 3
    threads[0].join(30)
    assert not threads[0].is_alive()


# Blocking the loop.


def test_one_slot_may_block_the_loop_while_nothing_else_runs_on_it() -> None:
    rested: list[bool] = []
    ours, theirs = socket.socketpair()

    async def work(slot: Slot) -> None:
        assert slot.rest is not None
        timer = threading.Timer(0.02, theirs.send, [b"x"])
        timer.start()
        rested.append(slot.rest(ours, select.POLLIN))
        timer.join()
        task = asyncio.create_task(asyncio.Event().wait(), name="the application's")
        rested.append(slot.rest(ours, select.POLLIN))
        task.cancel()
        ours.recv(1)
        terminate()
        rested.append(slot.rest(ours, select.POLLIN))
        await until_stopped(slot)

    with ours, theirs:
        run(Slot(work))
    assert rested == [True, False, False]


def test_slots_beside_others_leave_the_loop_to_them() -> None:
    slots = [Slot(terminate_and_wait), Slot(until_stopped)]
    run(*slots)
    assert [slot.rest for slot in slots] == [None, None]


# In threads.


def work_until_stopped(slot: Slot) -> None:
    slot.stopped.wait()


@pytest.mark.usefixtures("patient")
def test_threads_have_time_to_answer_after_sigterm(waker: Waker, caplog: pytest.LogCaptureFixture) -> None:
    answering = BlockingSlot(work_until_stopped)

    def end(slot: Slot) -> None:
        answering.started.wait()
        terminate()
        work_until_stopped(slot)

    serve_in_threads([answering, BlockingSlot(end)], waker)  # type: ignore[list-item]
    assert answering.ends == ["returned"]
    assert_logged(caplog)


def test_threads_that_do_not_answer_in_time_are_counted(waker: Waker, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()

    def work(slot: Slot) -> None:
        gate.wait()

    late, waiting = BlockingSlot(work), BlockingSlot(work, is_waiting=True)

    def end(slot: Slot) -> None:
        late.started.wait()
        waiting.started.wait()
        terminate()

    serve_in_threads([late, waiting, BlockingSlot(end)], waker)  # type: ignore[list-item]
    assert_logged(caplog, ("WARNING", "SIGTERM", "1 invocations", f"{serving.SHUTDOWN_GRACE} s"))
    gate.open()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("error", "is_waited_for"),
    [(RuntimeApiGone("gone"), False), (RuntimeApiRefused("no"), True), (SystemExit(3), False)],
    ids=repr,
)
def test_a_thread_that_fails_ends_the_process_and_may_let_the_others_answer(
    waker: Waker, error: BaseException, is_waited_for: bool
) -> None:
    answering = BlockingSlot(work_until_stopped)

    def fail(slot: Slot) -> None:
        answering.started.wait()
        raise error

    with pytest.raises(type(error)) as caught:
        serve_in_threads([answering, BlockingSlot(fail)], waker)  # type: ignore[list-item]
    assert caught.value is error
    if is_waited_for:
        assert answering.ends == ["returned"]
    assert answering.stopped.is_open
