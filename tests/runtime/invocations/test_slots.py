"""The current invocation in every task and thread that works for it, while many run concurrently."""

import asyncio
import json
import os
import random
from collections.abc import Callable
from typing import Any

import anyio

from bridge import Proxy
from bridge._types import Receive, Scope, Send
from bridge.invocation import request_id, tenant_id, trace_id
from bridge.settings import set_trace_id
from tests.proxy.origins import Origin, Peer, response
from tests.runtime.double import Invocation, RuntimeDouble
from tests.runtime.processes import Runtimes
from tests.runtime.slots import START, Slots, part

Event = dict[str, Any]
MakeEvent = Callable[..., Event]

SLOTS = 16


def current() -> list[str]:
    return [request_id.get(), trace_id.get(), tenant_id.get()]


def of(invocation: Invocation) -> list[str]:
    known = {name.lower(): value for name, value in invocation.headers}
    names = ("lambda-runtime-aws-request-id", "lambda-runtime-trace-id", "lambda-runtime-aws-tenant-id")
    return [known.get(name, "") for name in names]


async def turns(chance: random.Random) -> None:
    for _ in range(chance.randrange(5)):
        await asyncio.sleep(0)


async def look_around(chance: random.Random) -> list[list[str]]:
    """Return the current invocation, as seen in this task, in others, and in threads; others run in between."""
    seen = [current()]
    await turns(chance)
    seen.append(current())
    seen.append(await asyncio.to_thread(current))
    await turns(chance)
    seen.append(await anyio.to_thread.run_sync(current))

    async def in_a_task() -> None:
        await turns(chance)
        seen.append(current())

    async with anyio.create_task_group() as group:
        group.start_soon(in_a_task)
    await asyncio.create_task(in_a_task())
    return seen


def test_it_is_right_in_every_task_and_thread(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    chance = random.Random(1)
    seen_later: list[list[str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        before = await look_around(chance)
        await send(START)
        await send(part(json.dumps(before).encode()))
        seen_later.extend(await look_around(chance))
        asyncio.create_task(leave_behind())  # noqa: RUF006  # the runtime waits for it

    async def leave_behind() -> None:
        seen_later.extend(await look_around(chance))

    slots.on_loop(app, count=SLOTS)
    invocations = [
        api.invoke(make_event(), tenant_id=f"t{n}" if n % 3 else None, trace_id=f"Root=1-{n}" if n % 4 else "")
        for n in range(4 * SLOTS)
    ]
    for invocation in invocations:
        assert json.loads(invocation.answer().json["body"]) == [of(invocation)] * 6
    api.wait_for_polls(SLOTS)
    assert sorted(seen_later) == sorted([of(invocation) for invocation in invocations] * 12)


def test_functions_in_threads_find_their_own(api: RuntimeDouble, slots: Slots) -> None:
    def function(event: Any, context: Any) -> object:
        return [current(), asyncio.run(look_around(random.Random(event))), context.aws_request_id]

    slots.in_threads(function, count=SLOTS)
    invocations = [api.invoke(number, tenant_id=f"t{number}") for number in range(2 * SLOTS)]
    for invocation in invocations:
        own = of(invocation)
        assert invocation.answer().json == [own, [own] * 6, own[0]]


def test_what_startup_has_left_running_belongs_to_no_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    jobs: asyncio.Queue[asyncio.Future[list[str]]] = asyncio.Queue()

    async def work_off() -> None:
        while True:
            (await jobs.get()).set_result(current())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            worker = asyncio.create_task(work_off())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            worker.cancel()
            await send({"type": "lifespan.shutdown.complete"})
            return
        job = asyncio.get_running_loop().create_future()
        jobs.put_nowait(job)
        await send(START)
        await send(part(json.dumps(await job).encode()))

    slots.on_loop(app)
    assert json.loads(api.invoke(make_event()).answer().json["body"]) == ["", "", ""]


def test_the_environment_has_the_trace_while_there_is_one_invocation_at_a_time(
    api: RuntimeDouble, slots: Slots
) -> None:
    async def environment(event: Any, context: Any) -> object:
        return os.environ.get("_X_AMZN_TRACE_ID")

    running = slots.of_function(environment)
    for trace in ("Root=1-a", "", "Root=1-b"):
        assert api.invoke({}, trace_id=trace).answer().json == (trace or None)
    running.end()
    set_trace_id("")
    slots.of_function(environment, count=2)
    assert api.invoke({}, trace_id="Root=1-a").answer().json is None


def test_a_web_server_is_told_the_trace_of_its_own_request(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    def tell_trace(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            values = request.values(b"x-amzn-trace-id")
            context = request.values(b"x-amzn-lambda-context")
            traces = [value.decode() for value in values] + [json.loads(each)["xray_trace_id"] for each in context]
            peer.send(response(json.dumps(traces).encode()))

    with Origin(tell_trace) as origin:
        running = slots.on_loop(Proxy(url=f"http://127.0.0.1:{origin.port}"), count=4)
        invocations = [api.invoke(make_event(), trace_id=f"Root=1-{number}") for number in range(16)]
        for number, invocation in enumerate(invocations):
            assert json.loads(invocation.answer().json["body"]) == [f"Root=1-{number}"] * 2
        running.end()


CODE = """
import asyncio, json, logging

logging.getLogger().setLevel("INFO")

def say(*words):
    logging.info(" ".join(words))

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    say(path, "starts")
    await asyncio.sleep(0)
    await asyncio.to_thread(say, path, "in a thread")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})
    say(path, "answered")
    asyncio.get_running_loop().call_soon(say, path, "called back")
    asyncio.create_task(leave(path))

async def leave(path):
    await asyncio.sleep(0)
    say(path, "left running")
    if path == "/0":
        raise LookupError(path)
"""


def test_every_line_of_the_log_has_the_id_of_its_request(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    runtime = fork_runtime(CODE, "app:app", AWS_LAMBDA_MAX_CONCURRENCY="4", AWS_LAMBDA_LOG_FORMAT="JSON")
    api.wait_for_polls(4)
    invocations = [api.invoke(make_event(path=f"/{number}"), tenant_id=f"t{number}") for number in range(12)]
    for invocation in invocations:
        assert invocation.answer().json["statusCode"] == 200
    runtime.wait_for_log("LookupError")
    api.wait_for_polls(4)
    runtime.terminate()
    assert runtime.wait() == 0
    lines = [json.loads(line) for line in runtime.log.splitlines()]
    said = [(line["message"], line["requestId"], line["tenantId"]) for line in lines if line["logger"] == "root"]
    parts = ("starts", "in a thread", "answered", "called back", "left running")
    assert sorted(said) == sorted(
        (f"/{number} {part}", invocation.request_id, f"t{number}")
        for number, invocation in enumerate(invocations)
        for part in parts
    )
