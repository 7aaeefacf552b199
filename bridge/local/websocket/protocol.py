"""How the web server talks to a WebSocket's client: uvicorn's protocol for wsproto, without what is refused.

wsproto is chosen because uvicorn's protocol for it warns of nothing, from the oldest version to the newest.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from bridge.local.websocket.frames import FrameFilter

__all__ = ["WebSocketProtocol"]


class WebSocketProtocol(WSProtocol):
    """One client's connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frame_filter = FrameFilter()

    def data_received(self, data: bytes) -> None:
        passed = self.frame_filter.passed(data)
        if passed:
            super().data_received(passed)
