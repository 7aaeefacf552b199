"""Who has SIGTERM, and what it does: in this process, with the signal handler called by hand or by a real signal."""

import asyncio
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge._loop import OwnLoop
from bridge.errors import Terminated
from bridge.signals import Sigterm, ctrl_c_cancels


class Environment:
    """Writes down that it was closed."""

    def __init__(self, name: str, steps: list[str]) -> None:
        self.loop = OwnLoop()
        self._name, self._steps = name, steps
        self.interrupt = self.loop.interrupt

    def close_on_sigterm(self) -> None:
        self._steps.append(self._name)


@pytest.fixture(autouse=True)
def _sigterm_as_before() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture
def make(steps: list[str]) -> Iterator[Callable[[str], Environment]]:
    made: list[Environment] = []

    def make(name: str) -> Environment:
        made.append(Environment(name, steps))
        return made[-1]

    yield make
    for environment in made:
        environment.loop.close()


Make = Callable[[str], Environment]


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def own_handler(signum: int, frame: Any) -> None:
    """Act as the application's own signal handler."""


def exit_code_of_fork(child: Callable[[], None]) -> int:
    """Run `child` in a fork; 5 if it returns."""
    pid = os.fork()
    if pid == 0:
        try:
            child()
            os._exit(5)
        finally:
            os._exit(6)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_it_closes_everything_once_the_last_one_first_and_ends_the_process(make: Make, steps: list[str]) -> None:
    sigterm = Sigterm()
    for name in ("first", "second", "third"):
        sigterm.shut_down(make(name))
    with pytest.raises(Terminated) as caught:
        terminate()
    terminate()
    assert caught.value.code == 0
    assert steps == ["third", "second", "first"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_call_of_the_main_thread_is_cancelled_first(make: Make, steps: list[str]) -> None:
    async def call() -> None:
        terminate()
        try:
            await asyncio.sleep(3600)
        finally:
            steps.append("cancelled")

    sigterm, environment = Sigterm(), make("environment")
    sigterm.shut_down(make("other"))
    sigterm.shut_down(environment)
    with pytest.raises(Terminated):
        environment.loop.run(call())
    assert steps == ["cancelled", "environment", "other"]


def test_what_leaves_is_not_closed_and_the_last_one_gives_sigterm_back(make: Make, steps: list[str]) -> None:
    sigterm, first, second = Sigterm(), make("first"), make("second")
    sigterm.shut_down(first)
    sigterm.shut_down(second)
    sigterm.leave(first)
    assert sigterm.is_free()
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    sigterm.leave(second)
    sigterm.leave(second)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("is_first", [True, False])
def test_a_signal_handler_of_the_applications_own_stays(make: Make, is_first: bool) -> None:
    sigterm, environment = Sigterm(), make("environment")
    if is_first:
        signal.signal(signal.SIGTERM, own_handler)
    sigterm.shut_down(environment)
    signal.signal(signal.SIGTERM, own_handler)
    assert not sigterm.is_free()
    assert not sigterm.take(terminate)
    sigterm.shut_down(make("other"))
    sigterm.ignore()
    sigterm.leave(environment)
    assert signal.getsignal(signal.SIGTERM) is own_handler


def test_a_signal_handler_of_the_applications_can_call_the_one_before(make: Make, steps: list[str]) -> None:
    def own(signum: int, frame: Any) -> None:
        steps.append("own")
        before(signum, frame)

    sigterm = Sigterm()
    sigterm.shut_down(make("environment"))
    before: Any = signal.signal(signal.SIGTERM, own)
    with pytest.raises(Terminated):
        terminate()
    assert steps == ["own", "environment"]


def test_a_runtime_takes_it_and_the_first_one_counts(make: Make, steps: list[str]) -> None:
    sigterm = Sigterm()
    sigterm.shut_down(make("environment"))
    assert sigterm.take(lambda: steps.append("taken"))
    terminate()
    terminate()
    assert steps == ["taken"]
    sigterm.release(ignore=True)
    terminate()
    assert steps == ["taken"]


@pytest.mark.parametrize("has_handlers", [True, False])
def test_after_a_runtime_it_does_what_it_did_before(make: Make, has_handlers: bool) -> None:
    sigterm = Sigterm()
    if has_handlers:
        sigterm.shut_down(make("environment"))
    before = signal.getsignal(signal.SIGTERM)
    assert sigterm.take(terminate)
    sigterm.release(ignore=False)
    assert signal.getsignal(signal.SIGTERM) == before


def test_outside_of_the_main_thread_it_is_left_alone(make: Make) -> None:
    def try_it() -> None:
        sigterm.shut_down(make("environment"))
        taken.append(sigterm.take(terminate))
        sigterm.ignore()

    sigterm = Sigterm()
    taken: list[bool] = []
    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert taken == [False]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_forked_child_dies_of_it_and_its_parent_hears_nothing(make: Make, steps: list[str], is_taken: bool) -> None:
    sigterm = Sigterm()
    sigterm.shut_down(make("environment"))
    reader, writer = os.pipe2(os.O_NONBLOCK)
    fd = signal.set_wakeup_fd(writer)
    try:
        if is_taken:
            sigterm.take(lambda: steps.append("taken"))
        assert exit_code_of_fork(terminate) == -signal.SIGTERM
        if is_taken:
            with pytest.raises(BlockingIOError):
                os.read(reader, 1)
    finally:
        signal.set_wakeup_fd(fd)
        os.close(reader)
        os.close(writer)
    assert steps == []


def test_a_forked_child_whose_application_has_the_signal_writes_nothing_to_its_parents_wake_up() -> None:
    sigterm = Sigterm()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    signal.signal(signal.SIGTERM, lambda signum, frame: os._exit(7))
    fd = signal.set_wakeup_fd(writer)
    sigterm.listen(True)
    try:
        assert exit_code_of_fork(terminate) == 7
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
    finally:
        sigterm.listen(False)
        signal.set_wakeup_fd(fd)
        os.close(reader)
        os.close(writer)


def test_a_signal_that_comes_before_the_child_knows_that_it_is_one_ends_it_too(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "register_at_fork")
    sigterm = Sigterm()
    sigterm.shut_down(make("environment"))
    assert exit_code_of_fork(terminate) == -signal.SIGTERM


def test_a_forked_child_can_become_the_owner(make: Make, steps: list[str]) -> None:
    def child() -> None:
        sigterm.shut_down(make("child"))
        with pytest.raises(Terminated):
            terminate()
        os._exit(0 if steps == ["child"] else 1)

    sigterm = Sigterm()
    sigterm.shut_down(make("parent"))
    assert exit_code_of_fork(child) == 0


def test_an_exit_that_python_loses_in_a_callback_is_raised_at_the_next_check(
    make: Make, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    sigterm = Sigterm()
    sigterm.shut_down(make("only"))
    sigterm.check()

    class Referent:
        pass

    referent = Referent()
    reference = weakref.ref(referent, lambda _: terminate())
    del referent
    assert (reference(), steps, [type(each.exc_value) for each in lost]) == (None, ["only"], [Terminated])
    with pytest.raises(Terminated):
        sigterm.check()


def test_the_first_control_c_cancels_the_call_and_is_raised_after_it(steps: list[str]) -> None:
    async def call() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("not interrupted between two steps")
        try:
            await asyncio.sleep(3600)
        finally:
            steps.append("cleaned up")

    own = OwnLoop()
    with pytest.raises(KeyboardInterrupt), ctrl_c_cancels(own):
        own.run(call())
    assert steps == ["not interrupted between two steps", "cleaned up"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    own.close()


def test_a_second_control_c_is_raised_immediately(steps: list[str]) -> None:
    async def call() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("first")
        signal.raise_signal(signal.SIGINT)
        steps.append("second")

    own = OwnLoop()
    with pytest.raises(KeyboardInterrupt), ctrl_c_cancels(own):
        own.run(call())
    assert steps == ["first"]
    own.close()


def test_control_c_outside_of_a_call_is_raised_immediately() -> None:
    own = OwnLoop()
    with pytest.raises(KeyboardInterrupt), ctrl_c_cancels(own):
        signal.raise_signal(signal.SIGINT)
    own.close()


def test_the_applications_own_handler_of_control_c_stays(steps: list[str]) -> None:
    def handle(signum: int, frame: Any) -> None:
        steps.append("the application's")

    before = signal.signal(signal.SIGINT, handle)
    try:
        with ctrl_c_cancels(OwnLoop()):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is handle
    finally:
        signal.signal(signal.SIGINT, before)
    assert steps == ["the application's"]
