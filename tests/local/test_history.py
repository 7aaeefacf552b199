"""The history: bounded, newest first, and its readers hear of changes."""

import asyncio

from bridge.local.history import History
from bridge.local.invocation import MAX_LOG, MAX_PARTS, Invocation


def test_the_oldest_invocations_are_dropped_past_a_number() -> None:
    history = History(max_invocations=3)
    made = [Invocation(source="invoke", event=b"{}") for _ in range(5)]
    for invocation in made:
        history.changed(invocation)
    assert list(history) == made[:1:-1]
    assert len(history) == 3
    assert [history.get(each.id) is each for each in made] == [False, False, True, True, True]


def test_the_oldest_invocations_are_dropped_past_a_size_but_never_the_newest() -> None:
    history = History(max_size=1 << 20)
    made = [Invocation(source="invoke", event=bytes(600_000)) for _ in range(3)]
    for invocation in made:
        history.changed(invocation)
    assert list(history) == made[2:]
    made[2].event = bytes(2 << 20)
    history.changed(made[2])
    assert list(history) == made[2:]


async def test_a_slow_reader_gets_each_changed_invocation_once(anyio_backend: str) -> None:
    history = History()
    first, second = (Invocation(source="invoke", event=b"{}") for _ in range(2))
    with history.subscribe() as subscription:
        batches = aiter(subscription)
        for invocation in (first, second, first):
            history.changed(invocation)
        assert await anext(batches) == [first, second]
        waiting = asyncio.ensure_future(anext(batches))
        history.changed(second)
        assert await waiting == [second]


def test_a_record_keeps_a_part_of_what_is_large() -> None:
    invocation = Invocation(source="invoke", event=b"{}")
    for _ in range(MAX_PARTS + 5):
        invocation.part(bytes(2000))
    for _ in range(30):
        invocation.log("x" * (MAX_LOG // 20))
    assert (len(invocation.result), invocation.result_size) == (1 << 20, 2000 * (MAX_PARTS + 5))
    assert sum(part.size for part in invocation.timeline.parts) == invocation.result_size
    assert len(invocation.timeline.parts) == MAX_PARTS
    assert invocation.logs[-1].text == "(The rest of this log is not kept.)"
    assert len(invocation.logs) < 25
