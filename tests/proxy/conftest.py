"""Lambda has asyncio alone: a few tests, marked with `both_loops`, run on trio as well."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy.programs import Processes, Programs, Proxies


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    yield made
    made.end()


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    made.end()


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxies]:
    monkeypatch.setattr("bridge.proxy.server.EXIT_NOTICE", 30.0)  # on a busy machine too an end is noticed in time
    made = Proxies()
    yield made
    made.end()
