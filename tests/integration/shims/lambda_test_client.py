"""A pytest plugin: `--lambda-source SOURCE` puts LambdaTransport(Bridge(app), SOURCE) into Starlette's TestClient.

WebSockets and the lifespan stay the client's own. What the client reads beside the response, for templates, it gets as
before. trio is left out: a handler runs on asyncio.
"""

from typing import Any

import pytest
import starlette.testclient  # before bridge, which takes the flavour of httpx that is imported

from bridge import Bridge, Settings
from bridge.testing import LambdaTransport

stock: Any = starlette.testclient
StockTransport: Any = stock._TestClientTransport  # which TestClient makes for itself


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lambda-source", required=True)


def pytest_configure(config: pytest.Config) -> None:
    Transport.source = config.getoption("lambda_source")
    stock._TestClientTransport = Transport


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if "trio" not in item.name]


class Transport(StockTransport):  # type: ignore[misc]
    """TestClient's transport, with AWS between the request and the application."""

    source: Any

    def handle_request(self, request: Any) -> Any:
        if request.url.scheme in ("ws", "wss"):
            return super().handle_request(request)
        debug: dict[str, Any] = {}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def send_on(message: Any) -> None:
                if message["type"] == "http.response.debug":
                    debug.update(message["info"])
                else:
                    await send(message)

            extensions = {**scope.get("extensions", {}), "http.response.debug": {}}
            state = self.app_state.copy()
            await self.app({**scope, "extensions": extensions, "state": state}, receive, send_on)

        transport = LambdaTransport(
            Bridge(app, lifespan="off", settings=Settings(root_path=self.root_path)),
            self.source,
            client=self.client,
            raise_exceptions=self.raise_server_exceptions,
        )
        request.read()
        with self.portal_factory() as portal:
            response = portal.call(transport.handle_async_request, request)
        if debug:
            response.extensions["http.response.debug"] = debug
        for name, value in debug.items():
            setattr(response, name, value)
        return response
