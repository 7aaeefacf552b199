"""Threads of `run_in_executor` with concurrent invocations: they log with the id of the invocation that called it."""

import pytest

from tests.events import MakeEvent
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes

LOGGING = """
import asyncio, logging

async def log():
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, logging.getLogger().error, "in a thread")

async def function(event, context):
    await log()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError
    await log()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})
"""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("name", ["app.function", "app.app"])
def test_its_lines_have_the_id_of_the_invocation(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, name: str, workers: str
) -> None:
    runtime = fork_runtime(LOGGING, name, AWS_LAMBDA_MAX_CONCURRENCY="4", BRIDGE_WORKERS=workers)
    invocations = [api.invoke(make_event()) for _ in range(8)]
    for invocation in invocations:
        invocation.answer()
    ids = [line.split("\t")[2] for line in runtime.wait_for_lines(8)]
    assert sorted(ids) == sorted(invocation.request_id for invocation in invocations)
