"""The ASGI application of all ports."""

from typing import Any

import pytest

from bridge.local.gateway import Gateway
from bridge.local.server import GatewayApp
from bridge.local.settings import FunctionSettings, SourceSettings


@pytest.mark.anyio
async def test_a_caller_that_leaves_in_the_middle_of_its_event_is_not_a_failure_of_the_gateway() -> None:
    gateway = Gateway(FunctionSettings(target="none:none"), [SourceSettings(name="function-url")])
    messages: list[Any] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        """Do nothing, as a web server does after the end of its connection."""

    scope: Any = {"type": "http", "method": "POST", "path": "/2015-03-31/functions/function/invocations"}
    scope |= {
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
    }
    await GatewayApp(gateway, [80])(scope, receive, send)
    assert len(gateway.history) == 0
