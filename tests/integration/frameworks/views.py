"""What the views of every framework's application have in common."""

from collections.abc import AsyncIterator
from hashlib import sha256
from itertools import count
from typing import Any

__all__ = ["EXPIRES", "endless_parts", "gated_parts", "three_parts", "upload_report"]

# The expiry of a cookie, with a comma in it.
EXPIRES = "Wed, 21 Oct 2099 07:28:00 GMT"


async def three_parts() -> AsyncIterator[str]:
    for number in range(3):
        yield f"part {number}\n"


async def gated_parts(gate: Any) -> AsyncIterator[str]:
    """Two parts, the second once `gate`, an event, is set."""
    yield "before\n"
    await gate.wait()
    yield "after\n"


async def endless_parts(journal: list[str]) -> AsyncIterator[str]:
    for number in count():
        journal.append("part")
        yield f"part {number}\n"


def upload_report(title: object, filename: object, content_type: object, content: bytes) -> dict[str, object]:
    return {
        "title": title,
        "filename": filename,
        "type": content_type,
        "size": len(content),
        "sha256": sha256(content).hexdigest(),
    }
