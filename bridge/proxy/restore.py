"""The decision whether a connection may be used again: after a restore from a snapshot, none may.

httpcore ages idle connections on the monotonic clock. A SnapStart restore makes that clock inconsistent: a connection
that died with the snapshot looks as if it had just been used, and the first request on it fails
(https://github.com/awslabs/aws-lambda-web-adapter/issues/671).
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.settings import initialization_type
from bridge.snapstart import RestoreWatch

__all__ = ["NEVER_AGAIN", "ConnectionPolicy", "connection_policy"]


class ConnectionPolicy:
    """The policy that decides whether a request may use a connection of an earlier request.

    `idle_timeout`: how long such a connection may have been idle, in seconds; 0 gives every request a connection of
    its own. So does `restored`, once it returns True: then the age of a connection is not known any more.
    """

    __slots__ = ("_restored", "idle_timeout")

    def __init__(self, *, idle_timeout: float, restored: Callable[[], bool] = bool) -> None:
        self.idle_timeout = idle_timeout
        self._restored = restored

    def may_reuse(self) -> bool:
        """Return whether this request may use an old connection. Call it once for each request."""
        return self.idle_timeout > 0 and not self._restored()


NEVER_AGAIN = ConnectionPolicy(idle_timeout=0)


def connection_policy(idle_timeout: float, watch: RestoreWatch) -> ConnectionPolicy:
    """Return the policy of this environment.

    Under SnapStart no connection outlives its request, from the first one on: a snapshot may come at any time.
    """
    if initialization_type() == "snap-start":
        return NEVER_AGAIN
    return ConnectionPolicy(idle_timeout=idle_timeout, restored=watch.check)
