"""Run any ASGI application on AWS Lambda, in the function's own process.

```python
from bridge import Bridge

handler = Bridge(app)
```
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bridge.errors import (
    ApplicationCancelled,
    ApplicationError,
    BridgeError,
    ClientDisconnected,
    ConfigurationError,
    ContextNotDecoded,
    DeadlineExceeded,
    ErrorStatus,
    EventError,
    EventNotDecoded,
    ForeignLoopError,
    HandlerNotLoaded,
    IncompleteResponse,
    InvalidMessage,
    InvocationFailed,
    LifespanError,
    LoopClosedError,
    MalformedEvent,
    NoResponse,
    OriginBroken,
    OriginError,
    OriginLost,
    OriginNotStarted,
    OriginTimeout,
    OriginUnreachable,
    ProtocolError,
    ResultNotEncoded,
    ResultTooLarge,
    RunningLoopError,
    RuntimeApiError,
    RuntimeApiGone,
    RuntimeApiRefused,
    ShutdownFailed,
    SnapshotHookFailed,
    StartupFailed,
    Terminated,
    UnexpectedMessage,
    UnsupportedEvent,
)
from bridge.settings import Settings

if TYPE_CHECKING:
    from bridge.asgi import InProcessTransport
    from bridge.handler import Bridge, Handler
    from bridge.proxy.handler import Proxy
    from bridge.responses import StreamedResponse
    from bridge.sources import DEFAULT_SOURCES, Source

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_SOURCES",
    "ApplicationCancelled",
    "ApplicationError",
    "Bridge",
    "BridgeError",
    "ClientDisconnected",
    "ConfigurationError",
    "ContextNotDecoded",
    "DeadlineExceeded",
    "ErrorStatus",
    "EventError",
    "EventNotDecoded",
    "ForeignLoopError",
    "Handler",
    "HandlerNotLoaded",
    "InProcessTransport",
    "IncompleteResponse",
    "InvalidMessage",
    "InvocationFailed",
    "LifespanError",
    "LoopClosedError",
    "MalformedEvent",
    "NoResponse",
    "OriginBroken",
    "OriginError",
    "OriginLost",
    "OriginNotStarted",
    "OriginTimeout",
    "OriginUnreachable",
    "ProtocolError",
    "Proxy",
    "ResultNotEncoded",
    "ResultTooLarge",
    "RunningLoopError",
    "RuntimeApiError",
    "RuntimeApiGone",
    "RuntimeApiRefused",
    "Settings",
    "ShutdownFailed",
    "SnapshotHookFailed",
    "Source",
    "StartupFailed",
    "StreamedResponse",
    "Terminated",
    "UnexpectedMessage",
    "UnsupportedEvent",
    "__version__",
]


# The modules of the names that need httpx and asyncio. They are imported when the name is first used, because
# `python -m bridge.runtime --proxy` starts the web server before that, 40 ms earlier (docs/benchmarks.md).
_MODULES = {
    "DEFAULT_SOURCES": "bridge.sources",
    "Bridge": "bridge.handler",
    "Handler": "bridge.handler",
    "InProcessTransport": "bridge.asgi",
    "Proxy": "bridge.proxy.handler",
    "Source": "bridge.sources",
    "StreamedResponse": "bridge.responses",
}

if not TYPE_CHECKING:  # or a type checker would accept any name

    def __getattr__(name: str) -> object:
        """Import one of the names above (PEP 562)."""
        if name in _MODULES:
            return getattr(import_module(_MODULES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
