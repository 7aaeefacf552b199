"""A double of Lambda's APIs for each test, and runtimes that talk to it."""

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.runtime.invocations.waker import Waker
from tests.runtime.double import RuntimeDouble
from tests.runtime.nursery import Nursery
from tests.runtime.processes import Runtimes
from tests.runtime.slots import Slots


@pytest.fixture
def anyio_backend() -> str:
    """Lambda's runtime has asyncio alone."""
    return "asyncio"


@pytest.fixture
def api_options() -> dict[str, Any]:
    """Arguments of RuntimeDouble; what needs others overrides this, by a parameter or a fixture of its own."""
    return {}


@pytest.fixture
def api(api_options: dict[str, Any]) -> Iterator[RuntimeDouble]:
    with RuntimeDouble(**api_options) as double:
        yield double


@pytest.fixture
def start_runtime(api: RuntimeDouble, tmp_path: Path) -> Iterator[Runtimes]:
    """Yield a function that starts runtimes against `api`; they end before it does."""
    runtimes = Runtimes(tmp_path, api.address)
    yield runtimes
    runtimes.end()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def fork_runtime(api: RuntimeDouble, tmp_path: Path, nursery: Nursery) -> Iterator[Runtimes]:
    """Do as `start_runtime` in a tenth of the time, for tests that are not about the interpreter's start."""
    runtimes = Runtimes(tmp_path, api.address, nursery.start)
    yield runtimes
    runtimes.end()


@pytest.fixture
def slots(api: RuntimeDouble, caplog: pytest.LogCaptureFixture) -> Iterator[Slots]:
    """Starts slots in this process against `api`; they end before it does, with no error that was not looked at."""
    made = Slots(api)
    yield made
    made.end()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@pytest.fixture
def waker() -> Iterator[Waker]:
    made = Waker()
    yield made
    made.close()


@pytest.fixture
def default_sigterm() -> Iterator[None]:
    """Restore SIGTERM's handler after a test. An unhandled SIGTERM would end all tests."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)
