"""What the invoke API refuses, in the shape of Lambda's own errors."""

from __future__ import annotations

import json

from starlette.responses import Response

from bridge.local.answer import Answer

__all__ = ["InvokeRefused", "unless_throttled"]

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html: what has its message under "Message". All others have
# it under "message". The second is not in the API's model, but in what callers have got.
_CAPITAL = frozenset({"ResourceNotFoundException", "RequestEntityTooLargeException"})


class InvokeRefused(Exception):
    """Raised for what the API refuses: a status, the name of an error, and why. `more`: fields of its document."""

    def __init__(self, status: int, name: str, message: str, **more: str) -> None:
        super().__init__(message)
        key = "Message" if name in _CAPITAL else "message"
        content = json.dumps({"Type": "User", key: message, **more})
        self.response = Response(content, status, {"x-amzn-errortype": name}, "application/json")


def unless_throttled(answer: Answer) -> None:
    """Raises InvokeRefused if no environment was free for an invocation."""
    failure = answer.failure
    if failure is not None and failure.is_throttled:
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        raise InvokeRefused(429, failure.error_type, failure.message, Reason=reason)
