"""The slots of a process together: until SIGTERM, or until one of them fails. In threads, until something wakes."""

import asyncio
import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from bridge._loop import OwnLoop
from bridge.errors import RuntimeApiGone, RuntimeApiRefused
from bridge.runtime.invocations.serving import SHUTDOWN_GRACE, Stopped, Waker, serve, serve_alone, serve_in_threads
from tests.runtime.slots import Gate, Logged


class Slot:
    """Runs `work`, which may look whether it is to stop. `is_waiting`: as the slots of a runtime say it."""

    def __init__(self, work: "Callable[[Slot], Any]", *, is_waiting: bool = False) -> None:
        self.is_waiting = is_waiting
        self.stopped, self.started = Gate(), Gate()
        self._work = work
        self.ends: list[str] = []

    async def run(self) -> None:
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
    def run(self) -> None:  # type: ignore[override]
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
def sigterm() -> Iterator[list[int]]:
    """What SIGTERM does is as before at the end, and one that nobody took has not ended the tests."""
    before = signal.getsignal(signal.SIGTERM)
    assert before is signal.SIG_DFL
    yield []
    signal.signal(signal.SIGTERM, before)


pytestmark = pytest.mark.usefixtures("sigterm")


# On an event loop.


def test_sigterm_stops_all_slots_and_waits_for_those_that_answer(logged: Logged) -> None:
    waiting = Slot(wait, is_waiting=True)
    answering = Slot(until_stopped)
    run(waiting, answering, Slot(terminate_and_wait))
    assert (waiting.ends, answering.ends) == (["cancelled"], ["returned"])
    assert logged() == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # a second one would cut the shutdown short


def test_sigterm_cancels_what_does_not_answer_in_time(logged: Logged) -> None:
    late = [Slot(wait), Slot(wait)]
    run(*late, Slot(terminate_and_wait))
    assert [slot.ends for slot in late] == [["cancelled"]] * 2
    said = f"SIGTERM: 2 invocations had no answer within {SHUTDOWN_GRACE} s: cancelled."
    assert logged() == [(logging.WARNING, said)]


def test_a_handler_of_the_applications_own_stays_in_place() -> None:
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: signals.append(signum))

    async def terminate_and_see(slot: Slot) -> None:
        terminate()
        assert signals == [signal.SIGTERM]
        raise RuntimeApiGone("at last")

    with pytest.raises(RuntimeApiGone):
        run(Slot(terminate_and_see))


def test_without_a_sigterm_everything_is_as_before() -> None:
    with pytest.raises(RuntimeApiGone):
        run(Slot(failing(RuntimeApiGone("gone"))))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_slots_run_on_other_threads_than_the_main_one_too() -> None:
    errors: list[BaseException] = []

    def run_there() -> None:
        try:
            run(Slot(failing(RuntimeApiGone("gone"))))
        except RuntimeApiGone as exc:
            errors.append(exc)

    thread = threading.Thread(target=run_there)
    thread.start()
    thread.join(10)
    assert [str(error) for error in errors] == ["gone"]


def test_an_api_that_is_gone_cancels_the_others_at_once(logged: Logged) -> None:
    answering, waiting = Slot(until_stopped), Slot(wait, is_waiting=True)
    with pytest.raises(RuntimeApiGone, match="gone"):
        run(answering, waiting, Slot(failing(RuntimeApiGone("gone"), answering, waiting)))
    assert answering.ends == waiting.ends == ["cancelled"]
    assert not answering.stopped.is_open
    assert logged() == []


@pytest.mark.parametrize("error", [RuntimeApiRefused("no"), LookupError("a fault of ours")], ids=repr)
def test_a_slot_that_fails_lets_the_others_answer(logged: Logged, error: Exception) -> None:
    answering, waiting, late = Slot(until_stopped), Slot(wait, is_waiting=True), Slot(wait)
    with pytest.raises(type(error)) as caught:
        run(answering, waiting, late, Slot(failing(error, answering, waiting, late)))
    assert caught.value is error
    assert (answering.ends, waiting.ends, late.ends) == (["returned"], ["cancelled"], ["cancelled"])
    said = f"A slot has failed: 1 invocations had no answer within {SHUTDOWN_GRACE} s: cancelled."
    assert logged() == [(logging.WARNING, said)]


def test_a_slot_that_somebody_has_cancelled_is_a_failure() -> None:
    async def cancel_all_slots(slot: Slot) -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "bridge slot":
                task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="A slot was cancelled"):
        run(Slot(wait), Slot(cancel_all_slots))


def test_a_slot_that_fails_while_the_others_answer_is_not_forgotten() -> None:
    async def fail_when_stopped(slot: Slot) -> None:
        await until_stopped(slot)
        raise LookupError("a fault of ours")

    with pytest.raises(LookupError):
        run(Slot(fail_when_stopped), Slot(terminate_and_wait))


