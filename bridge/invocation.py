"""Context variables about the current invocation. They are right too while many invocations run concurrently.

A task inherits them, and so does a thread of `asyncio.to_thread` or anyio. `python -m bridge.runtime` sets them.
"""

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["deadline", "is_answered", "request_id", "tenant_id", "trace_id"]

# "" where there is none.
request_id: ContextVar[str] = ContextVar("bridge.invocation.request_id", default="")
trace_id: ContextVar[str] = ContextVar("bridge.invocation.trace_id", default="")
tenant_id: ContextVar[str] = ContextVar("bridge.invocation.tenant_id", default="")

# When the runtime gives the invocation up and answers for it, on the event loop's clock. None where it does not.
deadline: ContextVar[float | None] = ContextVar("bridge.invocation.deadline", default=None)

# Whether the runtime has answered for it meanwhile, from another thread. None without such a runtime.
is_answered: ContextVar[Callable[[], bool] | None] = ContextVar("bridge.invocation.is_answered", default=None)
