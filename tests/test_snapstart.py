"""RestoreWatch: two clocks that disagree are a restore. register_hooks, hooks: the functions around a snapshot."""

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.proxy.settings import POOL_IDLE_TIMEOUT
from bridge.snapstart import MAX_DRIFT, RestoreWatch, hooks, register_hooks
from tests.logged import assert_logged

# Far from zero and not whole numbers, as clocks are; binary fractions, so that sums are exact.
WALL = 1_750_000_000.25
MONOTONIC = 4096.5


class Clocks:
    """Both clocks, which the test moves."""

    def __init__(self) -> None:
        self.wall, self.monotonic = WALL, MONOTONIC

    def go(self, wall: float, monotonic: float) -> None:
        self.wall += wall
        self.monotonic += monotonic

    def watch(self) -> RestoreWatch:
        return RestoreWatch(wall=lambda: self.wall, monotonic=lambda: self.monotonic)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


NO_RESTORE = {
    "no time passes": (0.0, 0.0),
    "both go forward alike": (3.0, 3.0),
    "both go forward alike, for a day": (86400.0, 86400.0),
    "both go forward alike, for a moment": (2.0**-20, 2.0**-20),
    "the wall clock is ahead, exactly at the limit": (11.0, 10.0),
    "the wall clock is late, exactly at the limit": (9.0, 10.0),
    "the wall clock stands still, exactly at the limit": (0.0, 1.0),
    "the wall clock is set back, exactly at the limit": (-1.0, 0.0),
    "the monotonic clock stands still, exactly at the limit": (1.0, 0.0),
}

RESTORE = {
    "the monotonic clock goes back, the wall clock forward": (5.0, -3.0),
    "the monotonic clock goes back, the wall clock stands still": (0.0, -3.0),
    "the monotonic clock goes back, the wall clock as far": (-3.0, -3.0),
    "the monotonic clock goes back a moment": (0.0, -(2.0**-10)),
    "the monotonic clock stands still, the wall clock goes forward": (3600.0, 0.0),
    "the monotonic clock jumps forward, the wall clock stands still": (0.0, 3600.0),
    "the monotonic clock jumps forward, the wall clock goes on": (0.25, 3600.0),
    "the wall clock jumps forward, the monotonic clock goes on": (3600.0, 0.25),
    "the wall clock goes back, the monotonic clock goes on": (-3600.0, 0.25),
    "both go forward, the wall clock further": (161.0, 0.5),
    "both go forward, the monotonic clock further": (0.5, 161.0),
    "the wall clock is ahead, just beyond the limit": (11.0 + 2.0**-10, 10.0),
    "the wall clock is late, just beyond the limit": (9.0 - 2.0**-10, 10.0),
    "the wall clock has no sense any more": (math.inf, 1.0),
}


def test_clocks_that_agree_are_not_a_restore(caplog: pytest.LogCaptureFixture) -> None:
    for case, (wall, monotonic) in NO_RESTORE.items():
        clocks = Clocks()
        watch = clocks.watch()
        clocks.go(wall, monotonic)
        assert (watch.check(), watch.restored, caplog.messages) == (False, False, []), case


def test_clocks_that_disagree_are_a_restore_and_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    for case, (wall, monotonic) in RESTORE.items():
        for quiet_checks in (0, 3):
            clocks = Clocks()
            watch = clocks.watch()
            for _ in range(quiet_checks):
                clocks.go(2.5, 2.5)
                assert not watch.check()
            clocks.go(wall, monotonic)
            assert (watch.check(), watch.restored) == (True, True), case
            assert_logged(caplog, ("WARNING", f"wall clock went {wall:+.3f} s", f"monotonic clock {monotonic:+.3f} s"))
            caplog.clear()


def test_the_limit_is_the_time_that_idle_connections_have_left_until_servers_close_them() -> None:
    assert MAX_DRIFT == 5.0 - POOL_IDLE_TIMEOUT


def test_each_check_starts_from_the_one_before_so_that_slow_drift_does_not_count(clocks: Clocks) -> None:
    watch = clocks.watch()
    for _ in range(10):
        clocks.go(10.75, 10.0)
        assert not watch.check()


