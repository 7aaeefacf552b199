"""One polling slot: the next invocation, its answer, and so on. A process has as many as it answers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge import invocation as current
from bridge.errors import InvocationFailed
from bridge.runtime.api.payload import decode_event
from bridge.runtime.api.vocabulary import NEXT, Invocation
from bridge.runtime.context import LambdaContext, parse_client_context, parse_identity
from bridge.runtime.invocations.answer import Answering
from bridge.settings import set_trace_id

if TYPE_CHECKING:
    from bridge.runtime.api.connection import Connection
    from bridge.runtime.context import Function
    from bridge.runtime.invocations.answer import Limits
    from bridge.runtime.invocations.targets import Target

__all__ = ["Slot", "enter", "leave", "make_context"]


class Slot:
    """A task of its own, with a connection of its own. `is_alone`: no other slot of this process answers meanwhile."""

    def __init__(
        self, connection: Connection, target: Target, *, limits: Limits, function: Function, is_alone: bool
    ) -> None:
        self._connection = connection
        self._target = target
        self._limits = limits
        self._function = function
        self._is_alone = is_alone
        self._is_stopping = False
        self.is_idle = True

    async def run(self) -> None:
        """Answer until `stop`. Raises RuntimeApiGone, and RuntimeApiRefused if there is no next invocation."""
        try:
            while not self._is_stopping:
                self.is_idle = True
                reply = await self._connection.request(b"GET", NEXT, [])
                self.is_idle = False
                await self._serve(Invocation(reply))
                self._limits.flush()
        finally:
            self._connection.close()

    def stop(self) -> None:
        """Take no further invocation. A slot that waits for the next must be cancelled."""
        self._is_stopping = True

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for the next invocation, and nothing of that has arrived, be it unread."""
        return self.is_idle and not self._connection.has_data

    async def _serve(self, invocation: Invocation) -> None:
        enter(invocation, is_alone=self._is_alone)
        try:
            event = decode_event(invocation)
            context = make_context(invocation, self._function)
        except InvocationFailed as exc:
            await self._answering(invocation, None, None).fail(exc)
        else:
            await self._answering(invocation, event, context).serve()

    def _answering(self, invocation: Invocation, event: object, context: LambdaContext | None) -> Answering:
        return Answering(
            invocation,
            event,
            context,
            connection=self._connection,
            target=self._target,
            limits=self._limits,
        )


def make_context(invocation: Invocation, function: Function) -> LambdaContext:
    """The Lambda context of an invocation. Raises ContextNotDecoded."""
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
    """Make `invocation` the current one, for this task and those that it starts.

    X-Ray's libraries look into the environment, which is only right while there is one invocation at a time.
    """
    current.request_id.set(invocation.request_id)
    current.trace_id.set(invocation.trace_id)
    current.tenant_id.set(invocation.tenant_id)
    if is_alone:
        set_trace_id(invocation.trace_id)


def leave() -> None:
    """There is no current one any more, in a thread that goes on in the same context: what it logs belongs to none."""
    current.request_id.set("")
    current.trace_id.set("")
    current.tenant_id.set("")
