"""The thread that watches the clock: it tells in time, each thing once, and only what is not over."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.invocation import request_id
from bridge.watchdog import Watchdog

LIMIT = 30.0


class Log(logging.Handler):
    """Notes what is told, by its first word. Fails on "fail"."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, float, str]] = []
        self._changed = threading.Condition()

    def handle(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith("fail"):
            raise LookupError("no stack")
        with self._changed:
            self.lines.append((message.split()[0], time.time(), request_id.get()))
            self._changed.notify_all()
        return True

    @property
    def words(self) -> list[str]:
        return [word for word, _, _ in self.lines]

    def wait_for(self, *words: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: set(words) <= set(self.words), LIMIT), self.words


@pytest.fixture
def log() -> Iterator[Log]:
    handler, logger = Log(), logging.getLogger("bridge")
    logger.addHandler(handler)
    logger.propagate = False
    yield handler
    logger.propagate = True
    logger.removeHandler(handler)


def test_what_is_not_over_is_told_once_when_its_moment_comes_in_the_context_of_the_watching_code(log: Log) -> None:
    watchdog, start = Watchdog(), time.time()
    for number in (3, 1, 2):
        token = request_id.set(f"r-{number}")
        watchdog.watch(start + number / 20, str(number))
        request_id.reset(token)
    log.wait_for("1", "2", "3")
    watchdog.watch(0.0, "last")
    log.wait_for("last")
    assert sorted(log.words) == ["1", "2", "3", "last"]
    for word, told_at, in_context in log.lines:
        if word != "last":
            assert told_at >= start + int(word) / 20
            assert in_context == f"r-{word}"


def test_what_is_over_is_not_told(log: Log) -> None:
    watchdog = Watchdog()
    watch = watchdog.watch(time.time() + 3600, "over")
    for _ in range(2):
        watchdog.leave(watch)
    watch.moment = 0.0
    watchdog.watch(0.0, "last")
    log.wait_for("last")
    assert log.words == ["last"]
    assert watchdog.watched == set()


def test_an_earlier_moment_wakes_a_thread_that_waits_for_a_later_one(log: Log) -> None:
    watchdog = Watchdog()
    for seconds in (3600, 1e9, 1e15):  # a lock cannot wait for all of these
        watchdog.watch(time.time() + seconds, "later")
    watchdog.watch(0.0, "past")
    log.wait_for("past")
    watchdog.watch(time.time() + 0.02, "soon")
    log.wait_for("soon")
    assert log.words == ["past", "soon"]


def test_none_is_forgotten_however_they_come_and_go(log: Log) -> None:
    """Threads that come when the watchdog has just looked: each that stays is told."""
    watchdog = Watchdog()

    def come_and_go(number: int) -> list[str]:
        stayed = []
        for turn in range(300):
            watch = watchdog.watch(time.time() + (turn + number) % 3 / 1000, "gone")
            if turn % 7 == 0:
                stayed.append(f"{number}/{turn}")
                watchdog.watch(time.time() + turn % 5 / 1000, stayed[-1])
            watchdog.leave(watch)
        return stayed

    with ThreadPoolExecutor(8) as threads:
        for stayed in threads.map(come_and_go, range(8)):
            log.wait_for(*stayed)
    assert watchdog.watched == set()


def test_one_that_fails_is_logged_and_the_thread_goes_on(log: Log) -> None:
    watchdog = Watchdog()
    watchdog.watch(0.0, "fail")
    log.wait_for("An")
    watchdog.watch(time.time() + 0.01, "next")
    log.wait_for("next")


def test_it_acts_before_it_logs_and_logs_what_it_could_not_do(log: Log) -> None:
    words: list[str] = []

    def act() -> None:
        words.extend(log.words)
        raise LookupError("no answer")

    Watchdog().watch(0.0, "late", act)
    log.wait_for("late", "An")
    assert (words, log.words) == ([], ["late", "An"])


def test_there_is_one_thread_and_it_holds_no_process_up(log: Log) -> None:
    before = set(threading.enumerate())
    watchdog = Watchdog()
    assert set(threading.enumerate()) == before
    for number in range(3):
        watchdog.watch(0.0, str(number))
        log.wait_for(str(number))
    (thread,) = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon) == ("bridge watchdog", True)
