"""The ids of an invocation in the lines of the log.

Code of a task has those of its context, see `bridge.invocation`. A thread that the application has started itself
inherits no context from Python. While a process answers one invocation at a time, the log counts the lines of such a
thread as lines of that invocation.
"""

from typing import NamedTuple

from bridge import invocation

__all__ = ["LogIds", "log_ids", "set_only_invocation"]


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
    current = invocation.request_id.get()
    return LogIds(current, invocation.tenant_id.get()) if current else _only
