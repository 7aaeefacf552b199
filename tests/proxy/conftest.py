"""Lambda has asyncio alone: a few tests, marked with `both_loops`, run on trio as well."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
