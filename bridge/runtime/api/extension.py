"""An internal extension without events: Lambda sends SIGTERM only to a function that has an extension.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from bridge.errors import RuntimeApiError
from bridge.runtime.api.vocabulary import check_reply

if TYPE_CHECKING:
    from bridge.runtime.api.connection import Connection

__all__ = ["NAME", "Extension"]

logger = logging.getLogger("bridge")

NAME = b"bridge-graceful-shutdown"

_REGISTER = b"/2020-01-01/extension/register"
_NEXT = b"/2020-01-01/extension/event/next"


class Extension:
    """The extension, registered before the function's module is imported.

    The reply to its request for an event is never read, because there are no events: it lives as long as the
    connection. If it cannot be registered, the function works, but without a shutdown.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def register(self) -> bool:
        """Register it and ask for an event. Return whether it is registered; log a warning if it is not."""
        body = json.dumps({"events": []}).encode("ascii")
        headers = [(b"lambda-extension-name", NAME), (b"content-length", b"%d" % len(body))]
        try:
            reply = self._connection.request_blocking(b"POST", _REGISTER, headers, body)
            check_reply(reply, "the extension that makes Lambda send SIGTERM")
            identifier = reply.headers.get(b"lambda-extension-identifier", b"")
            self._connection.send_blocking(b"GET", _NEXT, [(b"lambda-extension-identifier", identifier)])
        except RuntimeApiError as exc:
            self.close()
            logger.warning("Without an extension Lambda ends this process with no time for a shutdown: %s", exc)
            return False
        return True

    def close(self) -> None:
        """Close the connection, which ends the extension. Idempotent."""
        self._connection.close()
