"""An environment whose process cannot start, or is ended while it starts."""

import asyncio
import os
from pathlib import Path

import pytest

from bridge.local.gateway import Gateway
from bridge.local.settings import FunctionSettings


@pytest.mark.anyio
async def test_a_variable_that_no_process_can_have_fails_the_invocation() -> None:
    async with Gateway(FunctionSettings(target="none:none", environ={"A": "x\0y"})).running() as gateway:
        invocation = await gateway.invoke(b"{}")
    assert invocation.failure is not None
    assert invocation.failure.error_type == "Runtime.InvalidEntrypoint"


@pytest.mark.anyio
async def test_a_process_that_is_ended_while_it_starts_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(30)\n")
    function = FunctionSettings(target="slow:app", folder=str(tmp_path), environ=dict(os.environ))
    async with Gateway(function).running() as gateway:
        gateway.reload()
        while gateway.environments[0].pid is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        gateway.reload()
        environments = gateway.environments
    assert len(environments) == 2
    pids = [environment.pid for environment in environments if environment.pid is not None]
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
