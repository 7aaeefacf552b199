"""Frameworks' own streams through `python -m bridge.runtime`: every part is at Lambda while the framework waits."""

import os
from pathlib import Path
from typing import Any

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

async def endless():
    try:
        while True:
            yield "more\\n"
            await asyncio.sleep(0.001)
    finally:
        print("closed", flush=True)

async def failing():
    yield "half\\n"
    await asyncio.to_thread(passed, "one")
    raise ValueError("the paper is out")
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

async def stream_endless(request):
    return StreamingResponse(endless())

async def stream_failing(request):
    return StreamingResponse(failing())

app = Starlette(
    routes=[
        Route("/async", stream),
        Route("/sync", stream_sync),
        Route("/file", file),
        Route("/endless", stream_endless),
        Route("/failing", stream_failing),
    ]
)
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

@app.get("/endless")
async def stream_endless():
    return StreamingResponse(endless())

@app.get("/failing")
async def stream_failing():
    return StreamingResponse(failing())
"""

# FastAPI's own: a path operation that is a generator.
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

SSE_STARLETTE = """
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route

async def stream_endless(request):
    return EventSourceResponse(endless(), ping=3600)

async def stream_failing(request):
    return EventSourceResponse(failing(), ping=3600)

app = Starlette(routes=[Route("/endless", stream_endless), Route("/failing", stream_failing)])
"""

DJANGO = """
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import StreamingHttpResponse
from django.urls import path

async def stream(request):
    return StreamingHttpResponse(async_parts(), content_type="text/plain")

async def stream_endless(request):
    return StreamingHttpResponse(endless())

async def stream_failing(request):
    return StreamingHttpResponse(failing())

urlpatterns = [path("async", stream), path("endless", stream_endless), path("failing", stream_failing)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="no secret", DEBUG=False)
app = get_asgi_application()
"""

PLAIN = [b"one\n", b"two\n", b"three\n"]
EVENTS = [b"event: word\r\ndata: %s\r\n\r\n" % word.strip() for word in PLAIN]

OWN_EVENTS = [b'data: "%s"\n\n' % word.strip() for word in PLAIN]

CASES = {
    "Starlette, async": (STARLETTE, "/async", PLAIN),
    "Starlette, sync": (STARLETTE, "/sync", PLAIN),
    "FastAPI, async": (FASTAPI, "/async", PLAIN),
    "FastAPI, sync": (FASTAPI, "/sync", PLAIN),
    "sse-starlette": (FASTAPI, "/sse", EVENTS),
    "FastAPI, async generator": (GENERATORS, "/async", OWN_EVENTS),
    "FastAPI, sync generator": (GENERATORS, "/sync", OWN_EVENTS),
    "Django, async": (DJANGO, "/async", PLAIN),
}

APPS = {
    "Starlette": STARLETTE,
    "FastAPI": FASTAPI,
    "FastAPI, generator": GENERATORS,
    "sse-starlette": SSE_STARLETTE,
    "Django": DJANGO,
}


def skip_without_generators(app: str) -> None:
    if app is GENERATORS:
        pytest.importorskip("fastapi.sse", reason="this FastAPI takes no generator for a path operation")


def get(path: str) -> dict[str, Any]:
    return load("function_url", rawPath=path, requestContext__http__method="GET", body="")


@pytest.mark.parametrize(("app", "path", "parts"), CASES.values(), ids=CASES)
def test_a_part_arrives_before_the_next_one_is_made(
    api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path, app: str, path: str, parts: list[bytes]
) -> None:
    gates = [tmp_path / name for name in ("one", "two", "three")]
    for gate in gates:
        os.mkfifo(gate)
    skip_without_generators(app)
    start_runtime(GATES + app, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    invocation = api.invoke(get(path))
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
    answer = api.invoke(get("/file")).answer()
    assert (answer.payload == content, answer.is_whole) == (True, True)
    assert len(answer.chunks) > 10


def test_a_sync_iterator_of_djangos_arrives_whole(api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path) -> None:
    # Django collects one before it sends the first part of it: https://docs.djangoproject.com/en/stable/ref/request-response/
    app = DJANGO.replace("async def stream", "def stream").replace("async_parts()", "iter(['a', 'b', 'c'])")
    start_runtime(GATES + app, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    answer = api.invoke(get("/async")).answer()
    assert (answer.payload, answer.is_whole, answer.is_streamed) == (b"abc", True, True)


# Django leaves it to the garbage collector, if it hears of it in certain moments.
@pytest.mark.parametrize("name", [name for name in APPS if name != "Django"])
def test_a_caller_that_goes_closes_the_generator_before_the_next_invocation(
    api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path, name: str
) -> None:
    app = APPS[name]
    skip_without_generators(app)
    runtime = start_runtime(GATES + app, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    invocation = api.invoke(get("/endless"))
    invocation.wait_for(lambda body: body.count(b"more") > 1)
    invocation.hang_up()
    api.wait_for_polls(1)
    runtime.wait_for_log("closed")
    assert "cancelled" not in runtime.log


# But for a generator of FastAPI's own, which FastAPI itself ends cleanly when it fails.
@pytest.mark.parametrize(
    "app", [STARLETTE, FASTAPI, SSE_STARLETTE, DJANGO], ids=["Starlette", "FastAPI", "sse-starlette", "Django"]
)
def test_a_generator_that_fails_ends_its_stream_with_trailers(
    api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path, app: str
) -> None:
    start_runtime(GATES + app, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    os.mkfifo(tmp_path / "one")
    invocation = api.invoke(get("/failing"))
    invocation.wait_for(lambda body: b"half" in body)
    (tmp_path / "one").write_bytes(b"go on")
    answer = invocation.answer()
    assert (answer.payload.count(b"half"), b"paper" in answer.payload) == (1, False)
    assert "the paper is out" in answer.error["errorMessage"] + "".join(answer.error["stackTrace"])
    api.wait_for_polls(1)
