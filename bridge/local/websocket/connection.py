"""One client's connection, from its acceptance to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.types import Receive, Send

from bridge.testing.messages import Headers
from bridge.testing.services.websocket import ClientConnection

__all__ = ["ClientTooSlow", "Connection", "End", "Gone"]

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
# In seconds: how long nothing may be sent either way, and how long a connection may last.
IDLE_LIMIT = 600.0
MAX_DURATION = 7200.0

# In seconds: how long a message waits for a client that does not read, and how long a close frame does.
SEND_LIMIT = 10.0
CLOSE_LIMIT = 1.0

# A code of RFC 6455, 7.4.1, and a reason.
End = tuple[int, str]

GOING_AWAY: End = (1001, "Going away")

# What payloads have for a client's close frame without a code, and for a connection that was lost.
_NO_CODE: End = (1005, "Client-side close frame status not set")
_LOST: End = (1006, "")


class Gone(Exception):
    """Raised for a message to a client that is not connected any more."""


class ClientTooSlow(Exception):
    """Raised for a message to a client that does not read."""


class Connection:
    """A connection that the function accepts. `last_active`: in seconds since the epoch. `ended`: set after its end."""

    def __init__(self, client: ClientConnection, send: Send) -> None:
        self.client = client
        self.last_active = time.time()
        self.ended = asyncio.Event()
        self._send = send
        self._sending = asyncio.Lock()
        self._end = GOING_AWAY
        self._last = asyncio.get_running_loop().time() + MAX_DURATION
        self._life = asyncio.timeout_at(None)

    async def run(self, headers: Headers, receive: Receive, got: Callable[[str], Awaitable[None]]) -> End:
        """Accept the client, and call `got` with each of its messages. Return how the connection has ended."""
        try:
            async with self._life:
                self._touch()
                await self._accept(headers)
                while (message := await receive())["type"] == "websocket.receive":
                    self._touch()
                    await got(message.get("text") or "")
        except TimeoutError:
            await self._close()
            return self._end
        finally:
            self.ended.set()
        if "reason" not in message:  # uvicorn has one for each close frame
            return _LOST
        code = message["code"]
        return _NO_CODE if code == _NO_CODE[0] else (code, message["reason"] or "")

    async def _accept(self, headers: Headers) -> None:
        fields = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
        async with self._sending:  # what others post meanwhile comes after it
            with suppress(OSError):  # the client has left: the first message is that it is disconnected
                await self._send({"type": "websocket.accept", "headers": fields})

    async def post(self, text: str) -> None:
        """Send a message. Raises Gone, and ClientTooSlow."""
        try:
            async with asyncio.timeout(SEND_LIMIT), self._sending:
                if not self._is_open:
                    raise Gone
                await self._send({"type": "websocket.send", "text": text})
        except TimeoutError:
            raise ClientTooSlow from None
        except OSError:  # which the ASGI specification has for a client that has left
            raise Gone from None
        self._touch()

    def close(self, end: End) -> None:
        """End the connection soon."""
        if self._is_open:
            self._end = end
            self._life.reschedule(asyncio.get_running_loop().time())

    @property
    def _is_open(self) -> bool:
        return not self.ended.is_set() and not self._life.expired()

    def _touch(self) -> None:
        self.last_active = time.time()
        if self._is_open and self._end is GOING_AWAY:
            self._life.reschedule(min(asyncio.get_running_loop().time() + IDLE_LIMIT, self._last))

    async def _close(self) -> None:
        code, reason = self._end
        with suppress(OSError):  # TimeoutError is one, too
            async with asyncio.timeout(CLOSE_LIMIT), self._sending:
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
