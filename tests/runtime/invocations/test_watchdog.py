"""The thread that watches the clock: it tells in time, each thing once, and only what is not over."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.invocation import request_id
from bridge.runtime.invocations.watchdog import Watchdog
from tests.logged import assert_logged

LIMIT = 30.0


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
    watch = watchdog.watch(time.time() + 3600, lambda: calls.append("over"))
    for _ in range(2):
        watchdog.leave(watch)
    watch.moment = 0.0
    assert told(watchdog, 0.0).wait(LIMIT)
    assert calls == []
    assert watchdog.watched == []


def test_each_is_told_once() -> None:
    calls: list[int] = []
    watchdog, start = Watchdog(), time.time()
    for number in (3, 1, 2):
        watchdog.watch(start + number / 20, lambda number=number: calls.append(number))  # type: ignore[misc]
    assert told(watchdog, 0.2).wait(LIMIT)
    assert told(watchdog, 0.0).wait(LIMIT)
    assert sorted(calls) == [1, 2, 3]


def test_an_earlier_moment_wakes_a_thread_that_waits_for_a_later_one() -> None:
    watchdog = Watchdog()
    # A lock cannot wait for all of these.
    later = [told(watchdog, seconds) for seconds in (3600, 1e9, 1e15)]
    assert told(watchdog, 0.0).wait(LIMIT)
    assert told(watchdog, 0.02).wait(LIMIT)
    assert not any(each.is_set() for each in later)


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
            assert all(event.wait(LIMIT) for event in events)
    assert watchdog.watched == []


def test_it_is_told_in_the_context_of_the_watching_code() -> None:
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
    tells: list[Callable[[], None]] = [fail]
    watchdog.watch(time.time(), tells[0])
    assert told(watchdog, 0.01).wait(LIMIT)
    assert_logged(caplog, ("ERROR", "LookupError: no stack"))


def test_there_is_one_thread_and_it_holds_no_process_up() -> None:
    before = set(threading.enumerate())
    watchdog = Watchdog()
    assert set(threading.enumerate()) == before
    for _ in range(3):
        assert told(watchdog, 0.0).wait(LIMIT)
    (thread,) = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon) == ("bridge watchdog", True)
