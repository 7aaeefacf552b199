"""Lambda has asyncio alone: a few tests, marked with `both_loops`, run on trio as well."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bridge import Proxy
from tests.proxy.programs import Processes, Program, Programs, Proxies, Serve


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


@pytest.fixture
def serve(programs: Programs, proxies: Proxies) -> Serve:
    def make(arguments: Mapping[str, Any] = MappingProxyType({}), /, **options: Any) -> tuple[Program, Proxy]:
        program = programs(**options)
        return program, proxies(program, **arguments)

    return make
