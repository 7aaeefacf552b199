"""Fewer collections while modules are imported, and as many as before from then on."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from bridge.runtime.init_garbage import INIT_THRESHOLD, few_collections


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threshold, frozen = gc.get_threshold(), gc.get_freeze_count()
    yield
    gc.set_threshold(*threshold)
    if not frozen:
        gc.unfreeze()


def test_collections_are_few_inside_and_as_before_after_it() -> None:
    before = gc.get_threshold()
    with few_collections():
        assert gc.get_threshold() == (INIT_THRESHOLD, *before[1:])
    assert gc.get_threshold() == before


def test_a_threshold_that_the_application_chose_stays() -> None:
    with few_collections():
        gc.set_threshold(123, 4, 5)
    assert gc.get_threshold()[:2] == (123, 4)


def test_what_is_alive_then_is_looked_at_no_more() -> None:
    with few_collections():
        kept: list[list[object]] = [[] for _ in range(1000)]
    assert gc.get_freeze_count() >= len(kept)
    assert gc.get_count()[0] < INIT_THRESHOLD


class Ring:
    """An object that only a collection frees, in place of one that holds a connection."""

    def __init__(self, freed: list[str]) -> None:
        self.myself = self
        weakref.finalize(self, freed.append, "freed")


def test_garbage_is_freed_and_not_kept_for_good() -> None:
    freed: list[str] = []
    with few_collections():
        Ring(freed)
    assert freed == ["freed"]


def test_a_failure_inside_changes_nothing_of_that() -> None:
    before = gc.get_threshold()
    with pytest.raises(ImportError), few_collections():
        raise ImportError
    assert gc.get_threshold() == before
