"""One exchange whose response is wanted whole: the application runs inline, with no task and no event of ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

from bridge._messages import CompleteResponse
from bridge.asgi.protocol import COMPLETE, WAITING, ResponseState

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge._types import Message

__all__ = ["BufferedExchange", "EarlyExchange"]


class BufferedExchange(ResponseState):
    """The `receive` and `send` of one request, and the response they add up to."""

    __slots__ = ("_body", "_complete", "chunks")

    def __init__(self, body: bytes) -> None:
        self.state = WAITING
        self.violation = None
        self.chunks: list[bytes] = []
        self._body: bytes | None = body
        # Made only if the application waits for the end of its own response.
        self._complete: anyio.Event | None = None

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        # A Lambda client cannot be seen to go away: the end of the response is the only disconnect there is.
        if self.state is not COMPLETE:
            if self._complete is None:
                self._complete = anyio.Event()
            await self._complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        part = self.accept(message)
        if part:
            self.chunks.append(part)
        if self._complete is not None and self.state is COMPLETE:
            self._complete.set()

    @property
    def response(self) -> CompleteResponse:
        """What the application sent, without a copy of a body that came in one part."""
        body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        return CompleteResponse(self.status_code, self.headers, body)


class EarlyExchange(BufferedExchange):
    """A BufferedExchange that hands over the response when it is complete, not when the application has ended.

    On asyncio alone: who gets it runs beside the application.
    """

    __slots__ = ("_finished",)

    def __init__(self, body: bytes, finished: Callable[[CompleteResponse], None]) -> None:
        super().__init__(body)
        self._finished = finished

    async def send(self, message: Message) -> None:
        was_complete = self.state is COMPLETE
        await super().send(message)
        if self.state is COMPLETE and not was_complete:
            self._finished(self.response)
            await asyncio.sleep(0)  # whoever waits for it is to have it before the application goes on