def test_cancelling_cancels_all_slots() -> None:
    slots = [Slot(wait), Slot(wait, is_waiting=True)]

    async def main() -> None:
        task = asyncio.create_task(serve(slots))  # type: ignore[arg-type]
        for slot in slots:
            await slot.started.passed()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert [slot.ends for slot in slots] == [["cancelled"]] * 2


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
    threads[0].join(10)
    assert not threads[0].is_alive()


# What wakes a thread that waits.


@pytest.fixture
def waker() -> Iterator[Waker]:
    made = Waker()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_it_waits_for_a_socket(waker: Waker, pair: Pair) -> None:
    ours, theirs = pair
    thread = threading.Timer(0.02, theirs.send, [b"x"])
    thread.start()
    waker.block(ours, select.POLLIN)
    assert ours.recv(1, socket.MSG_DONTWAIT) == b"x"
    thread.join()
    waker.block(ours, select.POLLOUT)


def test_a_signal_before_the_wait_ends_it(waker: Waker, pair: Pair) -> None:
    with waker.on_sigterm():
        terminate()
        with pytest.raises(Stopped):
            waker.block(pair[0], select.POLLIN)
        with pytest.raises(Stopped):
            waker.block(pair[0], select.POLLIN)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_signal_in_the_wait_ends_it(waker: Waker, pair: Pair) -> None:
    timer = threading.Timer(0.02, terminate)
    with waker.on_sigterm():
        timer.start()
        with pytest.raises(Stopped):
            waker.block(pair[0], select.POLLIN)
    timer.join()


def test_a_signal_in_the_wait_ends_it_where_the_application_has_taken_the_wake_up(waker: Waker, pair: Pair) -> None:
    timer = threading.Timer(0.02, terminate)
    with waker.on_sigterm():
        before = signal.set_wakeup_fd(-1)
        timer.start()
        with pytest.raises(Stopped):
            waker.block(pair[0], select.POLLIN)
        signal.set_wakeup_fd(before)
    timer.join()


def test_what_has_arrived_before_the_signal_is_not_lost(waker: Waker, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    with waker.on_sigterm():
        terminate()
        waker.block(ours, select.POLLIN)
        assert ours.recv(1) == b"x"
        with pytest.raises(Stopped):
            waker.block(ours, select.POLLIN)


def test_another_signal_ends_no_wait(waker: Waker, pair: Pair) -> None:
    ours, theirs = pair
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: None)
    timers = [
        threading.Timer(0.01, os.kill, [os.getpid(), signal.SIGUSR1]),
        threading.Timer(0.03, theirs.send, [b"x"]),
    ]
    try:
        with waker.on_sigterm():
            for timer in timers:
                timer.start()
            waker.block(ours, select.POLLIN)
            assert ours.recv(1, socket.MSG_DONTWAIT) == b"x"
    finally:
        for timer in timers:
            timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_thread_can_wake_it_also_when_it_is_closed_or_full(waker: Waker) -> None:
    for _ in range(1_000):
        waker.wake()
    waker.block(None, 0)
    waker.close()
    waker.wake()


def test_the_waker_leaves_a_handler_of_the_applications_own_in_place(waker: Waker) -> None:
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: signals.append(signum))
    with waker.on_sigterm():
        terminate()
    assert signals == [signal.SIGTERM]
    assert not waker.is_stopping


def test_without_a_sigterm_the_waker_leaves_everything_as_before(waker: Waker) -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with waker.on_sigterm():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.set_wakeup_fd(before) == before


# In threads.


def work_until_stopped(slot: Slot) -> None:
    slot.stopped.wait()


def test_one_slot_ends_its_work_after_sigterm(waker: Waker) -> None:
    def work(slot: Slot) -> None:
        terminate()
        work_until_stopped(slot)
        raise Stopped

    serve_alone(BlockingSlot(work), waker)  # type: ignore[arg-type]


def test_threads_have_time_to_answer_after_sigterm(waker: Waker, logged: Logged) -> None:
    answering = BlockingSlot(work_until_stopped)

    def end(slot: Slot) -> None:
        answering.started.wait()
        terminate()
        work_until_stopped(slot)

    serve_in_threads([answering, BlockingSlot(end)], waker)  # type: ignore[list-item]
    assert answering.ends == ["returned"]
    assert logged() == []


def test_threads_that_do_not_answer_in_time_are_counted(waker: Waker, logged: Logged) -> None:
    gate = Gate()

    def work(slot: Slot) -> None:
        gate.wait()

    late, waiting = BlockingSlot(work), BlockingSlot(work, is_waiting=True)

    def end(slot: Slot) -> None:
        late.started.wait()
        waiting.started.wait()
        terminate()

    serve_in_threads([late, waiting, BlockingSlot(end)], waker)  # type: ignore[list-item]
    said = f"SIGTERM: 1 invocations had no answer within {SHUTDOWN_GRACE} s: cancelled."
    assert logged() == [(logging.WARNING, said)]
    gate.open()


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
