"""Run any ASGI application on AWS Lambda, in the function's own process.

```python
from bridge import Bridge

handler = Bridge(app)
```
"""

from typing import TYPE_CHECKING

from bridge.asgi import InProcessTransport
from bridge.handler import Bridge, Handler
from bridge.responses import StreamedResponse
from bridge.settings import Settings
from bridge.sources import DEFAULT_SOURCES, Source

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
        """Import what needs a socket when it is first used: `import bridge` does without it."""
        if name == "Proxy":
            from bridge.proxy import Proxy

            return Proxy
        if name == "InProcessTransport":
            return InProcessTransport
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
