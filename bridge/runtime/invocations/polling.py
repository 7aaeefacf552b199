"""The common part of the slots on an event loop and in threads: their means, and their current invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bridge import invocation as current
from bridge.runtime.api.payload import decode_event
from bridge.runtime.context import LambdaContext, parse_client_context, parse_identity
from bridge.runtime.log.ids import LogIds, set_only_invocation
from bridge.settings import set_trace_id

if TYPE_CHECKING:
    from bridge.runtime.api.connection import Connection
    from bridge.runtime.api.vocabulary import Invocation
    from bridge.runtime.context import Function
    from bridge.runtime.invocations.deadline import Limits
    from bridge.watchdog import Watchdog

__all__ = ["Means", "Output", "PollingSlot", "decode", "enter", "leave"]


class Output(Protocol):
    """The function's log."""

    def report(self, document: dict[str, Any]) -> None:
        """Log the document of an error."""

    def flush(self) -> None:
        """Write out what the application has printed."""


class Means(NamedTuple):
    """The objects that a slot uses for all of its answers. All but `connection` are shared by the slots.

    `is_alone`: there is no other slot in this process.
    """

    connection: Connection
    function: Function
    limits: Limits
    output: Output
    watchdog: Watchdog
    is_alone: bool


class PollingSlot:
    """One of the slots of a process, each of which answers one invocation at a time."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._is_stopping = False
        self._is_idle = True

    def stop(self) -> None:
        """Take no further invocation."""
        self._is_stopping = True

    @property
    def is_waiting(self) -> bool:
        """True if the slot waits for the next invocation and no byte of that has arrived."""
        return self._is_idle and not self._means.connection.has_data


def enter(invocation: Invocation, *, is_alone: bool) -> None:
    """Make `invocation` the current one for this task or thread, and for the tasks that it starts.

    While no other slot of the process answers, it is that of all threads, too. X-Ray's libraries read the trace id from
    the environment, which is right only then.
    """
    current.request_id.set(invocation.request_id)
    current.trace_id.set(invocation.trace_id)
    current.tenant_id.set(invocation.tenant_id)
    if is_alone:
        set_trace_id(invocation.trace_id)
        set_only_invocation(LogIds(invocation.request_id, invocation.tenant_id))


def leave() -> None:
    """End the current invocation, in a thread that goes on in the same context: its log lines belong to none."""
    current.request_id.set("")
    current.trace_id.set("")
    current.tenant_id.set("")


def decode(invocation: Invocation, function: Function) -> tuple[Any, LambdaContext]:
    """Return the event and the Lambda context of an invocation. Raises EventNotDecoded and ContextNotDecoded."""
    event = decode_event(invocation)
    context = LambdaContext(
        aws_request_id=invocation.request_id,
        deadline_ms=invocation.deadline_ms,
        invoked_function_arn=invocation.arn or None,
        client_context=parse_client_context(invocation.client_context),
        identity=parse_identity(invocation.identity),
        tenant_id=invocation.tenant_id or None,
        function=function,
    )
    return event, context