def test_a_restore_is_never_forgotten_and_told_once(clocks: Clocks, caplog: pytest.LogCaptureFixture) -> None:
    watch = clocks.watch()
    clocks.go(3600.0, 0.0)
    assert [watch.check() for _ in range(3)] == [True] * 3
    clocks.go(5.0, 5.0)
    assert watch.check()
    clocks.go(-3600.0, -3600.0)
    assert watch.check()
    watch.tell("the runtime said so")
    assert len(caplog.messages) == 1


def test_a_hook_that_tells_of_a_restore_is_believed_whatever_the_clocks_say(
    clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    watch = clocks.watch()
    assert not watch.check()
    watch.tell("the runtime said so")
    assert (watch.restored, watch.check()) == (True, True)
    watch.tell("and again")
    clocks.go(3600.0, 0.0)
    assert watch.check()
    assert_logged(caplog, ("WARNING", "the runtime said so"))


def test_once_restored_the_clocks_are_not_read_any_more(clocks: Clocks) -> None:
    reads: list[str] = []

    def read(name: str) -> Callable[[], float]:
        def clock() -> float:
            reads.append(name)
            return 0.0

        return clock

    watch = RestoreWatch(wall=read("wall"), monotonic=read("monotonic"))
    watch.check()
    watch.tell("the runtime said so")
    before = list(reads)
    watch.check()
    assert (before, reads) == (["wall", "monotonic"] * 2, before)


@pytest.fixture
def registered() -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield the hooks before a snapshot and after a restore. They are empty at first, and restored afterwards."""
    package = importlib.import_module("snapshot_restore_py")
    registries = package.get_before_snapshot(), package.get_after_restore()
    kept = [list(registry) for registry in registries]
    for registry in registries:
        registry.clear()
    yield registries
    for registry, entries in zip(registries, kept, strict=True):
        registry[:] = entries


def run_all(registry: list[Any]) -> None:
    """Run all hooks, as the runtime does."""
    for function, args, kwargs in registry:
        function(*args, **kwargs)


def test_the_hooks_are_what_the_runtime_calls_around_a_snapshot(registered: tuple[list[Any], list[Any]]) -> None:
    calls: list[str] = []
    assert register_hooks(before_snapshot=lambda: calls.append("before"), after_restore=lambda: calls.append("after"))
    before, after = registered
    assert (len(before), len(after), calls) == (1, 1, [])
    run_all(before)
    assert calls == ["before"]
    run_all(after)
    assert calls == ["before", "after"]


def test_without_the_runtimes_package_nothing_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    assert register_hooks(before_snapshot=lambda: None, after_restore=lambda: None) is False


@pytest.mark.usefixtures("registered")
def test_the_hooks_are_those_of_all_in_the_order_of_their_registration() -> None:
    package = importlib.import_module("snapshot_restore_py")

    def before() -> None:
        """Of ours."""

    def after() -> None:
        """Of ours."""

    package.register_before_snapshot(print, "one", sep="")
    register_hooks(before_snapshot=before, after_restore=after)
    package.register_after_restore(print, "two", end="")
    assert hooks("before_snapshot") == [(print, ("one",), {"sep": ""}), (before, (), {})]
    assert hooks("after_restore") == [(after, (), {}), (print, ("two",), {"end": ""})]


def test_the_hooks_may_be_changed_while_they_run(registered: tuple[list[Any], list[Any]]) -> None:
    """They are a copy: one that registers another, as a lazily imported module does, changes the next copy."""
    package = importlib.import_module("snapshot_restore_py")
    package.register_before_snapshot(package.register_before_snapshot, print)
    run_all(hooks("before_snapshot"))
    assert len(hooks("before_snapshot")) == len(registered[0]) == 2


def test_without_an_import_of_the_runtimes_package_there_are_no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "snapshot_restore_py", raising=False)
    assert hooks("before_snapshot") == hooks("after_restore") == []
    assert "snapshot_restore_py" not in sys.modules
