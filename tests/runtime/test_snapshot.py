"""Around a snapshot: the order of the hooks, the end of the connection before it, and the reports of failures."""

import random
import ssl
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import snapshot_restore_py  # type: ignore[import-untyped]  # AWS ships no types

from bridge.errors import Terminated
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.vocabulary import INIT_ERROR, RESTORE_ERROR
from bridge.runtime.snapshot import AFTER_RESTORE_FAILED, BEFORE_SNAPSHOT_FAILED, snapshot
from tests.runtime.double import RuntimeDouble

Reports = list[tuple[BaseException, bytes, str]]
Go = Callable[[], "Future[int]"]


@pytest.fixture
def api_options() -> dict[str, Any]:
    return {"snapstart": True}


@pytest.fixture(autouse=True)
def _no_hooks() -> Iterator[None]:
    """Remove the hooks of other tests during each test."""
    registries = [snapshot_restore_py.get_before_snapshot(), snapshot_restore_py.get_after_restore()]
    before = [list(registry) for registry in registries]
    for registry in registries:
        registry.clear()
    yield
    for registry, hooks in zip(registries, before, strict=True):
        registry[:] = hooks


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
def go(api: RuntimeDouble, reports: Reports) -> Iterator[Go]:
    """Go through it all in a thread, which has the exit code."""

    def report(exc: BaseException, path: bytes, error_type: str) -> None:
        reports.append((exc, path, error_type))

    def run() -> int:
        connection = Connection(parse_address(api.address), user_agent="test")
        code = snapshot(connection, report)
        assert not connection.is_open
        return code

    with ThreadPoolExecutor() as threads:
        yield lambda: threads.submit(run)


def test_hooks_run_in_reverse_order_before_the_snapshot_and_in_order_after_the_restore(
    api: RuntimeDouble, go: Go, reports: Reports
) -> None:
    calls: list[tuple[str, int, int]] = []

    def hook(name: str, number: int, *, times: int) -> None:
        calls.append((name, number, times))

    for number in range(3):
        snapshot_restore_py.register_before_snapshot(hook, "before", number, times=1)
        snapshot_restore_py.register_after_restore(hook, "after", number, times=2)
    going = go()
    assert api.wait_for_snapshot() == 0
    assert calls == [("before", 2, 1), ("before", 1, 1), ("before", 0, 1)]
    assert not going.done()
    api.restore()
    assert going.result() == 0
    assert calls[3:] == [("after", 0, 2), ("after", 1, 2), ("after", 2, 2)]
    assert reports == []
    api.wait_until_left()


def test_without_hooks_or_their_library_there_is_a_snapshot_too(
    api: RuntimeDouble, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "snapshot_restore_py")
    going = go()
    api.restore()
    assert going.result() == 0


def test_environments_of_one_snapshot_draw_numbers_of_their_own(api: RuntimeDouble, go: Go) -> None:
    random.seed(1)
    before = random.getstate()
    drawn: list[float] = []
    snapshot_restore_py.register_after_restore(lambda: drawn.append(random.random()))
    going = go()
    api.restore()
    going.result()
    random.setstate(before)
    assert drawn != [random.random()]


def test_environments_of_one_snapshot_make_keys_of_their_own(
    api: RuntimeDouble, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[tuple[bytes, float]] = []
    monkeypatch.setattr(ssl, "RAND_add", lambda seed, entropy: seeds.append((seed, entropy)))
    snapshot_restore_py.register_after_restore(lambda: seeds.append((b"the hooks", 0)))
    going = go()
    api.restore()
    going.result()
    (seed, entropy), hooks = seeds
    assert (len(seed), entropy, hooks) == (32, 32, (b"the hooks", 0))


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [ValueError("no database"), SystemExit(3)], ids=repr)
def test_a_hook_that_fails_before_the_snapshot_is_reported_and_the_rest_is_left(
    api: RuntimeDouble, go: Go, reports: Reports, error: BaseException
) -> None:
    calls: list[str] = []
    snapshot_restore_py.register_before_snapshot(calls.append, "first")
    snapshot_restore_py.register_before_snapshot(fail, error)
    snapshot_restore_py.register_before_snapshot(calls.append, "last")
    snapshot_restore_py.register_after_restore(calls.append, "after")
    assert go().result() == BEFORE_SNAPSHOT_FAILED == 64
    assert reports == [(error, INIT_ERROR, "Runtime.BeforeSnapshotError")]
    assert calls == ["last"]
    assert api.requests == []


@pytest.mark.parametrize("error", [ValueError("no database"), SystemExit(3)], ids=repr)
def test_a_hook_that_fails_after_the_restore_is_reported_and_the_rest_is_left(
    api: RuntimeDouble, go: Go, reports: Reports, error: BaseException
) -> None:
    calls: list[str] = []
    snapshot_restore_py.register_after_restore(calls.append, "first")
    snapshot_restore_py.register_after_restore(fail, error)
    snapshot_restore_py.register_after_restore(calls.append, "last")
    going = go()
    api.restore()
    assert going.result() == AFTER_RESTORE_FAILED == 65
    assert reports == [(error, RESTORE_ERROR, "Runtime.AfterRestoreError")]
    assert calls == ["first"]


@pytest.mark.parametrize("register", ["register_before_snapshot", "register_after_restore"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated(0)], ids=lambda error: type(error).__name__)
def test_what_ends_the_process_from_outside_is_no_failure_of_a_hook(
    api: RuntimeDouble, go: Go, reports: Reports, register: str, error: BaseException
) -> None:
    getattr(snapshot_restore_py, register)(fail, error)
    going = go()
    if register == "register_after_restore":
        api.restore()
    with pytest.raises((KeyboardInterrupt, Terminated)):
        going.result()
    assert reports == []
