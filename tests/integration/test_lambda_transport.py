"""LambdaTransport in front of real functions: Mangum, awslambdaric under the emulator, and this package's runtime."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from mangum import Mangum

from bridge._httpx import httpx
from bridge._types import Receive, Scope, Send
from bridge.testing import LambdaTransport
from bridge.testing.services import ServiceName
from tests.apps import START, part, sending
from tests.integration.conftest import StartEmulator
from tests.integration.emulator_process import HOST

ROOT = Path(__file__).parents[2]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path, and fail at /boom."""
    assert scope["type"] == "http"
    if scope["path"] == "/boom":
        raise KeyError("boom")
    await sending(START, part(scope["path"].encode()))(scope, receive, send)


# Mangum's own limits: it knows no Lattice, and its results for CloudFront have a status that is not a string.
OF_MANGUM: list[ServiceName] = ["function-url", "http-api", "http-api-v1", "rest-api", "alb", "alb-multi"]


@pytest.fixture
def current_loop() -> Iterator[None]:
    """Close the event loop that Mangum makes for its thread, and leaves open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.usefixtures("current_loop")
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


@pytest.mark.usefixtures("current_loop")
@pytest.mark.parametrize("source", sorted(set(get_args(ServiceName)) - set(OF_MANGUM)))
def test_what_mangum_does_not_know_is_the_services_own_error(source: ServiceName) -> None:
    with httpx.Client(transport=LambdaTransport(Mangum(app, lifespan="off"), source), base_url="https://a") as http:
        response = http.get("/")
    assert (response.status_code, "bridge.reason" in response.extensions) == (502, True)


@pytest.mark.parametrize("runtime", ["awslambdaric", "bridge.runtime"])
def test_a_function_under_the_emulator_answers_every_service(runtime: str, start_emulator: StartEmulator) -> None:
    emulator = start_emulator(command=[sys.executable, "-m", runtime, "shop.handler"])
    seen = {}
    for source in get_args(ServiceName):
        transport = LambdaTransport(f"http://{HOST}:{emulator.port}", source)
        with httpx.Client(transport=transport, base_url="https://shop.example") as http:
            response = http.post("/orders/caf%C3%A9", json={"qty": 2})
        order = response.json()
        seen[source] = (response.status_code, order["name"], order["order"], response.extensions.get("bridge.reason"))
    assert seen == dict.fromkeys(seen, (201, "caf\u00e9", {"qty": 2}, None))


@pytest.mark.parametrize("runtime", ["awslambdaric", "bridge.runtime"])
def test_a_function_that_fails_under_the_emulator_is_the_services_own_error(
    runtime: str, start_emulator: StartEmulator
) -> None:
    """This function asks for a key that no HTTP event has."""
    emulator = start_emulator(command=[sys.executable, "-m", runtime, "handlers.plain"])
    transport = LambdaTransport(f"http://{HOST}:{emulator.port}", "rest-api")
    with httpx.Client(transport=transport, base_url="https://shop.example") as http:
        response = http.get("/")
    assert (response.status_code, response.content) == (502, b'{"message": "Internal server error"}')
    assert "KeyError: 'name'" in response.extensions["bridge.reason"]


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def passed_tests(folder: Path, modules: list[str]) -> str:
    """Run each of the modules as a file of tests, and return pytest's output."""
    for number, module in enumerate(modules):
        (folder / f"test_block_{number}.py").write_text(module, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_python_blocks_of_the_page_about_testing_run(tmp_path: Path) -> None:
    """Each is a test module after the first one, which imports: some are tests, and the others have asserts."""
    first, *blocks = python_blocks("docs/testing.md")
    assert "2 passed" in passed_tests(tmp_path, [f"{first}\n{block}" for block in blocks])


def test_the_test_of_a_fastapi_application_in_the_readme_passes(tmp_path: Path) -> None:
    (block,) = [block for block in python_blocks("README.md") if "fastapi" in block]
    assert "3 passed" in passed_tests(tmp_path, [block])
