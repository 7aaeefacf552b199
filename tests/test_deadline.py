"""The margin before a deadline."""

import pytest

from bridge.deadline import parse_margin, time_left
from bridge.errors import ConfigurationError


def test_the_margin_is_at_most_half_of_the_time_that_is_left() -> None:
    assert time_left(60, 0.25) == (59.75, 0.25)
    assert time_left(0.1, 0.25) == (0.05, 0.05)
    assert time_left(0, 0.25) == time_left(-5, 0.25) == (0, 0)
    assert time_left(60, 0) == (60, 0)


def test_the_setting_is_in_milliseconds() -> None:
    assert [parse_margin(text) for text in ("0", " 250 ", "1500.5")] == [0, 0.25, 1.5005]
    for text in ("", "250ms", "-1", "1e3", "inf"):
        with pytest.raises(ConfigurationError, match="BRIDGE_DEADLINE_MARGIN"):
            parse_margin(text)
