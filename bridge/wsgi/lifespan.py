"""The lifespan of a WSGI application: it has none, and belongs to no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.wsgi.transport import WSGITransport

__all__ = ["WSGILifespan"]


class WSGILifespan:
    """The `Lifespan` of a handler in front of a WSGI application: any event loop may use it."""

    is_here = True
    is_lost = False

    def __init__(self, transport: WSGITransport) -> None:
        self.state: dict[str, Any] | None = None
        self._transport = transport

    async def startup(self) -> None:
        """Do nothing: importing a WSGI application starts it."""

    async def shutdown(self) -> None:
        """End the transport's threads."""
        await self._transport.aclose()
