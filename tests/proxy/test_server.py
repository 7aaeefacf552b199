"""The web server's whole life: its start, the wait until it is ready, its end."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge.errors import OriginLost, OriginNotStarted
from bridge.proxy.process import OriginProcess
from bridge.proxy.server import Origin
from bridge.proxy.settings import OriginSettings
from bridge.proxy.transport import SocketTransport
from tests.logged import assert_logged
from tests.proxy.origins import LIMIT, both_loops
from tests.proxy.programs import Program, Programs, is_running, join_threads, wait_until_ended

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

Make = Callable[..., Origin]

# A limit, in seconds, for what never happens.
GRACE = 0.1


@pytest.fixture
async def make(patience: None) -> AsyncIterator[Make]:
    """Origins that are shut down with the test."""
    made: list[Origin] = []

    def origin(program: Program, *, started: bool = True, **settings: Any) -> Origin:
        given: dict[str, Any] = {"host": "127.0.0.1", "port": program.port, "readiness_path": "/health"} | settings
        own = OriginSettings(**given)
        server, probe = (SocketTransport(**each._asdict()) for each in (own.address, own.readiness_address))
        process = OriginProcess(program.command, env=dict(os.environ)) if started else None
        made.append(Origin(own, process, server=server, probe=probe))
        return made[-1]

    yield origin
    for one in made:
        await one.shutdown()
    join_threads()


async def until(is_so: Callable[[], object]) -> None:
    with anyio.fail_after(LIMIT):
        while not is_so():  # noqa: ASYNC110  # what another process does
            await anyio.sleep(0.005)


async def end(origin: Origin, program: Program, number: int = 1) -> None:
    """End the `number`th server from outside, and wait until that was noticed."""
    assert origin._process is not None
    exits = origin._process.exits
    os.kill(program.wait_for("start", number)["pid"], signal.SIGKILL)
    await until(lambda: origin._process is not None and origin._process.exits == exits + 1)


@both_loops
async def test_startup_waits_until_the_server_answers(make: Make, programs: Programs, tmp_path: Path) -> None:
    program = programs(listen_when=tmp_path / "listen", unhealthy=2)
    origin = make(program)
    async with anyio.create_task_group() as group:
        group.start_soon(origin.startup)
        await until(lambda: program.records("start"))
        assert program.records("connected") == []
        (tmp_path / "listen").touch()
    assert program.targets == ["GET /health"] * 3
    await origin.ready()
    assert program.targets == ["GET /health"] * 3


@both_loops
async def test_a_server_that_exits_ends_the_wait_with_its_last_words(make: Make, programs: Programs) -> None:
    for settings in ({"readiness_timeout": 0}, {"async_init": True}):
        program = programs(says=["Traceback:", "ModuleNotFoundError: shop"], exit=3)
        with pytest.raises(OriginNotStarted, match=r"(?s)status 3.*Traceback:\n.*ModuleNotFoundError: shop"):
            await make(program, **settings).startup()
        assert len(program.records("start")) == 1
    join_threads()


async def test_a_server_that_goes_into_the_background_is_ended_with_what_to_do(make: Make, programs: Programs) -> None:
    program = programs(child="daemon", exit=0)
    with pytest.raises(OriginNotStarted, match=r"status 0.*must stay in the foreground"):
        await make(program).startup()
    assert [pid for pid in program.pids if is_running(pid)] == []


async def test_one_that_is_not_ready_in_time_is_ended(make: Make, programs: Programs, tmp_path: Path) -> None:
    program = programs(listen_when=tmp_path / "never", child="idle")
    with pytest.raises(OriginNotStarted, match=r"not ready within 0\.1 s"):
        await make(program, readiness_timeout=GRACE).startup()
    wait_until_ended(*program.pids)
    join_threads()


async def test_a_cancelled_startup_leaves_nothing_running(make: Make, programs: Programs, tmp_path: Path) -> None:
    program = programs(listen_when=tmp_path / "never")
    async with anyio.create_task_group() as group:
        group.start_soon(make(program).startup)
        await until(lambda: program.records("start"))
        group.cancel_scope.cancel()
    wait_until_ended(*program.pids)
    join_threads()


async def test_with_async_init_a_slow_server_is_waited_for_by_the_first_request(
    make: Make, programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bridge.proxy.settings.INIT_LIMIT", GRACE)
    program = programs(listen_when=tmp_path / "listen")
    origin = make(program, async_init=True)
    await origin.startup()
    assert_logged(caplog, ("WARNING", "not ready yet", "first request"))
    async with anyio.create_task_group() as group:
        group.start_soon(origin.ready)
        await until(lambda: program.records("start"))
        (tmp_path / "listen").touch()
    assert program.targets == ["GET /health"]
    # From now on an exit is one of a server that was ready: it is started again.
    await end(origin, program)
    await until(lambda: len(program.records("start")) == 2)
    await origin.ready()


async def test_a_server_that_ends_after_an_unfinished_startup_ends_the_environment(
    make: Make, programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bridge.proxy.settings.INIT_LIMIT", GRACE)
    program = programs(says=["no disk"], listen_when=tmp_path / "never")
    origin = make(program, async_init=True)
    await origin.startup()
    await end(origin, program)
    with anyio.fail_after(LIMIT), pytest.raises(OriginLost, match=r"(?s)before it was ready.*SIGKILL.*no disk"):
        await origin.ready()


async def test_a_failed_request_is_told_that_the_server_is_lost(make: Make, programs: Programs) -> None:
    program = programs(again={"unhealthy": 0})
    origin = make(program)
    await origin.startup()
    await end(origin, program)
    await origin.check_after_failure()  # started again: no more than a broken request
    await until(lambda: len(program.records("listening")) == 2)
    await origin.ready()
    # Its sockets are closed a moment before a server's end is known.
    process = origin._process
    assert process is not None
    os.kill(program.pids[1], signal.SIGKILL)
    await until(lambda: process.is_ending)
    with pytest.raises(OriginLost):
        await origin.check_after_failure()


async def test_a_failed_request_of_a_server_that_still_listens_is_told_so_without_a_wait(
    make: Make, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.proxy.server.EXIT_NOTICE", 3600)
    program = programs()
    origin = make(program)
    await origin.startup()
    with anyio.fail_after(LIMIT):
        await origin.check_after_failure()


async def test_a_server_that_does_not_stop_is_killed_after_a_grace_in_a_cancelled_scope_too(
    make: Make, programs: Programs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bridge.proxy.server.STOP_GRACE", GRACE)
    for is_cancelled in (False, True):
        caplog.clear()
        program = programs(ignore_sigterm=True)
        origin = make(program)
        await origin.startup()
        with anyio.CancelScope() as scope:
            if is_cancelled:
                scope.cancel()
            await origin.shutdown()
        wait_until_ended(*program.pids)
        assert_logged(caplog, ("WARNING", "killed"))


async def test_an_origin_that_was_shut_down_can_be_started_again(make: Make, programs: Programs) -> None:
    program = programs()
    origin = make(program)
    await origin.startup()
    await end(origin, program)  # its one restart, which the next start has again
    await until(lambda: len(program.records("listening")) == 2)
    await origin.ready()
    await origin.shutdown()
    await origin.startup()
    await end(origin, program, 3)
    await until(lambda: len(program.records("listening")) == 4)
    await origin.ready()
    assert [is_running(pid) for pid in program.pids] == [False, False, False, True]


async def test_a_failed_startup_can_be_tried_again(make: Make, programs: Programs, tmp_path: Path) -> None:
    program = programs(listen_when=tmp_path / "listen")
    link = tmp_path / "python"
    program.command[0] = str(link)
    origin = make(program, readiness_timeout=LIMIT)
    with pytest.raises(OriginNotStarted, match="could not be started"):
        await origin.startup()
    link.symlink_to(sys.executable)
    with socket.create_server(("127.0.0.1", program.port)), pytest.raises(OriginNotStarted, match="listens"):
        await origin.startup()
    with pytest.raises(TimeoutError), anyio.fail_after(GRACE):
        await origin.startup()
    (tmp_path / "listen").touch()
    await origin.startup()
    assert origin.is_ready
    assert [is_running(pid) for pid in program.pids] == [False] * (len(program.pids) - 1) + [True]


async def test_a_server_that_is_forgotten_ends(programs: Programs) -> None:
    program = programs(child="daemon")
    settings = OriginSettings(host="127.0.0.1", port=program.port, readiness_path="/health")
    probe = SocketTransport(host="127.0.0.1", port=program.port)
    origin = Origin(settings, OriginProcess(program.command, env=dict(os.environ)), server=probe, probe=probe)
    await origin.startup()
    del origin
    gc.collect()
    join_threads()
    assert not any(map(is_running, program.pids))


# A task that is cancelled itself, which no anyio scope shields from.


async def test_a_shutdown_that_is_cancelled_itself_kills_the_server(make: Make, programs: Programs) -> None:
    program = programs(ignore_sigterm=True)
    origin = make(program)
    await origin.startup()
    stopping = asyncio.create_task(origin.shutdown())
    await anyio.wait_all_tasks_blocked()
    await asyncio.sleep(0.05)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    wait_until_ended(*program.pids)
    join_threads()
