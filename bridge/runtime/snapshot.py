"""SnapStart: what happens between the init phase and the first invocation.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html

    startup -> hooks before the snapshot, last registered first -> GET restore/next, in which the snapshot is taken, and
    which returns in every environment that is made of it -> hooks after the restore, first registered first -> next

All of it is synchronous: the handler's event loop rests meanwhile, in the snapshot too.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bridge.errors import Terminated
from bridge.runtime.api.vocabulary import INIT_ERROR, OK, RESTORE_ERROR, RESTORE_NEXT, check_reply
from bridge.snapstart import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.api.connection import Connection

__all__ = ["AFTER_RESTORE_FAILED", "BEFORE_SNAPSHOT_FAILED", "snapshot"]

# The exit codes of AWS's own runtime.
BEFORE_SNAPSHOT_FAILED, AFTER_RESTORE_FAILED = 64, 65


def snapshot(connection: Connection, report: Callable[[BaseException, bytes, str], None]) -> int:
    """Go through it all. The exit code: 0 to go on.

    `report(exc, path, error_type)` logs and posts an error. No connection outlives the snapshot: `connection` is closed
    when its one request is done.
    """
    try:
        for function, args, kwargs in reversed(hooks("before_snapshot")):
            function(*args, **kwargs)
        try:
            check_reply(connection.request_blocking(b"GET", RESTORE_NEXT, []), OK, "the snapshot")
        finally:
            connection.close()
    except (KeyboardInterrupt, Terminated):
        raise
    except BaseException as exc:  # SystemExit too: nobody would say why there is no snapshot
        report(exc, INIT_ERROR, "Runtime.BeforeSnapshotError")
        return BEFORE_SNAPSHOT_FAILED
    try:
        _reseed()
        for function, args, kwargs in hooks("after_restore"):
            function(*args, **kwargs)
    except (KeyboardInterrupt, Terminated):
        raise
    except BaseException as exc:
        report(exc, RESTORE_ERROR, "Runtime.AfterRestoreError")
        return AFTER_RESTORE_FAILED
    return 0


def _reseed() -> None:
    """Every environment of one snapshot would draw the same numbers."""
    random = sys.modules.get("random")
    if random is not None:
        random.seed()
