"""Server-sent events: the parts of a page that have changed.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping

from bridge.local.history import History
from bridge.local.inspector.elements import Markup

__all__ = ["END", "changes"]

# Seconds between two looks at a gateway of which no invocation changes, for what else the page shows. The comment that
# is sent then tells when the reader has left.
_TICK = 1.0

# At least as many seconds are between two messages, and as many times what it took to make one: a page must not keep
# the gateway from its work.
_PAUSE, _SHARE = 0.1, 10

# Tells the page that nothing follows, so that it does not connect again.
END = b"event: end\ndata: \n\n"


async def changes(
    history: History,
    render: Callable[[], Mapping[str, Markup]],
    *,
    is_over: Callable[[], bool] = lambda: False,
    is_closing: Callable[[], bool] = lambda: False,
) -> AsyncIterator[bytes]:
    """Yield all parts of a page, and later those that have changed.

    `render`: returns the parts by the ids of their elements. `is_over`: whether they do not change any more.
    `is_closing`: whether the gateway ends.
    """
    shown: dict[str, Markup] = {}
    with history.subscribe() as subscription:
        batches = aiter(subscription)
        batch = asyncio.ensure_future(anext(batches))
        try:
            while not is_closing():
                start, over = time.perf_counter(), is_over()
                parts = render()
                changed = {id: part for id, part in parts.items() if shown.get(id) != part}
                shown.update(changed)
                yield _message(changed) if changed else b":\n\n"
                if over:
                    yield END
                    return
                await asyncio.sleep(max(_PAUSE, (time.perf_counter() - start) * _SHARE))
                await asyncio.wait({batch}, timeout=_TICK)
                if batch.done():
                    batch.result()
                    batch = asyncio.ensure_future(anext(batches))
        finally:
            batch.cancel()


def _message(parts: Mapping[str, str]) -> bytes:
    return f"data: {json.dumps(parts)}\n\n".encode("ascii")
