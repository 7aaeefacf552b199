"""What the buttons do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.send_page import Draft, event_of, request_of
from bridge.local.invocation import Invocation
from bridge.testing.messages import ClientRequest, Refused
from bridge.testing.services import ServiceName

__all__ = ["Begun", "replay", "send"]


@dataclass(frozen=True)
class Begun:
    """An invocation that has begun. The caller waits for its end."""

    invocation: Invocation
    invoking: asyncio.Future[Invocation]

    async def wait(self) -> None:
        await self.invoking


async def replay(gateway: Inspected, invocation: Invocation, source: ServiceName | None) -> Begun:
    """Repeat an invocation, through another service if `source` says so. Raises what `Inspected.replay` raises."""
    begins = gateway.replay(invocation.id, source=source)
    return await _begun(gateway, begins, lambda new: new.replay_of == invocation.id)


async def send(gateway: Inspected, draft: Draft) -> Begun:
    """Send what the form has. Raises ValueError for what cannot be sent, and Refused for what the service refuses."""
    origin = draft.origin or None
    if draft.kind == "event":
        event = event_of(draft)
        return await _begun(gateway, gateway.invoke(event, replay_of=origin), lambda new: new.event == event)
    request, source = request_of(draft)
    begins = _requested(gateway, request, source, origin)
    return await _begun(gateway, begins, lambda new: new.request == request)


async def _requested(gateway: Inspected, request: ClientRequest, source: ServiceName, origin: str | None) -> Invocation:
    sent = await gateway.request(request, source, replay_of=origin)
    if sent.invocation is None:
        raise Refused(sent.response)
    return sent.invocation


async def _begun(
    gateway: Inspected, begins: Coroutine[Any, Any, Invocation], is_it: Callable[[Invocation], bool]
) -> Begun:
    """Start the invocation, and return when it is known or over, so that a page can show it while it runs."""
    known = set(gateway.history)
    with gateway.history.subscribe() as subscription:
        invoking = asyncio.ensure_future(begins)
        finding = asyncio.ensure_future(_first(aiter(subscription), lambda new: new not in known and is_it(new)))
        try:
            await asyncio.wait({invoking, finding}, return_when=asyncio.FIRST_COMPLETED)
            return Begun(finding.result() if finding.done() else await invoking, invoking)
        except BaseException:
            invoking.cancel()
            raise
        finally:
            finding.cancel()


async def _first(batches: Any, is_it: Callable[[Invocation], bool]) -> Invocation:
    async for batch in batches:
        for invocation in batch:
            if is_it(invocation):
                found: Invocation = invocation
                return found
    raise AssertionError("A subscription has no end.")
