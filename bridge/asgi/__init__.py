"""Transports: httpx on one side, the application on the other. They know nothing of Lambda."""

from typing import TYPE_CHECKING

from bridge.asgi.direct import DirectTransport
from bridge.asgi.scope import build_scope

if TYPE_CHECKING:
    from bridge.asgi.transport import InProcessTransport

__all__ = ["DirectTransport", "InProcessTransport", "build_scope"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """InProcessTransport is imported when it is asked for: it is one of httpx's, and a handler does without."""
        if name == "InProcessTransport":
            from bridge.asgi.transport import InProcessTransport

            return InProcessTransport
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
