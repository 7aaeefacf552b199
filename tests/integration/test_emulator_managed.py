"""AWS's emulator in Managed Instances mode, as other tests rely on it, with awslambdaric as the known runtime."""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import StartManaged
from tests.integration.managed import RUNTIME_GID, RUNTIME_UID

PLAIN = [sys.executable, "-m", "awslambdaric", "plain.handler"]
TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
CONTEXT = {"custom": {"basket": "42"}}


def append(journal: Path, line: str) -> None:
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def test_runtime_runs_where_lambda_runs_it_and_as_whom(start_managed: StartManaged) -> None:
    emulator = start_managed(PLAIN, max_concurrency=1)

    answer = emulator.invoke({"name": "first"}, client_context=CONTEXT, trace_id=TRACE)

    assert (answer.status, answer.error_type, answer.content_type) == (200, None, "application/json")
    assert answer.payload == {
        "name": "first",
        "process": answer.payload["process"],
        "user": [RUNTIME_UID, RUNTIME_GID],
        "folder": "/var/task",
        "can_write": False,
        "custom": CONTEXT["custom"],
        "trace": TRACE,
        "tenant": None,  # The emulator passes none on in this mode.
    }
    assert answer.payload["process"] in emulator.runtime_pids()


def test_invocations_of_all_slots_run_concurrently_and_one_more_is_refused(
    start_managed: StartManaged, tmp_path: Path
) -> None:
    emulator = start_managed(PLAIN, max_concurrency=3)
    events = [{"name": f"waiter {number}", "until": "enough"} for number in range(3)]

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(emulator.invoke_many, events)
        emulator.wait_until_busy()
        refused = emulator.invoke({"name": "refused"})
        append(tmp_path / "journal", "enough")
        answers = waiting.result()

    assert (refused.status, refused.error_type) == (400, "Runtime.Unavailable")
    assert [answer.payload["name"] for answer in answers] == ["waiter 0", "waiter 1", "waiter 2"]
    assert len({answer.payload["process"] for answer in answers}) == 3
    assert sorted(emulator.journal()) == ["enough", "waiter 0", "waiter 1", "waiter 2"]


def test_runtime_that_does_not_come_up_ends_the_emulator(start_managed: StartManaged) -> None:
    emulator = start_managed([sys.executable, "-m", "awslambdaric", "missing.handler"], max_concurrency=1, ready=False)

    assert emulator.wait_for_exit() == 1
    assert "No module named 'missing'" in emulator.wait_for_log("Runtime.ImportModuleError")


def test_mounts_are_private_and_nothing_is_left_of_them(
    start_managed: StartManaged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def seen() -> tuple[str, list[str]]:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8"), sorted(os.listdir("/var"))

    before = seen()

    emulator = start_managed(PLAIN, max_concurrency=1)
    during = seen()
    emulator.stop()

    assert (during, seen(), list(folder.iterdir()), emulator.runtime_pids()) == (before, before, [], [])
