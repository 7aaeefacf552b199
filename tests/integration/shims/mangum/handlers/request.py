"""What an application behind `Bridge` gets for an event, under the names of Mangum's handler classes."""

from functools import cached_property
from typing import Any

from bridge import Bridge

from ..adapter import settings_of
from ..spelling import as_json, scope_of
from ..types import LambdaConfig, LambdaContext, LambdaEvent, Receive, Scope, Send

__all__ = ["ALB", "APIGateway", "HTTPGateway", "LambdaAtEdge"]


class Request:
    """Any event: `Bridge` finds out itself which service it is from."""

    def __init__(self, event: LambdaEvent, context: LambdaContext, config: LambdaConfig) -> None:
        self.event, self.context, self.config = event, context, config

    @property
    def scope(self) -> dict[str, Any]:
        return self._received[0]

    @property
    def body(self) -> bytes:
        return self._received[1]

    @cached_property
    def _received(self) -> tuple[dict[str, Any], bytes]:
        received: list[tuple[dict[str, Any], bytes]] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            message = await receive()
            assert not message.get("more_body")
            received.append((scope_of(scope, self.event), message["body"]))
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

        handler = Bridge(app, lifespan="off", settings=settings_of(self.config))
        result = handler(as_json(self.event), self.context)
        handler.close()
        assert received, result
        return received[0]


class ALB(Request):
    pass


class APIGateway(Request):
    pass


class HTTPGateway(Request):
    pass


class LambdaAtEdge(Request):
    pass
