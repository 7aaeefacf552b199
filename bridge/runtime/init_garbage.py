"""The garbage collector in the init phase: a search for garbage among imported modules wastes time."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["INIT_THRESHOLD", "few_collections"]

# The number of new objects that starts a collection during imports. Python's own 700 (2,000 since 3.12) cause dozens.
INIT_THRESHOLD = 50_000


@contextmanager
def few_collections() -> Iterator[None]:
    """Collect seldom inside the block. At its end, collect, and exclude what is alive from later collections.

    Garbage that was excluded would never be freed, with the connections and files that it holds.
    """
    before = gc.get_threshold()
    gc.set_threshold(INIT_THRESHOLD, *before[1:])
    try:
        yield
    finally:
        if gc.get_threshold()[0] == INIT_THRESHOLD:  # and the application has not chosen its own meanwhile
            gc.set_threshold(*before)
        gc.collect()
        gc.freeze()
