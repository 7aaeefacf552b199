"""An answer on its way: in parts, with a reader that is slow, gone, or late."""

import asyncio

import anyio

from bridge.local.answer import Answer
from bridge.local.invocation import Failure, Invocation


def make_answer() -> Answer:
    return Answer(Invocation(source="invoke", event=b"{}"), lambda _: None)


async def test_parts_arrive_as_they_come(anyio_backend: str) -> None:
    answer = make_answer()
    answer.start(content_type="text/plain", is_streamed=True)
    await answer.started()
    parts = answer.parts()
    await answer.put(b"first")
    assert await anext(parts) == b"first"
    reading = asyncio.ensure_future(anext(parts, None))
    await anyio.wait_all_tasks_blocked()
    assert not reading.done()
    answer.finish()
    assert await reading is None
    assert answer.failure is None


async def test_a_slow_reader_makes_the_runtime_wait_and_one_that_left_does_not(anyio_backend: str) -> None:
    answer = make_answer()
    part = bytes(200 << 10)
    await answer.put(part)
    waiting = asyncio.ensure_future(answer.put(part))
    await anyio.wait_all_tasks_blocked()
    assert not waiting.done()
    assert await anext(answer.parts()) == part
    await waiting
    answer.leave()
    for _ in range(10):
        await answer.put(part)
    assert answer.invocation.result_size == 12 * len(part)


async def test_only_the_first_end_counts(anyio_backend: str) -> None:
    answer = make_answer()
    failure = Failure("Sandbox.Timedout", "late")
    answer.finish(failure)
    answer.finish()
    await answer.put(b"too late")
    await answer.started()
    assert (await answer.whole(), answer.failure, answer.invocation.status) == (b"", failure, "responded")
