"""Invocations in the init phase, just before the snapshot: what AWS calls priming.

They leave connections that are as young as can be.
"""

import os
import time
from pathlib import Path
from typing import Any

from snapshot_restore_py import register_before_snapshot  # type: ignore[import-untyped]  # AWS ships no types

from bridge import Handler

# Seconds between two looks at the file that says that the machine is about to be saved.
_INTERVAL = 0.02


def prime_before_snapshot(handler: Handler) -> None:
    """Wait before the snapshot until the file `PRIMING` exists, and then answer one event."""
    if path := os.environ.get("PRIMING"):
        register_before_snapshot(_prime, handler, Path(path))


def _prime(handler: Handler, file: Path) -> None:
    while not file.exists():
        time.sleep(_INTERVAL)
    result = handler(_event(os.environ["PRIMING_METHOD"]), None)
    if result["statusCode"] != 200:
        raise RuntimeError(f"Expected an answer with 200 before the snapshot, but got {result!r}.")


def _event(method: str) -> dict[str, Any]:
    """Return the event of a Function URL."""
    http = {"method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"host": "example.lambda-url.eu-west-1.on.aws"},
        "requestContext": {"domainName": "example.lambda-url.eu-west-1.on.aws", "http": http},
        "isBase64Encoded": False,
    }
