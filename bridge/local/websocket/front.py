"""The function behind a WebSocket API: each event is an invocation, and each of those has an answer for the client."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

from bridge.local.answer import Answer
from bridge.local.invocation import Invocation
from bridge.local.services import Submit
from bridge.local.settings import WebSocketSettings
from bridge.local.websocket.connection import CLOSE_LIMIT, GOING_AWAY, Connection
from bridge.testing.call import parsed
from bridge.testing.messages import ClientResponse
from bridge.testing.services.websocket import TIMED_OUT, TOO_MANY, WAIT_LIMIT, failure, response
from bridge.testing.setup import Setup, new_trace_id

__all__ = ["WebSocketFront", "new_setup"]


class WebSocketFront:
    """`connections`: those that are open, by their ids. `submit`: invokes the function."""

    def __init__(self, settings: WebSocketSettings, submit: Submit) -> None:
        self.settings = settings
        self.connections: dict[str, Connection] = {}
        self._submit = submit

    async def invoke(self, event: dict[str, Any], *, replay_of: str | None = None, trace_id: str = "") -> Invocation:
        """Invoke the function, and return the record, whose `response` has the status and what the client gets."""
        context = event["requestContext"]
        invocation = Invocation(
            source=self.settings.name,
            event=json.dumps(event).encode(),
            label=(context["eventType"], f"{context['routeKey']} {context['connectionId']}"),
            replay_of=replay_of,
            trace_id=trace_id,
        )
        answer = self._submit(invocation)
        try:
            invocation.response = await self._answered(answer, event)
        except BaseException:
            answer.leave()  # the gateway ends
            raise
        answer.changed()
        return invocation

    async def _answered(self, answer: Answer, event: dict[str, Any]) -> ClientResponse:
        try:
            content = await answer.whole_within(WAIT_LIMIT)
        except TimeoutError:
            return failure(event, f"The API waits {WAIT_LIMIT:g} s at most.", status=504, message=TIMED_OUT)
        failed = answer.failure
        if failed is None:
            return response(event, parsed(content), has_route_response=self.settings.has_route_response)
        if failed.is_throttled:
            return failure(event, "All environments of the function are busy.", status=429, message=TOO_MANY)
        return failure(event, f"{failed.error_type}: {failed.message}")

    async def go_away(self) -> None:
        """End all connections."""
        connections = list(self.connections.values())
        for connection in connections:
            connection.close(GOING_AWAY)
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSE_LIMIT):
                for connection in connections:
                    await connection.ended.wait()


def new_setup() -> Setup:
    """Return the identifiers of one event."""
    now = time.time()
    return Setup(trace_id=new_trace_id(now), time=now)
