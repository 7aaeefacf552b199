"""Run any ASGI application on AWS Lambda, in the function's own process.

```python
from bridge import Bridge

handler = Bridge(app)
```
"""

from typing import TYPE_CHECKING

from bridge.handler import Bridge, Handler
from bridge.settings import Settings
from bridge.sources import DEFAULT_SOURCES, Source
from bridge.streamed import StreamedResponse
from bridge.transports import InProcessTransport

if TYPE_CHECKING:
    from bridge.proxy import Proxy

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_SOURCES",
    "Bridge",
    "Handler",
    "InProcessTransport",
    "Proxy",
    "Settings",
    "Source",
    "StreamedResponse",
    "__version__",
]


if not TYPE_CHECKING:  # to a type checker it would be any name at all

    def __getattr__(name: str) -> object:
        """Proxy is imported when it is asked for: nothing that a socket needs belongs to `import bridge`."""
        if name == "Proxy":
            from bridge.proxy import Proxy

            return Proxy
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
