"""The gateway needs asyncio: its processes and servers are asyncio's."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
