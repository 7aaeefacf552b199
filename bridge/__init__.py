"""Run any ASGI application on AWS Lambda, in the function's own process.

```python
from bridge import Bridge

handler = Bridge(app)
```
"""

from typing import TYPE_CHECKING

from bridge.application import Bridge
from bridge.asgi import InProcessTransport
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
    EventFailed,
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
from bridge.handler import Handler
from bridge.responses import StreamedResponse
from bridge.settings import Settings
from bridge.sources import DEFAULT_SOURCES, Source

if TYPE_CHECKING:
    from bridge.proxy import Proxy

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
    "EventFailed",
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


if not TYPE_CHECKING:  # or a type checker would accept any name

    def __getattr__(name: str) -> object:
        """Import Proxy when it is first used: only it needs the modules for sockets."""
        if name == "Proxy":
            from bridge.proxy import Proxy

            return Proxy
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
