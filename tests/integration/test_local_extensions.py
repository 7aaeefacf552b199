"""External extensions with real processes: they start first, hear of everything, and end last."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateway import FUNCTIONS, RunningGateway

RUNTIMES = ["bridge", "awslambdaric"]


@pytest.fixture
def extension(tmp_path: Path) -> str:
    """Return the path of an executable, which this Python runs."""
    path = tmp_path / "watcher"
    path.write_text(f"#!{sys.executable}\n" + (FUNCTIONS / "extension.py").read_text())
    path.chmod(0o755)
    return str(path)


def run(extension: str, how: str = "", **options: Any) -> RunningGateway:
    target = options.pop("target", "local_site:plain")
    return RunningGateway(target, extensions=(extension,), environ={"EXTENSION": how}, **options)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_extension_starts_first_hears_of_invocations_and_ends_last(runtime: Any, extension: str) -> None:
    with run(extension, runtime=runtime, freezes=True, target="local_site:handler") as local:
        first, second = local.get("/a"), local.get("/b")
        record = local.record()
        (environment,) = local.gateway.environments
    assert (first.status_code, second.status_code) == (200, 200)
    log = environment.log
    assert log[0].startswith("extension: registered for function False ")
    assert f"extension: INVOKE {record.id} True" in log
    assert log[-1] == "extension: SHUTDOWN spindown True"
    # The runtime ends before the extension is told. Both runtimes get SIGTERM, which one of them obeys.
    assert ("shutdown lifespan.shutdown" in log[-3:-1]) == (runtime == "bridge")


@pytest.mark.parametrize(
    ("event", "options", "reason"),
    [({"sleep": 60}, {"timeout": 1.0}, "timeout"), ({"exit": 3}, {}, "failure")],
)
def test_an_extension_is_told_why_it_ends(event: Any, options: Any, reason: str, extension: str) -> None:
    with run(extension, **options) as local:
        failed = local.run(local.gateway.invoke(json.dumps(event).encode()))
        environments = list(local.gateway.environments)
        next_one = local.run(local.gateway.invoke(b"{}"))
    assert failed.failure is not None
    assert (next_one.failure, next_one.started) == (None, "cold")
    assert environments[0].log[-1] == f"extension: SHUTDOWN {reason} True"


@pytest.mark.parametrize(
    ("how", "expected", "fact"),
    [
        ("exit", "Extension.Crash", "watcher ended: exit status 5"),
        ("unnamed", "Sandbox.Timedout", "watcher"),
        ("crash", "Extension.Crash", "watcher ended: exit status 7"),
    ],
)
def test_an_extension_that_fails(
    how: str, expected: str, fact: str, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "unnamed":  # nothing waits here: it never registers
        monkeypatch.setattr("bridge.local.stages.INIT_LIMIT", 1.0)
    with run(extension, how, timeout=0.5 if how == "unnamed" else 30.0) as local:
        failed = local.run(local.gateway.invoke(b'{"sleep": 20}' if how == "crash" else b"{}"))
    assert failed.failure is not None
    assert (failed.failure.error_type, fact in failed.failure.message) == (expected, True)


def test_an_extension_that_cannot_be_started(tmp_path: Path) -> None:
    with run(str(tmp_path / "missing")) as local:
        failed = local.run(local.gateway.invoke(b"{}"))
    assert failed.failure is not None
    assert (failed.failure.error_type, "missing" in failed.failure.message) == ("Extension.LaunchError", True)


@pytest.mark.parametrize("how", ["late", "deaf"])
def test_no_extension_outlives_its_environment(how: str, extension: str) -> None:
    with run(extension, how) as local:
        local.run(local.gateway.invoke(b"{}"))
        (environment,) = local.gateway.environments
    with pytest.raises(ProcessLookupError):
        os.kill(int(environment.log[0].split()[-1]), 0)
    assert ("extension: SHUTDOWN spindown True" in environment.log) == (how == "late")
