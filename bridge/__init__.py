"""Run any ASGI application on AWS Lambda, in the function's own process.

```python
from bridge import Bridge

handler = Bridge(app)
```
"""

from bridge.handler import Bridge, Handler
from bridge.settings import Settings
from bridge.sources import DEFAULT_SOURCES, Source
from bridge.streamed import StreamedResponse
from bridge.transports import InProcessTransport

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_SOURCES",
    "Bridge",
    "Handler",
    "InProcessTransport",
    "Settings",
    "Source",
    "StreamedResponse",
    "__version__",
]
