"""The gateway's Runtime API beside AWS's emulator: one runtime asks both for what they should refuse."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import StartEmulator
from tests.integration.gateway import FUNCTIONS, RunningGateway

PROBE = [sys.executable, str(FUNCTIONS / "runtime_probe.py")]


def test_the_runtime_api_answers_as_the_emulator_does(
    start_emulator: StartEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = start_emulator(command=PROBE)
    emulator.invoke({})
    expected: dict[str, Any] = json.loads((tmp_path / "journal").read_text())
    monkeypatch.setattr("bridge.local.environment.command_of", lambda function: PROBE)
    journal = tmp_path / "gateway"
    with RunningGateway("probe", environ={"JOURNAL": str(journal)}) as local:
        local.run(local.gateway.invoke(b"{}"))
        local.wait_for(journal.exists)
    found: dict[str, Any] = json.loads(journal.read_text())
    # Lambda itself always sends them, and so does the gateway; the emulator only sometimes.
    for name in ("lambda-runtime-invocation-id", "lambda-runtime-trace-id"):
        found["headers"].remove(name)
    assert found == expected
