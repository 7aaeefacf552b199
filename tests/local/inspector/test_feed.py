"""What a page is told."""

import asyncio
import json
from typing import Any

from bridge.local.inspector.elements import Markup, element
from bridge.local.inspector.feed import END, changes
from tests.local.inspector.fake_gateway import FakeGateway, record, request


def test_a_page_gets_all_of_it_first_then_what_changes_and_its_end() -> None:
    gateway = FakeGateway()
    over = False

    def render() -> dict[str, Markup]:
        return {"count": element("b", str(len(gateway.history))), "title": element("i", "same")}

    async def follow() -> list[bytes]:
        nonlocal over
        got: list[bytes] = []
        feed = changes(gateway.history, render, is_over=lambda: over)
        async for message in feed:
            if message != b":\n\n":
                got.append(message)
            if len(gateway.history) == 0:
                gateway.history.changed(record(request()))
            elif len(got) == 2:
                over = True
        return got

    first, second, end = asyncio.run(follow())
    assert _data(first) == {"count": "<b>0</b>", "title": "<i>same</i>"}
    assert _data(second) == {"count": "<b>1</b>"}
    assert end == END


def test_a_feed_ends_with_the_gateway_and_leaves_no_subscription() -> None:
    gateway = FakeGateway()
    closes = iter([False, True])

    async def follow() -> list[bytes]:
        return [message async for message in changes(gateway.history, dict, is_closing=lambda: next(closes))]

    assert asyncio.run(follow()) == [b":\n\n"]


def _data(message: bytes) -> Any:
    return json.loads(message.removeprefix(b"data: "))
