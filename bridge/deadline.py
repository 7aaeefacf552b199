"""The moment at which an invocation is given up, a margin before its deadline: for handlers, the runtime and Proxy."""

from __future__ import annotations

import math
import re
from typing import Any

from bridge.settings_base import refusal

__all__ = [
    "BLOCKED_AFTER",
    "DEADLINE_MARGIN",
    "GRACE_SHARE",
    "NO_END",
    "NO_RESULT",
    "parse_margin",
    "remaining_seconds",
    "time_left",
]

# In seconds: time to post the answer, and for the service to pass it on.
DEADLINE_MARGIN = 0.25

# How long an application that was cancelled may clean up: as a part of the margin that is left then, because the answer
# has to be posted, too.
GRACE_SHARE = 0.4

# How late the event loop may be when an invocation is given up, in seconds, before it counts as blocked: longer than a
# busy machine needs, and shorter than the default margin.
BLOCKED_AFTER = 0.1

# The text of DeadlineExceeded, and that of the log where an application does not end.
NO_RESULT = "There was no result, and the deadline is near."
NO_END = "The application was cancelled, but does not end. The next invocation goes on beside it."


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


def remaining_seconds(context: Any) -> float | None:
    """Return how long until the deadline of an invocation; None where its Lambda context does not tell."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    try:
        milliseconds = remaining() if callable(remaining) else None
    except Exception:  # of a context that a user's test has made
        return None
    if isinstance(milliseconds, int | float) and math.isfinite(milliseconds):
        return milliseconds / 1000
    return None
