"""A double of Lambda's APIs for each test, and runtimes that talk to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes


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
    """Starts runtimes against `api`; they end before it does."""
    runtimes = Runtimes(tmp_path, api.address)
    yield runtimes
    runtimes.end()
