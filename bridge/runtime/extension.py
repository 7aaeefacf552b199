"""An internal extension that does nothing: Lambda sends SIGTERM only to a function that has one.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from bridge.errors import RuntimeApiError
from bridge.runtime.api import OK, check_reply

if TYPE_CHECKING:
    from bridge.runtime.connection import Connection

__all__ = ["NAME", "register"]

logger = logging.getLogger("bridge")

NAME = b"bridge-graceful-shutdown"

_REGISTER = b"/2020-01-01/extension/register"
_NEXT = b"/2020-01-01/extension/event/next"


def register(connection: Connection) -> bool:
    """Register before the first invocation is asked for, and ask for the extension's first event. Whether that worked.

    An extension without events never gets one, so nobody reads the reply: the connection stays open, and is all there
    is of it. One that cannot be registered costs the shutdown, not the function.
    """
    body = json.dumps({"events": []}).encode("ascii")
    headers = [(b"lambda-extension-name", NAME), (b"content-length", b"%d" % len(body))]
    try:
        reply = connection.request_blocking(b"POST", _REGISTER, headers, body)
        check_reply(reply, OK, "the extension that makes Lambda send SIGTERM")
        identifier = reply.headers.get(b"lambda-extension-identifier", b"")
        connection.send_blocking(b"GET", _NEXT, [(b"lambda-extension-identifier", identifier)])
    except RuntimeApiError as exc:
        logger.warning("Without an extension Lambda ends this process with no time for a shutdown: %s", exc)
        return False
    return True
