"""The parts of a body on their way from any number of tasks to one reader."""

import anyio
import pytest

from bridge.asgi.handover import Handover, ReaderLeft

pytestmark = pytest.mark.anyio


async def take_all(handover: Handover) -> list[bytes]:
    parts: list[bytes] = []
    while True:
        try:
            parts.append(await handover.take())
        except anyio.EndOfStream:
            return parts


async def test_parts_of_several_tasks_arrive_in_the_order_in_which_they_were_put() -> None:
    handover = Handover()
    parts: list[bytes] = []

    async def put(part: bytes) -> None:
        parts.append(part)
        await handover.put(part)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(put, b"%d" % number)
        await anyio.wait_all_tasks_blocked()
        handover.close()
        assert await take_all(handover) == parts
    assert handover.is_empty


async def test_put_waits_until_its_part_was_taken() -> None:
    handover = Handover()
    steps: list[str] = []

    async def put() -> None:
        for name in ("one", "two"):
            await handover.put(name.encode())
            steps.append(f"{name} was taken")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(put)
        await anyio.wait_all_tasks_blocked()
        assert steps == []
        assert not handover.is_empty
        assert await handover.take() == b"one"
        await anyio.wait_all_tasks_blocked()
        assert steps == ["one was taken"]
        assert await handover.take() == b"two"


@pytest.mark.parametrize("puts_first", [False, True])
async def test_a_reader_that_is_cancelled_loses_no_part(puts_first: bool) -> None:
    """At the worst moment: the part has come, and the reader that it has woken up does not run any more."""
    handover = Handover()
    first: list[bytes] = []

    async def read(scope: anyio.CancelScope) -> None:
        with scope:
            first.append(await handover.take())

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, scope)
        await anyio.wait_all_tasks_blocked()
        if puts_first:
            tasks.start_soon(handover.put, b"one")
        scope.cancel()
        if not puts_first:
            tasks.start_soon(handover.put, b"one")
        tasks.start_soon(handover.put, b"two")
        await anyio.wait_all_tasks_blocked()
        handover.close()
        assert sorted(first + await take_all(handover)) == [b"one", b"two"]
    assert handover.is_empty


async def test_a_part_whose_put_is_cancelled_arrives_in_its_place() -> None:
    handover = Handover()
    for part in (b"one", b"two"):
        with anyio.move_on_after(0):
            await handover.put(part)
    handover.close()
    assert not handover.is_empty
    assert await take_all(handover) == [b"one", b"two"]
    assert handover.is_empty


async def test_a_reader_that_leaves_refuses_what_is_put_and_what_will_be() -> None:
    handover = Handover()
    refused: list[bytes] = []

    async def put(part: bytes) -> None:
        try:
            await handover.put(part)
        except ReaderLeft:
            refused.append(part)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(put, b"one")
        await anyio.wait_all_tasks_blocked()
        handover.leave()
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(put, b"two")
    assert refused == [b"one", b"two"]
    assert not handover.is_empty
    assert await take_all(handover) == []


async def test_every_reader_that_waits_learns_of_the_end() -> None:
    handover = Handover()
    ends: list[list[bytes]] = []

    async def read() -> None:
        ends.append(await take_all(handover))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        handover.close()
    assert ends == [[], []]
