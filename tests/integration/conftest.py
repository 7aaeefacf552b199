import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.managed import ManagedEmulator, missing_platform_for_managed_instances
from tests.integration.pypi import cache_folder
from tests.integration.rie import Emulator, fetch_emulator, missing_platform
from tests.integration.sample_apps import SAMPLE_APPS
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

StartEmulator = Callable[..., Emulator]
StartManaged = Callable[..., ManagedEmulator]
StartSample = Callable[..., Runtime]


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
    """Yield `start_emulator("module.handler", VARIABLE="value")`, which starts an environment for this test alone.

    `command=[...]` starts another runtime than awslambdaric, with these arguments.
    """
    with ExitStack() as running:

        def start(handler: str = "", *, command: Sequence[str] | None = None, **environ: str) -> Emulator:
            emulator = Emulator(emulator_binary, handler, tmp_path / "journal", environ, command=command)
            return running.enter_context(emulator)

        yield start


@pytest.fixture
def start_managed(emulator_binary: Path, tmp_path: Path) -> Iterator[StartManaged]:
    """`start_managed([python, "-m", ...], max_concurrency=8, VARIABLE="value")` answers invocations concurrently."""
    if reason := missing_platform_for_managed_instances():
        pytest.skip(reason)
    with ExitStack() as running:

        def start(command: Sequence[str], *, max_concurrency: int = 8, **environ: str) -> ManagedEmulator:
            emulator = ManagedEmulator(
                emulator_binary,
                command,
                max_concurrency=max_concurrency,
                environ=environ,
                journal=tmp_path / "journal",
            )
            return running.enter_context(emulator)

        yield start


@pytest.fixture
def api_options() -> dict[str, Any]:
    """Return arguments of RuntimeDouble; a parameter or a fixture of a test's own overrides them."""
    return {}


@pytest.fixture
def api(api_options: dict[str, Any]) -> Iterator[RuntimeDouble]:
    """Return a test double of the Runtime API."""
    with RuntimeDouble(**api_options) as double:
        yield double


@pytest.fixture
def start_runtime(api: RuntimeDouble, tmp_path: Path) -> Iterator[Runtimes]:
    """Return what starts `python -m bridge.runtime` and others with `api`; they end before it does."""
    runtimes = Runtimes(tmp_path, api.address)
    yield runtimes
    runtimes.end()


@pytest.fixture
def start_sample(api: RuntimeDouble) -> Iterator[StartSample]:
    """`start_sample("chat_stream", CHAT_PAUSE="0")` starts the function as its template tells Lambda to do."""
    with ExitStack() as running:

        def start(app: str, **environ: str) -> Runtime:
            template = (SAMPLE_APPS / app / "template.yaml").read_text()
            variables = dict(re.findall(r"^ {10}([A-Z_]+): (\S+)", template, re.MULTILINE))
            (handler,) = re.findall(r"^ {6}Handler: (\S+)", template, re.MULTILINE)
            wrapper = str(SAMPLE_APPS / app) + variables.pop("AWS_LAMBDA_EXEC_WRAPPER").removeprefix("/var/task")
            variables |= {
                "AWS_LAMBDA_FUNCTION_NAME": app,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "LAMBDA_TASK_ROOT": str(SAMPLE_APPS / app),
                "PATH": os.defpath,
                "PYTHONDONTWRITEBYTECODE": "1",
                "_HANDLER": handler,
            }
            command = [wrapper, sys.executable, "/var/runtime/bootstrap.py"]
            runtime = Runtime(command, SAMPLE_APPS / app, variables | environ, ())
            running.callback(runtime.end)
            return runtime

        yield start


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what a test measured without a limit: `record_property("printed", text)`."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name == "printed":
                terminalreporter.write_line(f"{report.nodeid}: {value}")
