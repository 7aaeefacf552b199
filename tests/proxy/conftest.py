"""Lambda has asyncio alone: a few tests, marked with `both_loops`, run on trio as well."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge import Proxy
from bridge.proxy.process import OriginProcess
from tests.proxy.programs import (
    ENVIRON,
    PATIENCE,
    Processes,
    Program,
    Programs,
    Proxies,
    Serve,
    is_running,
    join_threads,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Programs in one folder. What still runs of them is killed at the end."""
    made: list[Program] = []

    def make(**options: Any) -> Program:
        made.append(Program(tmp_path, **options))
        return made[-1]

    yield make
    for pid in [pid for program in made for pid in program.pids if is_running(pid)]:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a busy machine time to notice the end of a server, and to read its last words."""
    monkeypatch.setattr("bridge.proxy.server.EXIT_NOTICE", PATIENCE)
    monkeypatch.setattr("bridge.proxy.stderr.GRACE", PATIENCE)


@pytest.fixture
def processes(patience: None) -> Iterator[Processes]:
    """Web servers of programs, without a handler. They are ended at the end."""
    made: list[OriginProcess] = []

    def make(program: Program) -> OriginProcess:
        made.append(OriginProcess(program.command, env=ENVIRON))
        return made[-1]

    yield make
    for process in made:
        process.terminate()
        process.kill()
    join_threads()


@pytest.fixture
def proxies(patience: None) -> Iterator[Proxies]:
    """Handlers in front of programs. They are closed at the end."""
    made: list[Proxy] = []

    def make(program: Program, **arguments: Any) -> Proxy:
        given: dict[str, Any] = {"port": program.port, "readiness_path": "/health"} | arguments
        command: list[Any] = [Path(program.command[0]), *program.command[1:]]  # parts may be paths
        made.append(Proxy(command, **given))
        return made[-1]

    yield make
    for handler in made:
        handler.close()
        process = handler._forwarder.origin._process
        if process is not None and process.terminate():
            process.kill()
    join_threads()


@pytest.fixture
def serve(programs: Programs, proxies: Proxies) -> Serve:
    def make(arguments: dict[str, Any] | None = None, /, **options: Any) -> tuple[Program, Proxy]:
        program = programs(**options)
        return program, proxies(program, **arguments or {})

    return make
