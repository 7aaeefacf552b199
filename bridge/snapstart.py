"""SnapStart: the detection of a restore or thaw, and the runtime's hooks around a snapshot.

A client that pools connections ages the idle ones on the monotonic clock. A SnapStart restore makes that clock
inconsistent: a connection that died with the snapshot looks as if it had just been used, and the first request on it
fails (aws/aws-lambda-web-adapter#671, hyperium/hyper#3810, rust-lang/rust#79462).
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

__all__ = ["RestoreWatch", "hooks", "register_hooks"]

logger = logging.getLogger("bridge")

# How far the wall clock and the monotonic clock may differ between two checks, in seconds. Both are slewed alike, so a
# larger difference is a step of one of them: a restore, a thaw, or a change of the time. It is the difference between
# the 4 s for which an idle connection is kept and the 5 s after which common servers close theirs.
MAX_DRIFT = 1.0


class RestoreWatch:
    """Detects a restore of this process: a hook says so, or the two clocks disagree. It stays detected.

    `wall` and `monotonic` return seconds.
    """

    __slots__ = ("_monotonic", "_monotonic_before", "_wall", "_wall_before", "restored")

    def __init__(
        self, *, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._wall_before, self._monotonic_before = wall(), monotonic()
        self.restored = False

    def check(self) -> bool:
        """Return whether there was ever a restore. Compares the clocks with those of the last call."""
        if self.restored:
            return True
        wall, monotonic = self._wall(), self._monotonic()
        passed = monotonic - self._monotonic_before
        drift = (wall - self._wall_before) - passed
        self._wall_before, self._monotonic_before = wall, monotonic
        if passed < 0 or not -MAX_DRIFT <= drift <= MAX_DRIFT:
            self.tell(f"the wall clock went {passed + drift:+.3f} s and the monotonic clock {passed:+.3f} s")
        return self.restored

    def tell(self, reason: str) -> None:
        """Record a restore, and log it with `reason`, which says how it is known."""
        if not self.restored:
            self.restored = True
            logger.warning(
                "This process was restored from a snapshot or thawed (%s): from now on every request to the web server "
                "gets a connection of its own.",
                reason,
            )


def register_hooks(*, before_snapshot: Callable[[], Any], after_restore: Callable[[], Any]) -> bool:
    """Have Lambda's runtime call these around a snapshot. Return False where it does not offer that.

    https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
    """
    try:
        import snapshot_restore_py  # type: ignore[import-untyped]  # AWS ships no types
    except ImportError:
        return False
    snapshot_restore_py.register_before_snapshot(before_snapshot)
    snapshot_restore_py.register_after_restore(after_restore)
    return True


def hooks(
    when: Literal["before_snapshot", "after_restore"],
) -> list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]:
    """Return the registered functions and their arguments, in the order of their registration."""
    registry = sys.modules.get("snapshot_restore_py")  # without that import, nothing was registered
    return [] if registry is None else list(getattr(registry, f"get_{when}")())
