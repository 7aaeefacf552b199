"""Thousands of invocations over 16 slots of one process: none is lost or answered twice, and memory stays flat.

BRIDGE_TEST_SOAK is how many; the whole matrix has 20,000 of them.
"""

import json
import os
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.events import load
from tests.runtime.double import Answer, Invocation, RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

SLOTS = 16
BATCH = 200

INVOCATIONS = int(os.environ.get("BRIDGE_TEST_SOAK", "1000"))

# In KiB. The halves of a process that keeps even a hundred bytes of each invocation differ by more than noise; one that
# keeps a small body of each by far more than this.
MAX_GROWTH = 24 * 1024

# Each request says what the application does. `size`: bytes of the body. `work`: seconds until the answer; `after`:
# seconds of work after it.
APP = """
import asyncio
import zlib

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("no lifespan")
    number, kind, size, work, after = scope["path"].strip("/").split("/")
    seen = str(zlib.crc32(await read(receive))).encode()
    await asyncio.sleep(float(work))
    if kind == "raises":
        raise ValueError(number)
    if kind == "cancels":
        raise asyncio.CancelledError
    if kind == "late":
        await asyncio.sleep(3600)
    headers = [(b"content-type", b"text/plain"), (b"x-seen", seen)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = (number.encode() * (int(size) // len(number) + 1))[: int(size)]
    half = len(body) // 2
    await send({"type": "http.response.body", "body": body[:half], "more_body": True})
    while kind == "endless":
        await send({"type": "http.response.body", "body": bytes(4096), "more_body": True})
    if kind == "breaks":
        raise ValueError(number)
    await send({"type": "http.response.body", "body": body[half:]})
    await asyncio.sleep(float(after))
    if kind == "fails after":
        raise ValueError(number)
    if kind == "leaves":
        asyncio.create_task(asyncio.sleep(float(after)))

async def read(receive):
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return body
"""

# How often each kind of request comes, and through which service: a load balancer does not stream.
KINDS = {
    ("whole", "alb"): 480,
    ("whole", "function_url"): 380,
    ("leaves", "alb"): 20,
    ("leaves", "function_url"): 20,
    ("raises", "alb"): 20,
    ("raises", "function_url"): 20,
    ("cancels", "alb"): 5,
    ("cancels", "function_url"): 5,
    ("breaks", "alb"): 15,
    ("breaks", "function_url"): 15,
    ("fails after", "alb"): 5,
    ("fails after", "function_url"): 5,
    ("late", "alb"): 4,
    ("late", "function_url"): 3,
    ("endless", "function_url"): 3,
}

# A fact that the log has for each kind that goes wrong: once, except for a deadline.
LOGGED = {
    "raises": "ValueError",
    "cancels": "cancellation",
    "breaks": "ValueError",
    "fails after": "after its response",
    "late": "deadline",
}


