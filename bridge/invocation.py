"""Context variables about the current invocation. They are right too while many invocations run concurrently.

A task inherits them, and so does a thread of `asyncio.to_thread` or anyio. `python -m bridge.runtime` sets them.

Other threads inherit nothing from Python. While a process answers one invocation at a time, the log counts their lines
as lines of that invocation.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

__all__ = ["LogIds", "deadline", "is_answered", "log_ids", "request_id", "set_only_invocation", "tenant_id", "trace_id"]

# "" where there is none.
request_id: ContextVar[str] = ContextVar("bridge.invocation.request_id", default="")
trace_id: ContextVar[str] = ContextVar("bridge.invocation.trace_id", default="")
tenant_id: ContextVar[str] = ContextVar("bridge.invocation.tenant_id", default="")

# When the runtime gives the invocation up and answers for it, on the event loop's clock. None where it does not.
deadline: ContextVar[float | None] = ContextVar("bridge.invocation.deadline", default=None)

# Whether the runtime has answered for it meanwhile, from another thread. None without such a runtime.
is_answered: ContextVar[Callable[[], bool] | None] = ContextVar("bridge.invocation.is_answered", default=None)


class LogIds(NamedTuple):
    """The ids in a line of the log; "" where there is none."""

    request_id: str = ""
    tenant_id: str = ""


# Those of the only invocation that this process answers now, or has answered last.
_only = LogIds()


def set_only_invocation(ids: LogIds) -> None:
    """Set the ids for code without a context of its own; `LogIds()` where several invocations run concurrently."""
    global _only
    _only = ids


def log_ids() -> LogIds:
    """Return the ids of the invocation that the current code belongs to."""
    current = request_id.get()
    return LogIds(current, tenant_id.get()) if current else _only
