"""The event loop and the log that the properties share."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.fuzz.budget import FACTOR
from tests.fuzz.log import PlainLog


@pytest.fixture
def time_limit() -> int:
    """Return the seconds that one test may run: a property is one test, whatever the number of its cases."""
    return 120 * FACTOR


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def log() -> Iterator[PlainLog]:
    with PlainLog() as log:
        yield log