class Planned(NamedTuple):
    """One invocation, and what is expected of it. `seen`: the checksum of the body that the application has to get."""

    number: int
    kind: str
    source: str
    size: int
    seen: int
    invocation: Invocation

    @property
    def body(self) -> bytes:
        digits = b"%d" % self.number
        return (digits * (self.size // len(digits) + 1))[: self.size]

    def check(self, answer: Answer) -> None:
        assert (answer.kind, answer.is_streamed) == ("response", self.source == "function_url"), self
        failed = {"raises": 500, "cancels": 500, "late": 504, "breaks": 200 if answer.is_streamed else 500}
        status = failed.get(self.kind, 200)
        if self.kind == "endless":
            assert not answer.is_whole, self
            return
        head = answer.prelude if answer.is_streamed else answer.json
        assert (head["statusCode"], answer.is_whole) == (status, True), self
        assert (answer.error is not None) == (self.kind == "breaks" and answer.is_streamed), self
        if status == 200:
            assert head["headers"]["x-seen"] == str(self.seen), self
            body = answer.payload if answer.is_streamed else head["body"].encode()
            assert body == (self.body[: len(self.body) // 2] if self.kind == "breaks" else self.body), self


@pytest.fixture
def time_limit() -> int:
    return 600


def event(source: str, path: str, body: str) -> dict[str, Any]:
    if source == "alb":
        return load("alb", path=path, body=body, queryStringParameters={})
    return load("function_url", rawPath=path.replace(" ", "%20"), rawQueryString="", body=body, isBase64Encoded=False)


def draw_size(numbers: random.Random) -> int:
    """Draw a size in bytes: small, except that one of 200 is up to a megabyte."""
    if numbers.random() < 0.005:
        return numbers.randrange(1_000_000)
    return numbers.choice([0, 1, 10, 100, 1_000, 10_000])


def plan(api: RuntimeDouble, number: int, numbers: random.Random) -> Planned:
    ((kind, source),) = numbers.choices(list(KINDS), weights=list(KINDS.values()))
    size, body = draw_size(numbers), "x" * draw_size(numbers)
    work = numbers.choice([0, 0, 0, 0.001, 0.01])
    after = numbers.choice([0, 0, 0, 0, 0.002])
    deadline = 0.5 if kind == "late" else 60.0
    made = event(source, f"/{number}/{kind}/{size}/{work}/{after}", body)
    return Planned(number, kind, source, size, zlib.crc32(body.encode()), api.invoke(made, deadline=deadline))


def run_batch(api: RuntimeDouble, first: int, count: int, numbers: random.Random) -> Iterator[tuple[str, str]]:
    """Yield the request id and the fact of each entry that the log must have of these."""
    planned = [plan(api, number, numbers) for number in range(first, first + count)]
    for each in planned:
        if each.kind == "endless":
            each.invocation.wait_for(10_000, timeout=60)
            each.invocation.hang_up()
        each.check(each.invocation.answer(timeout=60))
        each.invocation.release()
        if each.kind in LOGGED:
            yield each.invocation.request_id, LOGGED[each.kind]


def errors_in(log: str) -> Iterator[tuple[str, str]]:
    """Yield the request id and the text of every entry of an error's level; a line that is not an entry fails."""
    for line in log.splitlines():
        entry = json.loads(line)
        if entry.get("level", "ERROR") in ("ERROR", "CRITICAL"):
            yield entry["requestId"], line


def resident(runtime: Runtime) -> int:
    """Return the memory of the process, in KiB."""
    status = Path(f"/proc/{runtime.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_soak(api: RuntimeDouble, start_runtime: Runtimes, record_property: Callable[[str, object], None]) -> None:
    runtime = start_runtime(
        APP,
        "app:app",
        AWS_LAMBDA_LOG_FORMAT="JSON",
        AWS_LAMBDA_MAX_CONCURRENCY=str(SLOTS),
        AWS_LWA_INVOKE_MODE="response_stream",
    )
    numbers = random.Random(4)
    memory: list[int] = []
    logged: list[tuple[str, str]] = []
    for first in range(0, INVOCATIONS, BATCH):
        logged += run_batch(api, first, min(BATCH, INVOCATIONS - first), numbers)
        memory.append(resident(runtime))
    api.wait_for_polls(SLOTS)
    assert (api.open_polls, runtime.is_running) == (SLOTS, True)
    shown = [f"{kib / 1024:.1f}" for kib in memory[:: max(1, len(memory) // 10)]]
    record_property("printed", f"{INVOCATIONS} invocations over {SLOTS} slots, memory in MB: {' '.join(shown)}")
    assert max(memory[len(memory) // 2 :]) - max(memory[: len(memory) // 2]) < MAX_GROWTH, shown
    runtime.terminate()
    assert runtime.wait() == 0
    facts = dict(logged)
    lines: dict[str, list[str]] = {request_id: [] for request_id in facts}
    for request_id, line in errors_in(runtime.log):
        lines.setdefault(request_id, []).append(line)
    assert [found for request_id, found in lines.items() if request_id not in facts] == []
    assert [request_id for request_id, found in lines.items() if not found] == []
    assert [line for request_id, found in lines.items() for line in found if facts[request_id] not in line] == []
    # On a busy machine an event loop is so late that the watchdog tells of the deadline as well.
    once = [found for request_id, found in lines.items() if facts[request_id] != LOGGED["late"]]
    assert [found for found in once if len(found) > 1] == []
