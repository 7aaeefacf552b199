"""The current invocation: its Lambda context and its context variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge import invocation as current
from bridge.runtime.context import LambdaContext, parse_client_context, parse_identity
from bridge.settings import set_trace_id

if TYPE_CHECKING:
    from bridge.runtime.api.vocabulary import Invocation
    from bridge.runtime.context import Function

__all__ = ["enter", "leave", "make_context"]


def make_context(invocation: Invocation, function: Function) -> LambdaContext:
    """Return the Lambda context of an invocation. Raises ContextNotDecoded."""
    return LambdaContext(
        aws_request_id=invocation.request_id,
        deadline_ms=invocation.deadline_ms,
        invoked_function_arn=invocation.arn or None,
        client_context=parse_client_context(invocation.client_context),
        identity=parse_identity(invocation.identity),
        tenant_id=invocation.tenant_id or None,
        function=function,
    )


def enter(invocation: Invocation, *, is_alone: bool) -> None:
    """Make `invocation` the current one for this task or thread, and for the tasks that it starts.

    `is_alone`: no other slot answers meanwhile. X-Ray's libraries read the trace id from the environment, which is
    right only then.
    """
    current.request_id.set(invocation.request_id)
    current.trace_id.set(invocation.trace_id)
    current.tenant_id.set(invocation.tenant_id)
    if is_alone:
        set_trace_id(invocation.trace_id)


def leave() -> None:
    """End the current invocation in a thread that goes on: its next log lines belong to no invocation."""
    current.request_id.set("")
    current.trace_id.set("")
    current.tenant_id.set("")
