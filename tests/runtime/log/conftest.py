"""The log of a runtime, set up for one test."""

from collections.abc import Iterator

import pytest

from tests.runtime.log_setups import LogSetUps


@pytest.fixture
def set_up() -> Iterator[LogSetUps]:
    made = LogSetUps()
    yield made
    made.end()
