"""Run any ASGI or WSGI application on AWS Lambda, in the function's own process.

```python
from bridge import Bridge

handler = Bridge(app)
```
"""

from typing import TYPE_CHECKING

from bridge.application import Bridge
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
    from bridge.asgi import InProcessTransport
    from bridge.proxy import Proxy
    from bridge.wsgi import WSGITransport

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
    "WSGITransport",
    "__version__",
]


if not TYPE_CHECKING:  # or a type checker would accept any name

    def __getattr__(name: str) -> object:
        """Import a transport, and Proxy, when it is first used: a function needs one of them."""
        module = {"InProcessTransport": "asgi", "Proxy": "proxy", "WSGITransport": "wsgi"}.get(name)
        if module is not None:
            from importlib import import_module

            return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
