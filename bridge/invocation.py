"""The invocation that the current code works for: context variables, right also where many go on at once.

A task, and a thread that `asyncio.to_thread` or anyio starts, inherits them. They are set by `python -m bridge.runtime`.
"""

from contextvars import ContextVar

__all__ = ["request_id", "tenant_id", "trace_id"]

# "" where there is none.
request_id: ContextVar[str] = ContextVar("bridge.invocation.request_id", default="")
trace_id: ContextVar[str] = ContextVar("bridge.invocation.trace_id", default="")
tenant_id: ContextVar[str] = ContextVar("bridge.invocation.tenant_id", default="")
