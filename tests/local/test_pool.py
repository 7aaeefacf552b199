"""What waits for an environment: with and without patience, and when the gateway ends."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.local.gateway import Gateway
from bridge.local.invocation import Invocation
from bridge.local.settings import FunctionSettings
from bridge.testing.messages import ClientRequest

FUNCTION = """
import time
def slow(event, context):
    print("inside", flush=True)
    time.sleep(100)
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})
"""


def _gateway(folder: Path, target: str, **more: Any) -> Gateway:
    (folder / "shop.py").write_text(FUNCTION)
    environ = dict(os.environ) | {"PYTHONDONTWRITEBYTECODE": "1"}
    options: dict[str, Any] = {"environments": 1, "throttles": True, "timeout": 90.0} | more
    return Gateway(FunctionSettings(target=target, folder=str(folder), environ=environ, **options))


async def _inside(invocation: Invocation) -> None:
    async with asyncio.timeout(30):
        while "inside" not in [line.text for line in invocation.logs]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_a_busy_function_refuses_immediately(tmp_path: Path) -> None:
    async with _gateway(tmp_path, "shop:slow").running() as gateway:
        first = gateway.submit(Invocation(source="invoke", event=b"{}"))
        starting = gateway.submit(Invocation(source="invoke", event=b"{}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert starting.failure is not None
        await _inside(first.invocation)
        busy = gateway.submit(Invocation(source="invoke", event=b"{}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert busy.failure is not None
        assert first.failure is None
    assert {starting.failure.error_type, busy.failure.error_type} == {"TooManyRequestsException"}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.anyio
async def test_a_client_that_sends_its_requests_in_turn_is_never_refused(is_streamed: bool, tmp_path: Path) -> None:
    request = ClientRequest(method="GET", target="/", headers=(("host", "shop.example"),))
    async with _gateway(tmp_path, "shop:app", is_streamed=is_streamed).running() as gateway:
        sent = [await gateway.request(request, "function-url") for _ in range(30)]
    assert {each.response.status for each in sent} == {200}
    assert {(each.is_streamed, each.environment) for each in gateway.history} == {(is_streamed, 1)}


@pytest.mark.anyio
async def test_what_the_end_of_the_gateway_ends_says_so(tmp_path: Path) -> None:
    async with _gateway(tmp_path, "shop:slow", throttles=False).running() as gateway:
        running, waiting = (gateway.submit(Invocation(source="invoke", event=b"{}")) for _ in range(2))
        await _inside(running.invocation)
    failures = [running.failure, waiting.failure]
    assert [failure.error_type if failure else "" for failure in failures] == ["Gateway.Ended"] * 2


@pytest.mark.anyio
async def test_what_the_end_of_the_gateway_ends_while_it_starts_says_so(tmp_path: Path) -> None:
    async with _gateway(tmp_path, "shop:slow").running() as gateway:
        starting = gateway.submit(Invocation(source="invoke", event=b"{}"))
    assert starting.failure is not None
    assert starting.failure.error_type == "Gateway.Ended"
