"""What a web server got, on its way to a service."""

from typing import Any

import pytest

from bridge.local.front_app import FrontApp
from bridge.local.gateway import Gateway
from bridge.local.services import Sent
from bridge.local.settings import FunctionSettings, SourceSettings
from bridge.testing.messages import ClientRequest, ClientResponse


def nobody(source: str, request: ClientRequest, response: ClientResponse) -> None:
    raise AssertionError(f"Nobody answers {request}.")


@pytest.mark.anyio
async def test_a_client_that_leaves_in_the_middle_of_its_body_invokes_nothing() -> None:
    gateway = Gateway(FunctionSettings(target="none:none"), [SourceSettings(name="function-url")])
    messages: list[Any] = [
        {"type": "http.request", "body": b'{"amount": 1', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError("Nobody reads a response.")

    scope: Any = {"type": "http", "method": "POST", "raw_path": b"/", "query_string": b"", "headers": []}
    scope |= {"scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80)}
    await FrontApp(gateway.fronts["function-url"], nobody)(scope, receive, send)
    assert len(gateway.history) == 0


@pytest.mark.anyio
async def test_spaces_around_a_header_value_do_not_reach_the_web_server(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(FunctionSettings(target="none:none"), [SourceSettings(name="function-url")])
    front = gateway.fronts["function-url"]
    messages: list[Any] = []
    kept: list[str] = []
    cookies = (("set-cookie", " csrftoken=a; Path=/"), ("set-cookie", "b=c \t"), ("x-old", "\v\fd"), ("date", "now"))

    async def answer(request: ClientRequest) -> Sent:
        return Sent(ClientResponse(status=200, headers=cookies, body=b""))

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        messages.append(message)

    monkeypatch.setattr(front, "send", answer)
    scope: Any = {"type": "http", "method": "GET", "raw_path": b"/", "query_string": b"", "headers": []}
    scope |= {"scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80)}
    await FrontApp(front, lambda source, *messages: kept.append(source))(scope, receive, send)
    assert kept == ["function-url"]  # the answer is without an invocation
    expected = [(b"set-cookie", b"csrftoken=a; Path=/"), (b"set-cookie", b"b=c"), (b"x-old", b"d"), (b"date", b"now")]
    assert messages[0]["headers"] == expected
