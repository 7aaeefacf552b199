"""The margin before its deadline at which an invocation is given up, for the runtime and for Proxy."""

from __future__ import annotations

import re

from bridge.settings_base import refusal

__all__ = ["DEADLINE_MARGIN", "parse_margin", "time_left"]

# In seconds: time to post the answer, and for the service to pass it on.
DEADLINE_MARGIN = 0.25


def parse_margin(value: str) -> float:
    """Return the seconds in the text of BRIDGE_DEADLINE_MARGIN, milliseconds. Raises ConfigurationError."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value.strip()):
        return float(value) / 1000
    raise refusal("deadline_margin (BRIDGE_DEADLINE_MARGIN)", value, "a number of milliseconds, such as '250'")


def time_left(left: float, margin: float) -> tuple[float, float]:
    """Return the seconds until an invocation is given up, and the seconds from then to its deadline.

    `left`: until its deadline. The margin is at most half of that: a request near the deadline is tried, too.
    """
    left = max(0.0, left)
    margin = min(margin, left / 2)
    return left - margin, margin
