"""The thread that looks at the clock: it tells in time, each thing once, and only what is not over."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.invocation import request_id
from bridge.runtime.invocations.watchdog import Watch, Watchdog, time_left

LIMIT = 10.0


def told(watchdog: Watchdog, seconds: float) -> threading.Event:
    event = threading.Event()
    watchdog.watch(time.time() + seconds, event.set)
    return event


def test_what_is_not_over_is_told_when_its_moment_comes_and_not_before() -> None:
    at: list[float] = []
    is_told = threading.Event()

    def tell() -> None:
        at.append(time.time())
        is_told.set()

    moment = time.time() + 0.05
    Watchdog().watch(moment, tell)
    assert is_told.wait(LIMIT)
    assert at[0] >= moment


def test_what_is_over_is_not_told() -> None:
    calls: list[str] = []
    watchdog = Watchdog()
    watch = watchdog.watch(time.time() + 0.02, lambda: calls.append("over"))
    watchdog.leave(watch)
    watchdog.leave(watch)
    assert told(watchdog, 0.04).wait(LIMIT)
    assert calls == []


def test_each_is_told_once_and_in_the_order_of_the_moments() -> None:
    calls: list[int] = []
    watchdog, start = Watchdog(), time.time()
    for number in (3, 1, 2):
        watchdog.watch(start + number / 50, lambda number=number: calls.append(number))  # type: ignore[misc]
    assert told(watchdog, 0.08).wait(LIMIT)
    assert told(watchdog, 0.0).wait(LIMIT)
    assert calls == [1, 2, 3]


def test_an_earlier_moment_wakes_a_thread_that_waits_for_a_later_one() -> None:
    watchdog = Watchdog()
    later = told(watchdog, 3600)
    assert told(watchdog, 0.0).wait(LIMIT)
    assert not later.is_set()


@pytest.mark.parametrize("seconds", [1e9, 1e15])
def test_a_moment_may_be_farther_away_than_a_thread_can_wait(seconds: float) -> None:
    watchdog = Watchdog()
    never = told(watchdog, seconds)
    assert told(watchdog, 0.0).wait(LIMIT)
    assert told(watchdog, 0.02).wait(LIMIT)
    assert not never.is_set()


class LookedAt(set[Watch]):
    """Calls `look` each time the thread has looked at what there is, and does not know what comes now."""

    look: Callable[[], object] = staticmethod(lambda: None)

    def __iter__(self) -> Iterator[Watch]:
        there = list(super().__iter__())
        self.look()
        return iter(there)


def test_one_that_comes_just_when_the_thread_has_looked_is_not_forgotten() -> None:
    watchdog = Watchdog()
    watchdog._watched = watched = LookedAt()
    looks: list[None] = []
    late: list[threading.Event] = []
    has_come = threading.Event()

    def come() -> None:
        late.append(told(watchdog, 0.01))
        has_come.set()

    def let_one_come() -> None:
        looks.append(None)
        if len(looks) == 3:  # for what comes next, when the first one has been told
            thread = threading.Thread(target=come)
            thread.start()
            thread.join(0.05)  # or until this thread waits: it may have to be woken

    watched.look = let_one_come
    assert told(watchdog, 0.0).wait(LIMIT)
    assert has_come.wait(LIMIT)
    assert late[0].wait(LIMIT)


def test_none_is_forgotten_however_they_come_and_go() -> None:
    """Threads that come when the watchdog has just looked: each that stays is told."""
    watchdog = Watchdog()

    def come_and_go(number: int) -> list[threading.Event]:
        stayed = []
        for turn in range(300):
            watch = watchdog.watch(time.time() + (turn + number) % 3 / 1000, lambda: None)
            if turn % 7 == 0:
                stayed.append(told(watchdog, turn % 5 / 1000))
            watchdog.leave(watch)
        return stayed

    with ThreadPoolExecutor(8) as threads:
        for events in threads.map(come_and_go, range(8)):
            assert len(events) == 43
            for event in events:
                assert event.wait(LIMIT)
    assert watchdog._watched == set()


def test_it_is_told_in_the_context_of_whoever_watches() -> None:
    seen: list[str] = []
    is_told = threading.Event()

    def tell() -> None:
        seen.append(request_id.get())
        is_told.set()

    token = request_id.set("r-1")
    try:
        Watchdog().watch(time.time(), tell)
    finally:
        request_id.reset(token)
    assert is_told.wait(LIMIT)
    assert seen == ["r-1"]


def test_one_that_fails_is_logged_and_the_thread_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise LookupError("no stack")

    watchdog = Watchdog()
    watchdog.watch(time.time(), fail)
    assert told(watchdog, 0.01).wait(LIMIT)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("bridge", logging.ERROR)
    assert record.getMessage() == "It could not be told where an invocation stands near its deadline."
    assert "LookupError: no stack" in caplog.text


def test_there_is_one_thread_and_it_holds_no_process_up() -> None:
    before = set(threading.enumerate())
    watchdog = Watchdog()
    assert set(threading.enumerate()) == before
    for _ in range(3):
        assert told(watchdog, 0.0).wait(LIMIT)
    (thread,) = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon) == ("bridge watchdog", True)


# How much time there is.


def test_the_margin_is_left_out_but_never_more_than_half_of_the_time() -> None:
    now = int(time.time() * 1000)
    left, margin = time_left(now + 60_000, 0.25)
    assert margin == 0.25
    assert 50 < left < 59.76
    left, margin = time_left(now + 60_000, 100)
    assert 25 < margin <= 30
    assert left == margin
    assert time_left(now - 1, 0.25) == (0.0, 0.0)
