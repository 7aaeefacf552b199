from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.managed import ManagedEmulator, missing_platform_for_managed_instances
from tests.integration.pypi import cache_folder
from tests.integration.rie import Emulator, fetch_emulator, missing_platform
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes

StartEmulator = Callable[..., Emulator]
StartManaged = Callable[..., ManagedEmulator]


@pytest.fixture(scope="session")
def download_cache() -> Path:
    return cache_folder()


@pytest.fixture(scope="session")
def emulator_binary(download_cache: Path) -> Path:
    reason = missing_platform()
    if reason is not None:
        pytest.skip(reason)
    return fetch_emulator(download_cache)


@pytest.fixture
def start_emulator(emulator_binary: Path, tmp_path: Path) -> Iterator[StartEmulator]:
    """`start_emulator("module.handler", VARIABLE="value")`: an execution environment for this test alone.

    With `command=[...]` another runtime than awslambdaric is started, with these arguments.
    """
    with ExitStack() as running:

        def start(handler: str = "", *, command: Sequence[str] | None = None, **environ: str) -> Emulator:
            emulator = Emulator(emulator_binary, handler, tmp_path / "journal", environ, command=command)
            return running.enter_context(emulator)

        yield start


@pytest.fixture
def start_managed(emulator_binary: Path, tmp_path: Path) -> Iterator[StartManaged]:
    """`start_managed([python, "-m", ...], max_concurrency=8, VARIABLE="value")`: many invocations at a time."""
    if reason := missing_platform_for_managed_instances():
        pytest.skip(reason)
    with ExitStack() as running:

        def start(
            command: Sequence[str], *, max_concurrency: int = 8, ready: bool = True, **environ: str
        ) -> ManagedEmulator:
            emulator = ManagedEmulator(
                emulator_binary,
                command,
                max_concurrency=max_concurrency,
                environ=environ,
                journal=tmp_path / "journal",
                ready=ready,
            )
            return running.enter_context(emulator)

        yield start


@pytest.fixture
def api() -> Iterator[RuntimeDouble]:
    """A double of the Runtime API."""
    with RuntimeDouble() as double:
        yield double


@pytest.fixture
def start_runtime(api: RuntimeDouble, tmp_path: Path) -> Iterator[Runtimes]:
    """Starts `python -m bridge.runtime` and others against `api`; they end before it does."""
    runtimes = Runtimes(tmp_path, api.address)
    yield runtimes
    runtimes.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a test has measured, and does not judge: `record_property("printed", text)`."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name == "printed":
                terminalreporter.write_line(f"{report.nodeid}: {value}")
