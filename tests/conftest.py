"""Fixtures for all tests, and the limits of each test."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge._loop import OwnLoop

ROOT = Path(__file__).parent.parent

Event = dict[str, Any]

_MORE_NAMES = {
    "ASYNC_INIT",
    "HOST",
    "PORT",
    "REMOVE_BASE_PATH",
    "_BRIDGE_FUNCTION_PROCESS",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run a test on both backends. A module whose subject supports asyncio alone overrides this."""
    backend: str = request.param
    return backend


@pytest.fixture
def time_limit() -> int:
    """Return the seconds that one test may run. A folder of slow tests overrides this."""
    return 120


@pytest.fixture(autouse=True)
def _no_hang(time_limit: int) -> Iterator[None]:
    """Fail a test that hangs, also where no async timeout helps."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def give_up(signum: int, frame: object) -> None:
        pytest.fail(f"The test took longer than {time_limit} s.")

    before = signal.signal(signal.SIGALRM, give_up)
    # Repeatedly, because a test may clean up after the first one, and hang there.
    signal.setitimer(signal.ITIMER_REAL, time_limit, 5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove variables that the package reads: the tests must not depend on the caller's environment."""
    for name in list(os.environ):
        if name.startswith(("AWS_LAMBDA_", "AWS_LWA_", "BRIDGE_", "READINESS_CHECK_")) or name in _MORE_NAMES:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _quick_collections() -> None:
    """Exclude what the imports made from the collections below, which then need milliseconds instead of 0.1 s."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def nothing_unclosed() -> Iterator[None]:
    """Find what a test left open in that test: pytest turns the warnings into failures."""
    yield
    gc.collect()


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    """Yield a handler's own event loop, which is closed afterwards."""
    own = OwnLoop()
    yield own
    own.close()


@pytest.fixture
async def nothing_left(anyio_backend: str) -> AsyncIterator[None]:
    """Check that no task of the package (they all have names) outlives the test, and that nothing is left unclosed."""
    yield
    gc.collect()
    await anyio.wait_all_tasks_blocked()
    assert [task.name for task in anyio.get_running_tasks() if str(task.name).startswith("bridge")] == []


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """Return a function that makes Function URL events, the source that changes a client's request least."""

    def make(method: str = "GET", path: str = "/", **fields: Any) -> Event:
        return {
            "version": "2.0",
            "rawPath": path,
            "headers": {"host": "abc.lambda-url.eu-west-1.on.aws"},
            "requestContext": {
                "domainName": "abc.lambda-url.eu-west-1.on.aws",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            },
            "isBase64Encoded": False,
        } | fields

    return make


@pytest.fixture
def in_thread() -> Iterator[Callable[..., "Future[Any]"]]:
    """Return a function that calls another one in a thread of its own."""
    with ThreadPoolExecutor(max_workers=16) as threads:
        yield threads.submit


@pytest.fixture
def start_python(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Return a function that starts `python` on a piece of code in a new process."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *options: str, **environ: str) -> "subprocess.Popen[str]":
        file = tmp_path / f"main_{len(started)}.py"
        file.write_text(code)
        process = subprocess.Popen(
            [sys.executable, *options, str(file)],
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_python(
    start_python: Callable[..., "subprocess.Popen[str]"],
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs `python` on a piece of code to its end."""

    def run(code: str, *options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        process = start_python(code, *options, **environ)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run
