"""LambdaTransport in front of real functions: Mangum, awslambdaric under the emulator, and this package's runtime."""

import asyncio
from pathlib import Path
from typing import Any, get_args

import pytest
from mangum import Mangum

from bridge._httpx import httpx
from bridge._types import Receive, Scope, Send
from bridge.testing import LambdaTransport
from bridge.testing.services import ServiceName
from tests.apps import START, part, sending
from tests.integration.conftest import StartEmulator

FUNCTIONS = Path(__file__).parent / "functions"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path, and fail at /boom."""
    assert scope["type"] == "http"
    if scope["path"] == "/boom":
        raise KeyError("boom")
    await sending(START, part(scope["path"].encode()))(scope, receive, send)


# Mangum's own limits: it knows no Lattice, and its results for CloudFront have a status that is not a string.
OF_MANGUM: list[ServiceName] = ["function-url", "http-api", "http-api-v1", "rest-api", "alb", "alb-multi"]


@pytest.mark.parametrize("source", OF_MANGUM)
def test_mangum_answers_sync_and_async_clients_and_in_a_worker_thread(source: ServiceName) -> None:
    handler = Mangum(app, lifespan="off")
    transport = LambdaTransport(handler, source)

    def ask() -> str:
        with httpx.Client(transport=transport, base_url="https://shop.example") as http:
            return http.get("/a%20b").text

    async def ask_async() -> list[str]:
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as http:
            return [response.text for response in await asyncio.gather(*[http.get("/a%20b") for _ in range(3)])]

    assert (ask(), asyncio.run(ask_async())) == ("/a b", ["/a b"] * 3)

    async def in_thread() -> str:
        return await asyncio.to_thread(ask)

    assert asyncio.run(in_thread()) == "/a b"


@pytest.mark.parametrize("source", sorted(set(get_args(ServiceName)) - set(OF_MANGUM)))
def test_what_mangum_does_not_know_is_the_services_own_error(source: ServiceName) -> None:
    with httpx.Client(transport=LambdaTransport(Mangum(app, lifespan="off"), source), base_url="https://a") as http:
        response = http.get("/")
    assert (response.status_code, "bridge.reason" in response.extensions) == (502, True)


@pytest.mark.parametrize("source", get_args(ServiceName))
def test_awslambdaric_under_the_emulator_answers_every_service(
    source: ServiceName, shared_emulator: str, tmp_path: Path
) -> None:
    transport = LambdaTransport(shared_emulator, source)
    with httpx.Client(transport=transport, base_url="https://shop.example") as http:
        response = http.get("/echo")
        assert response.status_code == 200


@pytest.fixture
def shared_emulator(start_emulator: StartEmulator) -> Any:
    raise NotImplementedError
