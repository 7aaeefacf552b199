"""The current invocation in every task and thread that works for it, while many run concurrently."""

import asyncio
import json
import os
import random
from typing import Any

import anyio

from bridge._types import Receive, Scope, Send
from bridge.invocation import request_id, tenant_id, trace_id
from bridge.settings import set_trace_id
from tests.events import MakeEvent
from tests.runtime.double import Invocation, RuntimeDouble
from tests.runtime.slots import START, Slots, part

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
