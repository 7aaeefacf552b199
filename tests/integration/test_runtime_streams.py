"""Frameworks' own streams through `python -m bridge.runtime`: every part is at Lambda while the framework waits."""

import os
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
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

async def events():
    async for part in async_parts():
        yield {"event": "word", "data": part.strip()}

pages = {
    "/sync": lambda: StreamingResponse(parts()),
    "/sse": lambda: EventSourceResponse(events(), ping=3600),
}
app = Starlette(routes=[Route(path, lambda request: pages[request.url.path]()) for path in pages])
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
"""

PLAIN = [b"one\n", b"two\n", b"three\n"]
EVENTS = [b"event: word\r\ndata: %s\r\n\r\n" % word.strip() for word in PLAIN]
OWN_EVENTS = [b'data: "%s"\n\n' % word.strip() for word in PLAIN]

# The code, the paths that stream in parts, and those parts.
FRAMEWORKS: dict[str, tuple[str, dict[str, list[bytes]]]] = {
    "Starlette": (STARLETTE, {"/sync": PLAIN, "/sse": EVENTS}),
    "FastAPI, generators": (GENERATORS, {"/async": OWN_EVENTS, "/sync": OWN_EVENTS}),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_part_arrives_before_the_next_one_is_made(
    api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path, framework: str
) -> None:
    if framework == "FastAPI, generators":
        pytest.importorskip("fastapi.sse", reason="in this FastAPI a path operation cannot be a generator")
    code, streams = FRAMEWORKS[framework]
    for name in ("one", "two", "three"):
        os.mkfifo(tmp_path / name)
    start_runtime(GATES + code, "app:app", AWS_LWA_INVOKE_MODE="response_stream", GATES=str(tmp_path))
    for path, parts in streams.items():
        invocation = api.invoke(load("function_url", rawPath=path, requestContext__http__method="GET", body=""))
        seen = b""
        for gate, part in zip(("one", "two", "three"), parts, strict=True):
            (tmp_path / gate).write_bytes(b"go on")  # returns when the framework waits for this part
            seen += part
            invocation.wait_for(lambda body, seen=seen: body.endswith(seen))  # type: ignore[misc]
        answer = invocation.answer()
        assert (answer.prelude["statusCode"], answer.payload, answer.is_whole) == (200, seen, True)
