"""Around a snapshot: an application goes on, or is shut down and started again, as Lambda's runtime calls the hooks."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import snapshot_restore_py  # type: ignore[import-untyped]  # AWS ships no types

from bridge import Bridge
from bridge.errors import ShutdownFailed, StartupFailed
from bridge.init_phase import Runtime, set_runtime
from tests.apps import START, Journal, part, sending

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

MakeEvent = Callable[..., dict[str, Any]]
Make = Callable[..., Bridge]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Yield a maker of handlers in a SnapStart environment, which are closed afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    monkeypatch.setattr(snapshot_restore_py, "_before_snapshot_registry", [])
    monkeypatch.setattr(snapshot_restore_py, "_after_restore_registry", [])
    made: list[Bridge] = []

    def make(app: Any, **options: Any) -> Bridge:
        made.append(Bridge(app, **options))
        return made[-1]

    yield make
    for handler in made:
        handler.close()
    signal.signal(signal.SIGTERM, before)


def run_before_snapshot() -> None:
    for function, args, kwargs in reversed(snapshot_restore_py.get_before_snapshot()):
        function(*args, **kwargs)


def run_after_restore() -> None:
    for function, args, kwargs in snapshot_restore_py.get_after_restore():
        function(*args, **kwargs)


@pytest.mark.parametrize("options", [{}, {"snapshot": "keep-lifespan"}], ids=["default", "keep-lifespan"])
def test_an_application_goes_on_and_has_no_hooks(make: Make, make_event: MakeEvent, options: dict[str, Any]) -> None:
    app = Journal()
    handler = make(app, **options)
    assert snapshot_restore_py.get_before_snapshot() == snapshot_restore_py.get_after_restore() == []
    assert handler(make_event(), None)["body"] == "1"
    handler.close()
    assert app.steps == ["startup", "request", "shutdown"]


def test_an_application_is_shut_down_before_and_started_after_on_the_same_event_loop(
    make: Make, make_event: MakeEvent
) -> None:
    loops: set[asyncio.AbstractEventLoop] = set()

    async def keep_loop() -> None:
        loops.add(asyncio.get_running_loop())

    app = Journal(startup=keep_loop, request=keep_loop, shutdown=keep_loop)
    handler = make(app, snapshot="restart-lifespan")
    assert app.steps == ["startup"]
    run_before_snapshot()
    assert app.steps == ["startup", "shutdown"]
    run_after_restore()
    assert app.steps == ["startup", "shutdown", "startup"]
    assert [handler(make_event(), None)["body"] for _ in range(2)] == ["2", "2"]
    handler.close()
    assert app.steps == ["startup", "shutdown", "startup", "request", "request", "shutdown"]
    assert len(loops) == 1


def test_an_application_without_a_lifespan_has_nothing_to_restart(make: Make, make_event: MakeEvent) -> None:
    handler = make(sending(START, part(b"fine")), snapshot="restart-lifespan")
    run_before_snapshot()
    run_after_restore()
    assert handler(make_event(), None)["body"] == "fine"


def test_several_handlers_are_restarted_in_the_order_of_the_hooks(make: Make) -> None:
    steps: list[str] = []

    def journal(name: str) -> Journal:
        async def start() -> None:
            steps.append(f"{name} starts")

        async def stop() -> None:
            steps.append(f"{name} stops")

        return Journal(startup=start, shutdown=stop)

    for name in ("first", "last"):
        make(journal(name), snapshot="restart-lifespan")
    steps.clear()
    run_before_snapshot()
    run_after_restore()
    assert steps == ["last stops", "first stops", "first starts", "last starts"]


def test_a_shutdown_that_fails_fails_the_snapshot(make: Make) -> None:
    app = Journal(shutdown=ConnectionError("no database"))
    handler = make(app, snapshot="restart-lifespan")
    with pytest.raises(ShutdownFailed, match="ConnectionError: no database"):
        run_before_snapshot()
    handler.close()
    assert app.steps == ["startup", "shutdown"]


def test_a_startup_that_fails_fails_the_restore(make: Make) -> None:
    app = Journal()
    handler = make(app, snapshot="restart-lifespan")
    run_before_snapshot()
    app.then["startup"] = ConnectionError("no database")
    with pytest.raises(StartupFailed, match="ConnectionError: no database"):
        run_after_restore()
    handler.close()
    assert app.steps == ["startup", "shutdown", "startup"]


def test_a_handler_that_was_closed_is_left_alone(make: Make) -> None:
    app = Journal()
    make(app, snapshot="restart-lifespan").close()
    run_before_snapshot()
    run_after_restore()
    assert app.steps == ["startup", "shutdown"]


def test_a_handler_made_inside_of_an_event_loop_is_started_for_the_snapshot_alone(
    make: Make, make_event: MakeEvent
) -> None:
    async def make_handler() -> Bridge:
        return make(app, snapshot="restart-lifespan")

    app = Journal()
    handler = asyncio.run(make_handler())
    assert app.steps == []
    run_before_snapshot()
    run_after_restore()
    assert handler(make_event(), None)["body"] == "2"
    assert app.steps == ["startup", "shutdown", "startup", "request"]


def test_a_handler_whose_startup_is_left_to_workers_is_not_started_for_a_snapshot(
    make: Make,
) -> None:
    app = Journal()
    set_runtime(Runtime(can_stream=True, startups=[]))
    make(app, snapshot="restart-lifespan")
    set_runtime(Runtime())
    run_before_snapshot()
    run_after_restore()
    assert app.steps == []


def test_elsewhere_nothing_is_registered(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API")
    make(Journal(), snapshot="restart-lifespan")
    assert snapshot_restore_py.get_before_snapshot() == snapshot_restore_py.get_after_restore() == []
