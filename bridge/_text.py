"""Text that others chose, for one line of the log."""

import re

__all__ = ["one_line"]

# What could forge a line of the log, or command a terminal that shows it.
_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"


def one_line(text: str) -> str:
    """Return `text` with an escape in place of every control character and line separator."""
    return text if text.isprintable() else re.sub(_CONTROL, lambda match: ascii(match[0])[1:-1], text)
