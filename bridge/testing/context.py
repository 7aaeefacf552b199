"""The Lambda context of a call outside of Lambda."""

from __future__ import annotations

import time
import uuid
from typing import Any

from bridge.testing.setup import ACCOUNT, REGION

__all__ = ["LambdaContext"]

# Lambda's own default is 3 s, which a debugger would soon exceed: the timeout of a function behind a REST API.
_TIMEOUT = 29.0


class LambdaContext:
    """A context with the attributes of Lambda's own. `timeout`: of the function, in seconds; it counts down from now.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def __init__(self, *, function_name: str = "function", timeout: float = _TIMEOUT, memory_limit: int = 128) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = function_name
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}"
        self.memory_limit_in_mb = str(memory_limit)
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef"
        self.identity: Any = None
        self.client_context: Any = None
        self.tenant_id: str | None = None
        self._deadline = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until the function's timeout, in milliseconds; 0 after it."""
        return max(0, round((self._deadline - time.monotonic()) * 1000))

    def __repr__(self) -> str:
        return f"LambdaContext(aws_request_id={self.aws_request_id!r})"
