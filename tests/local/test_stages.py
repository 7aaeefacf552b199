"""The limits of what comes before the first invocation of an environment."""

import asyncio

import pytest

from bridge.local import stages
from bridge.local.stages import Stages


@pytest.mark.anyio
async def test_an_init_phase_past_lambdas_limit_is_told_before_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "INIT_LIMIT", 0.01)
    told: list[object] = []
    is_over = asyncio.Event()

    def passed(seconds: float) -> None:
        told.append(seconds)
        is_over.set()

    Stages(passed, told.append).begin_init(0.02)
    await asyncio.wait_for(is_over.wait(), 30)
    assert told == [stages._SLOW, 0.03]


@pytest.mark.anyio
async def test_a_stage_that_has_ended_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "INIT_LIMIT", 0.0)
    told: list[object] = []
    made = Stages(told.append, told.append)
    made.begin_init(0.0)
    made.end_init()
    made.begin_restore()
    made.ready()
    for _ in range(3):  # timers of 0 s would have come in the first turn
        await asyncio.sleep(0)
    assert told == []
