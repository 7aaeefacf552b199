"""Transports: httpx on one side, the application on the other. They know nothing of Lambda."""

from bridge.transports._scope import build_scope
from bridge.transports.in_process import InProcessTransport

__all__ = ["InProcessTransport", "build_scope"]
