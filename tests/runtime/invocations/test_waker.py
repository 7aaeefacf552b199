"""How a thread waits for a socket, and what ends that: a signal whenever it comes, and another thread."""

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bridge.runtime.invocations.waker import Stopped, Waker

pytestmark = pytest.mark.usefixtures("default_sigterm")

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def soon(function: Callable[..., object], *args: object) -> Iterator[None]:
    """Call it in another thread, most likely while this one waits."""
    timer = threading.Timer(0.02, function, args)
    timer.start()
    yield
    timer.join()


def test_it_waits_for_a_socket(waker: Waker, pair: Pair) -> None:
    ours, theirs = pair
    with waker.on_signals():
        for wait in (waker.block, waker.rest):
            with soon(theirs.send, b"x"):
                assert wait(ours, select.POLLIN) in (None, True)
            assert ours.recv(1, socket.MSG_DONTWAIT) == b"x"
            wait(ours, select.POLLOUT)


def test_a_signal_ends_the_wait_whenever_it_comes(waker: Waker, pair: Pair) -> None:
    with waker.on_signals():
        with soon(terminate):
            assert not waker.rest(pair[0], select.POLLIN)
        for _ in range(2):
            with pytest.raises(Stopped):
                waker.block(pair[0], select.POLLIN)
        waker.drain()
        assert not waker.rest(pair[0], select.POLLIN)  # which would wait for ever
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # a second one would cut the shutdown short


def test_a_signal_in_the_wait_ends_it_where_the_application_has_taken_the_wake_up(waker: Waker, pair: Pair) -> None:
    with waker.on_signals():
        before = signal.set_wakeup_fd(-1)
        with soon(terminate), pytest.raises(Stopped):
            waker.block(pair[0], select.POLLIN)
        signal.set_wakeup_fd(before)


def test_what_has_arrived_before_the_signal_is_not_lost(waker: Waker, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    with waker.on_signals():
        terminate()
        waker.block(ours, select.POLLIN)
        assert ours.recv(1) == b"x"
        with pytest.raises(Stopped):
            waker.block(ours, select.POLLIN)


def test_another_signal_ends_no_wait(waker: Waker, pair: Pair) -> None:
    ours, theirs = pair
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: theirs.send(b"x"))
    try:
        with waker.on_signals(), soon(os.kill, os.getpid(), signal.SIGUSR1):
            waker.block(ours, select.POLLIN)
            assert ours.recv(1, socket.MSG_DONTWAIT) == b"x"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_thread_can_wake_it_also_when_it_is_closed_or_full(waker: Waker) -> None:
    for _ in range(1_000):
        waker.wake()
    waker.block(None, 0)
    waker.close()
    waker.wake()


def test_a_signal_handler_of_the_applications_own_stays_in_place_and_may_need_the_event_loop(
    waker: Waker, pair: Pair
) -> None:
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: signals.append(signum))
    with waker.on_signals():
        terminate()
        assert not waker.rest(pair[0], select.POLLIN)
    assert signals == [signal.SIGTERM]
    assert not waker.is_stopping


def test_the_wake_up_of_an_event_loop_with_signal_handlers_stays(waker: Waker, pair: Pair) -> None:
    fd = pair[1].fileno()
    pair[1].setblocking(False)
    before = signal.set_wakeup_fd(fd)
    try:
        with waker.on_signals():
            assert signal.set_wakeup_fd(fd) == fd
            assert not waker.rest(pair[0], select.POLLOUT)  # the event loop has to wait
            assert signal.set_wakeup_fd(fd) == fd
        assert signal.set_wakeup_fd(fd) == fd
    finally:
        signal.set_wakeup_fd(before)


def test_where_the_application_has_the_wake_up_a_signal_that_ends_no_wait_is_seen(waker: Waker, pair: Pair) -> None:
    pair[1].setblocking(False)
    before = signal.set_wakeup_fd(pair[1].fileno())
    try:
        with waker.on_signals():
            assert not waker.is_woken_by_signals
            # As one that comes just before this thread's wait, a signal that another thread gets does not end it.
            with soon(lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)), pytest.raises(Stopped):
                waker.block(pair[1], select.POLLIN)
    finally:
        signal.set_wakeup_fd(before)


def test_without_a_signal_everything_is_as_before(waker: Waker) -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with waker.on_signals():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.set_wakeup_fd(before) == before


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the test's own process has threads
def test_a_forked_child_dies_of_the_signal_and_its_parent_goes_on(waker: Waker) -> None:
    with waker.on_signals():
        pid = os.fork()
        if pid == 0:
            terminate()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    assert not waker.is_stopping


def test_a_signal_that_comes_while_the_descriptor_of_a_loop_is_replaced_reaches_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = socket.socketpair()
    reader.settimeout(30)
    writer.setblocking(False)
    waker = Waker()
    set_wakeup_fd, ours = signal.set_wakeup_fd, waker._writer
    before = signal.signal(signal.SIGUSR1, lambda *_: None)

    def set_and_signal(fd: int, **options: bool) -> int:
        replaced = set_wakeup_fd(fd, **options)
        if fd == ours.fileno():
            signal.raise_signal(signal.SIGUSR1)
        return replaced

    with reader, writer:
        former = set_wakeup_fd(writer.fileno())
        try:
            monkeypatch.setattr(signal, "set_wakeup_fd", set_and_signal)
            assert waker._write_signals_to(ours.fileno()) == writer.fileno()
            assert reader.recv(10) == bytes([signal.SIGUSR1])
        finally:
            set_wakeup_fd(former)
            signal.signal(signal.SIGUSR1, before)
            waker.close()
