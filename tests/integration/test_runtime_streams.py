"""Frameworks' own streams through `python -m bridge.runtime`: every part is at Lambda while the framework waits."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.events import load
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

# Each part waits until the test has written to its pipe; sync generators do so in a thread of the framework's.
GATES = """
import asyncio, itertools, os
from pathlib import Path

FOLDER = Path(os.environ["GATES"])
PARTS = ["one", "two", "three"]
numbers = itertools.count(1)

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

async def endless():
    try:
        while True:
            yield "more\\n"
            await asyncio.sleep(0.001)
    finally:
        print("closed", next(numbers), flush=True)

async def failing():
    yield "half\\n"
    await asyncio.to_thread(passed, "one")
    raise ValueError("the paper is out")
"""

STARLETTE = """
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

async def events():
    async for part in async_parts():
        yield {"event": "word", "data": part.strip()}

pages = {
    "/async": lambda: StreamingResponse(async_parts()),
    "/sync": lambda: StreamingResponse(parts()),
    "/file": lambda: FileResponse(FOLDER / "file.bin"),
    "/endless": lambda: StreamingResponse(endless()),
    "/failing": lambda: StreamingResponse(failing()),
    "/sse": lambda: EventSourceResponse(events(), ping=3600),
    "/sse/endless": lambda: EventSourceResponse(endless(), ping=3600),
    "/sse/failing": lambda: EventSourceResponse(failing(), ping=3600),
}
app = Starlette(routes=[Route(path, lambda request: pages[request.url.path]()) for path in pages])
"""

# FastAPI's own: a path operation that is a generator. FastAPI itself ends it cleanly when it fails.
GENERATORS = """
from collections.abc import AsyncIterable, Iterable

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

app = FastAPI()

@app.get("/async", response_class=EventSourceResponse)
async def events() -> AsyncIterable[str]:
    async for part in async_parts():
        yield part.strip()

@app.get("/sync", response_class=EventSourceResponse)
def events_sync() -> Iterable[str]:
    for part in parts():
        yield part.strip()

@app.get("/endless", response_class=EventSourceResponse)
async def events_endless() -> AsyncIterable[str]:
    async for part in endless():
        yield part.strip()
"""

# Django collects a sync iterator before it sends the first part of it, and leaves an endless one to the garbage
# collector: https://docs.djangoproject.com/en/stable/ref/request-response/
DJANGO = """
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import StreamingHttpResponse
from django.urls import path

async def stream(request):
    return StreamingHttpResponse(async_parts(), content_type="text/plain")

def stream_sync(request):
    return StreamingHttpResponse(iter(["a", "b", "c"]), content_type="text/plain")

async def stream_failing(request):
    return StreamingHttpResponse(failing())

urlpatterns = [path("async", stream), path("collected", stream_sync), path("failing", stream_failing)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="no secret", DEBUG=False)
app = get_asgi_application()
"""

PLAIN = [b"one\n", b"two\n", b"three\n"]
EVENTS = [b"event: word\r\ndata: %s\r\n\r\n" % word.strip() for word in PLAIN]
OWN_EVENTS = [b'data: "%s"\n\n' % word.strip() for word in PLAIN]

# The code, the paths that stream in parts and those parts, then the paths that never end, and those that fail.
FRAMEWORKS: dict[str, tuple[str, dict[str, list[bytes]], list[str], list[str]]] = {
    "Starlette": (
        STARLETTE,
        {"/async": PLAIN, "/sync": PLAIN, "/sse": EVENTS},
        ["/endless", "/sse/endless"],
        ["/failing", "/sse/failing"],
    ),
    "FastAPI, generators": (GENERATORS, {"/async": OWN_EVENTS, "/sync": OWN_EVENTS}, ["/endless"], []),
    "Django": (DJANGO, {"/async": PLAIN}, [], ["/failing"]),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_parts_arrive_one_by_one_and_the_ends_of_streams_are_told_apart(
    api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path, framework: str
) -> None:
    if framework == "FastAPI, generators":
        pytest.importorskip("fastapi.sse", reason="in this FastAPI a path operation cannot be a generator")
    code, streams, endless, failing = FRAMEWORKS[framework]
    for name in ("one", "two", "three"):
        os.mkfifo(tmp_path / name)
    runtime = start(start_runtime, tmp_path, code)
    for path, parts in streams.items():
        check_parts(api, tmp_path, path, parts)
    for number, path in enumerate(endless):
        check_hang_up(api, runtime, path, closed=number + 1)
    for path in failing:
        check_failure(api, tmp_path, path)


def start(start_runtime: Runtimes, folder: Path, code: str) -> Runtime:
    return start_runtime(GATES + code, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(folder))


def get(path: str) -> dict[str, Any]:
    return load("function_url", rawPath=path, requestContext__http__method="GET", body="")


def check_parts(api: RuntimeDouble, folder: Path, path: str, parts: list[bytes]) -> None:
    """Check that a part arrives before the next one is made."""
    invocation = api.invoke(get(path))
    seen = b""
    for gate, part in zip(("one", "two", "three"), parts, strict=True):
        (folder / gate).write_bytes(b"go on")  # returns when the framework waits for this part
        seen += part
        invocation.wait_for(lambda body, seen=seen: body.endswith(seen))  # type: ignore[misc]
    answer = invocation.answer()
    assert (answer.prelude["statusCode"], answer.payload, answer.is_whole) == (200, seen, True)


def check_hang_up(api: RuntimeDouble, runtime: Runtime, path: str, *, closed: int) -> None:
    """Check that a caller that leaves closes the generator before the next invocation."""
    invocation = api.invoke(get(path))
    invocation.wait_for(lambda body: body.count(b"more") > 1)
    invocation.hang_up()
    api.wait_for_polls(1)
    runtime.wait_for_log(f"closed {closed}")
    assert "cancelled" not in runtime.log


def check_failure(api: RuntimeDouble, folder: Path, path: str) -> None:
    """Check that a generator that fails ends its stream with trailers."""
    invocation = api.invoke(get(path))
    invocation.wait_for(lambda body: b"half" in body)
    (folder / "one").write_bytes(b"go on")
    answer = invocation.answer()
    assert (answer.payload.count(b"half"), b"paper" in answer.payload) == (1, False)
    assert "the paper is out" in answer.error["errorMessage"] + "".join(answer.error["stackTrace"])
    api.wait_for_polls(1)


def test_a_file_arrives_whole_and_in_parts(api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "file.bin").write_bytes(content)
    start(start_runtime, tmp_path, STARLETTE)
    answer = api.invoke(get("/file")).answer()
    assert (answer.payload == content, answer.is_whole) == (True, True)
    assert len(answer.chunks) > 10


def test_a_sync_iterator_of_djangos_arrives_whole(api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path) -> None:
    start(start_runtime, tmp_path, DJANGO)
    answer = api.invoke(get("/collected")).answer()
    assert (answer.payload, answer.is_whole, answer.is_streamed) == (b"abc", True, True)
