"""SnapStart: the hooks before the snapshot and after the restore, between the init phase and the first invocation.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html

    1. the startup of the application
    2. the hooks before the snapshot, last registered first
    3. GET restore/next: Lambda takes the snapshot during this request, which returns in each restored environment
    4. the hooks after the restore, first registered first
    5. GET invocation/next

All of it is synchronous: the handler's event loop does not run meanwhile.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bridge.runtime.api.vocabulary import INIT_ERROR, RESTORE_ERROR, RESTORE_NEXT, check_reply
from bridge.runtime.invocations.waker import succeeds
from bridge.snapstart import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.api.connection import Connection

__all__ = ["AFTER_RESTORE_FAILED", "BEFORE_SNAPSHOT_FAILED", "snapshot"]

# In bytes: the strength of OpenSSL's generator.
_SEED_SIZE = 32

# The exit codes of AWS's own runtime.
BEFORE_SNAPSHOT_FAILED, AFTER_RESTORE_FAILED = 64, 65


def snapshot(connection: Connection, report: Callable[[BaseException, bytes, str], None]) -> int:
    """Run steps 2 to 4, and return the exit code: 0 to go on.

    `report(exc, path, error_type)` logs and posts an error. No connection may outlive the snapshot, so `connection` is
    closed after its one request.
    """
    if not succeeds(lambda: _take(connection), lambda exc: report(exc, INIT_ERROR, "Runtime.BeforeSnapshotError")):
        return BEFORE_SNAPSHOT_FAILED
    if not succeeds(_restore, lambda exc: report(exc, RESTORE_ERROR, "Runtime.AfterRestoreError")):
        return AFTER_RESTORE_FAILED
    return 0


def _take(connection: Connection) -> None:
    for function, args, kwargs in reversed(hooks("before_snapshot")):
        function(*args, **kwargs)
    try:
        check_reply(connection.request_blocking(b"GET", RESTORE_NEXT, []), "the snapshot")
    finally:
        connection.close()


def _restore() -> None:
    _reseed()
    for function, args, kwargs in hooks("after_restore"):
        function(*args, **kwargs)


def _reseed() -> None:
    """Seed `random` and OpenSSL again: all environments of one snapshot would draw the same numbers, and the same keys.

    The kernel seeds itself. From there come `os.urandom`, `secrets`, `uuid.uuid4`, and the seeds here.
    """
    if random := sys.modules.get("random"):
        random.seed()
    if ssl := sys.modules.get("ssl"):  # OpenSSL notices a fork, but not a restore
        ssl.RAND_add(os.urandom(_SEED_SIZE), _SEED_SIZE)
