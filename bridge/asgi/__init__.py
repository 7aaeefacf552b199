"""The call of an ASGI application in this process. Nothing here depends on Lambda."""

from bridge.asgi.scope import build_scope
from bridge.asgi.transport import InProcessTransport

__all__ = ["InProcessTransport", "build_scope"]
