"""The size of a result. What takes it refuses one that is too large, and tells the client less than a response can."""

from __future__ import annotations

from bridge._messages import CompleteResponse, header_pairs
from bridge.errors import ResultTooLarge

__all__ = ["MAX_RESULT", "check_size", "may_exceed"]

# In bytes of JSON: 6 MiB and 100 bytes. Lambda refuses a larger result, and a larger stream if it is collected.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESULT = 6_291_556

# The most bytes of JSON that one byte of a response can become ("\u0000"), around each header, and around everything.
_PER_BYTE, _PER_HEADER, _FRAME = 6, 100, 1000


def may_exceed(response: CompleteResponse, limit: int) -> bool:
    """Return whether a result made of `response` may have more than `limit` bytes: most are far from it."""
    pairs = header_pairs(response)
    length = len(response.body)
    for name, value in pairs:
        length += len(name) + len(value)
    return _PER_BYTE * length + _PER_HEADER * len(pairs) + _FRAME > limit


def check_size(size: int, limit: int) -> None:
    """Raise ResultTooLarge if the `size` of a result, in bytes of JSON, is above `limit`."""
    if size <= limit:
        return
    if limit < MAX_RESULT:
        raise ResultTooLarge(f"The result has {size} bytes as JSON, and its service takes {limit} at most. Send less.")
    raise ResultTooLarge(
        f"The result has {size} bytes as JSON, and Lambda takes {limit} at most. Stream it, or send less."
    )
