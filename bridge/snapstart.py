"""Has this process been restored from a snapshot, or thawed? And whoever wants to know before and after.

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

# By how many seconds wall clock and monotonic clock may drift apart between two looks. Both are slewed alike, so only
# a step of one of them shows: a restore, a thaw, or somebody who sets the time. It is what is left between the 4 s
# that an idle connection is kept and the 5 s after which common servers close theirs.
MAX_DRIFT = 1.0


class RestoreWatch:
    """Knows that the process was restored: once told by a hook, or once its two clocks disagree. Never forgets it.

    `wall` and `monotonic` give seconds.
    """

    __slots__ = ("_monotonic", "_monotonic_before", "_wall", "_wall_before", "restored")

    def __init__(
        self, *, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._wall_before, self._monotonic_before = wall(), monotonic()
        self.restored = False

    def check(self) -> bool:
        """Whether there was a restore, ever. Compares the clocks with those of the last call."""
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
        """There was a restore, and `reason` says how that is known."""
        if not self.restored:
            self.restored = True
            logger.warning(
                "This process was restored from a snapshot or thawed (%s): from now on every request to the web server "
                "gets a connection of its own.",
                reason,
            )


def register_hooks(*, before_snapshot: Callable[[], Any], after_restore: Callable[[], Any]) -> bool:
    """Have Lambda's runtime call these around a snapshot. Whether it can: `snapshot_restore_py` is a part of it.

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
    """Functions and their arguments, in the order in which they were registered, by whomever."""
    registry = sys.modules.get("snapshot_restore_py")  # nobody has registered anything if nobody has imported it
    return [] if registry is None else list(getattr(registry, f"get_{when}")())
