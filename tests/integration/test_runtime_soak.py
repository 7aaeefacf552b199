"""20,000 invocations over 16 slots of one process: none is lost, none is answered twice, and memory stays flat."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.events import MISSING, load
from tests.runtime.double import Answer, Invocation, RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

SLOTS = 16
BATCH = 200

# All of them where it counts; fewer for a try.
INVOCATIONS = int(os.environ.get("SOAK_INVOCATIONS", "20000"))

# In KiB. The halves of a process that keeps even a hundred bytes of each invocation differ by more than noise; one that
# keeps a small body of each by far more than this.
MAX_GROWTH = 24 * 1024

# Each request says what is to become of it. `work`: seconds until the answer; `after`: seconds of work behind it.
APP = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("no lifespan")
    number, kind, size, work, after = scope["path"].strip("/").split("/")
    await asyncio.sleep(float(work))
    if kind == "raises":
        raise ValueError(number)
    if kind == "late":
        await asyncio.sleep(3600)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    body = (number.encode() + b".") * int(size)
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
"""

# How often each kind of request comes, and through which service: a load balancer does not stream.
KINDS = {
    ("whole", "alb"): 500,
    ("whole", "function_url"): 400,
    ("raises", "alb"): 20,
    ("raises", "function_url"): 20,
    ("breaks", "alb"): 20,
    ("breaks", "function_url"): 20,
    ("fails after", "alb"): 10,
    ("late", "alb"): 4,
    ("late", "function_url"): 3,
    ("endless", "function_url"): 3,
}


class Planned(NamedTuple):
    """One invocation, and what it was to become."""

    number: int
    kind: str
    source: str
    size: int
    invocation: Invocation

    @property
    def body(self) -> bytes:
        return b"%d." % self.number * self.size

    def check(self, answer: Answer) -> None:
        assert (answer.kind, answer.is_streamed) == ("response", self.source == "function_url"), self
        status = {"raises": 500, "late": 504, "breaks": 200 if answer.is_streamed else 500}.get(self.kind, 200)
        if not answer.is_streamed:
            assert answer.json["statusCode"] == status, self
            assert status != 200 or answer.json["body"].encode() == self.body, self
        elif self.kind == "endless":
            assert not answer.is_whole, self
        else:
            assert (answer.prelude["statusCode"], answer.is_whole) == (status, True), self
            expected = self.body[: len(self.body) // 2] if self.kind == "breaks" else self.body
            assert status != 200 or answer.payload == expected, self
            assert (answer.error is not None) == (self.kind == "breaks"), self


@pytest.fixture
def time_limit() -> int:
    return 600


@pytest.fixture
def api() -> Iterator[RuntimeDouble]:
    with RuntimeDouble() as double:
        yield double


@pytest.fixture
def start_runtime(api: RuntimeDouble, tmp_path: Path) -> Iterator[Runtimes]:
    runtimes = Runtimes(tmp_path, api.address)
    yield runtimes
    runtimes.end()


def event(source: str, path: str) -> dict[str, Any]:
    if source == "alb":
        return load("alb", path=path, httpMethod="GET", body="", queryStringParameters={})
    changes = {"rawPath": path, "requestContext__http__method": "GET", "rawQueryString": "", "body": MISSING}
    return load("function_url", **changes)


def plan(api: RuntimeDouble, number: int, numbers: random.Random) -> Planned:
    ((kind, source),) = numbers.choices(list(KINDS), weights=list(KINDS.values()))
    size = numbers.choice([0, 1, 1, 10, 10, 100, 1000]) if numbers.random() < 0.995 else 1_000_000 // (number + 10)
    work = numbers.choice([0, 0, 0, 0.001, 0.01])
    after = numbers.choice([0, 0, 0, 0, 0.002])
    path = f"/{number}/{kind.replace(' ', '%20')}/{size}/{work}/{after}"
    deadline = 0.5 if kind == "late" else 60.0
    path = path if source == "function_url" else path.replace("%20", " ")
    return Planned(number, kind, source, size, api.invoke(event(source, path), deadline=deadline))


def run_batch(api: RuntimeDouble, first: int, count: int, numbers: random.Random) -> None:
    planned = [plan(api, number, numbers) for number in range(first, first + count)]
    for each in planned:
        if each.kind == "endless":
            each.invocation.wait_for(10_000, timeout=60)
            each.invocation.hang_up()
        each.check(each.invocation.answer(timeout=60))
        each.invocation.release()


def resident(runtime: Runtime) -> int:
    """The memory of the process, in KiB."""
    status = Path(f"/proc/{runtime.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_soak(api: RuntimeDouble, start_runtime: Runtimes, record_property: Callable[[str, object], None]) -> None:
    runtime = start_runtime(
        APP,
        "app:app",
        AWS_LAMBDA_LOG_LEVEL="CRITICAL",
        AWS_LAMBDA_MAX_CONCURRENCY=str(SLOTS),
        AWS_LWA_INVOKE_MODE="response_stream",
    )
    numbers = random.Random(4)
    memory = []
    for first in range(0, INVOCATIONS, BATCH):
        run_batch(api, first, min(BATCH, INVOCATIONS - first), numbers)
        memory.append(resident(runtime))
    api.wait_for_polls(SLOTS)
    assert (api.open_polls, runtime.is_running) == (SLOTS, True)
    shown = [f"{kib / 1024:.1f}" for kib in memory[:: max(1, len(memory) // 10)]]
    record_property("printed", f"{INVOCATIONS} invocations over {SLOTS} slots, memory in MB: {' '.join(shown)}")
    assert max(memory[len(memory) // 2 :]) - max(memory[: len(memory) // 2]) < MAX_GROWTH, shown
    runtime.terminate()
    assert runtime.wait() == 0
