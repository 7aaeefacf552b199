"""Frameworks' own streams through `python -m bridge.runtime`: every part is at Lambda while the framework waits."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events import load
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes

# Each part waits until the test has written to its pipe; sync generators do so in a thread of the framework's.
GATES = """
import asyncio, os
from pathlib import Path

FOLDER = Path(os.environ["GATES"])
PARTS = ["one", "two", "three"]

def passed(name):
    (FOLDER / name).read_bytes()

def parts():
    for name in PARTS:
        passed(name)
        yield f"{name}\\n"

async def async_parts():
    for name in PARTS:
        await asyncio.to_thread(passed, name)
        yield f"{name}\\n"
"""

STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

async def stream(request):
    return StreamingResponse(async_parts(), media_type="text/plain")

def stream_sync(request):
    return StreamingResponse(parts(), media_type="text/plain")

async def file(request):
    return FileResponse(FOLDER / "file.bin")

app = Starlette(routes=[Route("/async", stream), Route("/sync", stream_sync), Route("/file", file)])
"""

FASTAPI = """
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from sse_starlette.sse import EventSourceResponse

app = FastAPI()

@app.get("/async")
async def stream():
    return StreamingResponse(async_parts(), media_type="text/plain")

@app.get("/sync")
def stream_sync():
    return StreamingResponse(parts(), media_type="text/plain")

@app.get("/sse")
async def events():
    async def messages():
        async for part in async_parts():
            yield {"event": "word", "data": part.strip()}
    return EventSourceResponse(messages(), ping=3600)
"""

DJANGO = """
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import StreamingHttpResponse
from django.urls import path

async def stream(request):
    return StreamingHttpResponse(async_parts(), content_type="text/plain")

urlpatterns = [path("async", stream)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="no secret", DEBUG=False)
app = get_asgi_application()
"""

PLAIN = [b"one\n", b"two\n", b"three\n"]
EVENTS = [b"event: word\r\ndata: %s\r\n\r\n" % word.strip() for word in PLAIN]

CASES = {
    "Starlette, async": (STARLETTE, "/async", PLAIN),
    "Starlette, sync": (STARLETTE, "/sync", PLAIN),
    "FastAPI, async": (FASTAPI, "/async", PLAIN),
    "FastAPI, sync": (FASTAPI, "/sync", PLAIN),
    "sse-starlette": (FASTAPI, "/sse", EVENTS),
    "Django, async": (DJANGO, "/async", PLAIN),
}


@pytest.fixture
def api() -> Iterator[RuntimeDouble]:
    with RuntimeDouble() as double:
        yield double


@pytest.fixture
def start_runtime(api: RuntimeDouble, tmp_path: Path) -> Iterator[Runtimes]:
    runtimes = Runtimes(tmp_path, api.address)
    yield runtimes
    runtimes.end()


@pytest.mark.parametrize(("app", "path", "parts"), CASES.values(), ids=CASES)
def test_a_part_arrives_before_the_next_one_is_made(
    api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path, app: str, path: str, parts: list[bytes]
) -> None:
    gates = [tmp_path / name for name in ("one", "two", "three")]
    for gate in gates:
        os.mkfifo(gate)
    start_runtime(GATES + app, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    invocation = api.invoke(load("function_url", rawPath=path, requestContext__http__method="GET", body=""))
    seen = b""
    for gate, part in zip(gates, parts, strict=True):
        gate.write_bytes(b"go on")  # returns when the framework waits for this part, and not for one behind it
        seen += part
        invocation.wait_for(lambda body, seen=seen: body.endswith(seen))  # type: ignore[misc]
    answer = invocation.answer()
    assert (answer.prelude["statusCode"], answer.payload, answer.is_whole) == (200, seen, True)


def test_a_file_arrives_whole_and_in_parts(api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "file.bin").write_bytes(content)
    start_runtime(GATES + STARLETTE, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    event = load("function_url", rawPath="/file", requestContext__http__method="GET", body="")
    answer = api.invoke(event).answer()
    assert (answer.payload == content, answer.is_whole) == (True, True)
    assert len(answer.chunks) > 10


def test_a_sync_iterator_of_djangos_arrives_whole(api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path) -> None:
    # Django collects one before it sends the first part of it: https://docs.djangoproject.com/en/stable/ref/request-response/
    app = DJANGO.replace("async def stream", "def stream").replace("async_parts()", "iter(['a', 'b', 'c'])")
    start_runtime(GATES + app, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    event = load("function_url", rawPath="/async", requestContext__http__method="GET", body="")
    answer = api.invoke(event).answer()
    assert (answer.payload, answer.is_whole, answer.is_streamed) == (b"abc", True, True)
