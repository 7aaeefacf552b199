"""What `check` finds, each in a folder made for it, and its exit status."""

from pathlib import Path

import pytest

from bridge.cli.folder import MAX_UNZIPPED, measured
from bridge.cli.import_time import import_time, parsed
from tests.cases import every_case
from tests.cli.conftest import Run, WriteModule

APP = """
from bridge import Bridge, Settings

async def app(scope, receive, send): ...

bare = app
handler = Bridge(app, settings=Settings(stage="strip"))

def function(event, context): ...
"""


@every_case(
    ("attribute", "kind"),
    [
        ("app", "Bridge of builtins.function"),
        ("handler", "Bridge of builtins.function"),
        ("function", "a function of event and context"),
    ],
)
def test_a_function_without_faults_passes(run: Run, module: WriteModule, attribute: str, kind: str) -> None:
    result = run("check", f"{module(APP)}:{attribute}")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "0 errors, 0 warnings")
    assert kind in result.stdout.splitlines()[0]


def test_a_setting_tells_where_its_value_comes_from(
    run: Run, module: WriteModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LWA_REMOVE_BASE_PATH", "/api")
    result = run("check", f"{module(APP)}:handler")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["base_path", "'/api',", "from", "AWS_LWA_REMOVE_BASE_PATH"] in lines
    assert ["stage", "'strip',", "from", "an", "argument"] in lines


@every_case(
    ("variables", "code", "level", "facts"),
    [
        ({"BRIDGE_STAGES": "x"}, APP, "warning", ["BRIDGE_STAGES", "BRIDGE_STAGE?"]),
        ({"BRIDGE_STAGE": "x"}, APP, "error", ["BRIDGE_STAGE", "'x'", "expected"]),
        ({"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/run.sh"}, APP, "error", ["run.sh", "run bit"]),
        ({"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/none.sh"}, APP, "error", ["none.sh"]),
        ({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/none.sh"}, APP, "warning", ["none.sh"]),
        ({}, "app = 5", "error", ["5"]),
        ({}, "import no_such_package", "error", ["no_such_package"]),
        ({}, "raise ValueError('no database')", "error", ["no database"]),
        ({}, "raise SystemExit(3)", "error", ["SystemExit", "3"]),
        ({}, "handler = 1", "error", ["'app'"]),
    ],
)
def test_a_fault_is_named_once(
    tmp_path: Path, run: Run, variables: dict[str, str], code: str, level: str, facts: list[str]
) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    number = len(list(tmp_path.glob("checked_*.py")))
    (tmp_path / f"checked_{number}.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        result = run("check", f"checked_{number}:app")
    assert result.exit_code == (level == "error")
    found = [line for line in result.stdout.splitlines() if line.startswith(f"{level}: ")]
    assert [all(fact in line for fact in facts) for line in found] == [True], result.stdout


def test_what_does_not_belong_there_is_named_with_its_size(run: Run, module: WriteModule, tmp_path: Path) -> None:
    for path in (".venv/lib/a.py", ".git/HEAD", ".env", "shop/tests/test_a.py", "shop/.git/x", "key.pem"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * 1000)
    result = run("check", f"{module(APP)}:app")
    warnings = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("warning: ")]
    assert (result.exit_code, sorted(warnings)) == (0, [".env", ".git/", ".venv/", "key.pem", "shop/.git/"])


def test_a_folder_that_is_too_large_is_an_error(run: Run, module: WriteModule, tmp_path: Path) -> None:
    with open(tmp_path / "model.bin", "wb") as file:
        file.truncate(MAX_UNZIPPED)  # sparse: it needs no space here
    result = run("check", f"{module(APP)}:app")
    assert (result.exit_code, "250 MB" in result.stdout) == (1, True)
    assert measured(str(tmp_path)).size > MAX_UNZIPPED


def test_the_time_of_a_package_is_that_of_its_modules() -> None:
    text = """import time: self [us] | cumulative | imported package
import time:       900 |        900 | encodings
import time:       100 |       1000 | site
import time:      2000 |       2000 |   shop.models
import time:      1000 |       3000 | shop
import time:       500 |        500 | json
Traceback (most recent call last):
"""
    assert parsed(text) == (("shop", 3.0), ("json", 0.5))


def test_threads_of_a_module_do_not_keep_the_measurement(tmp_path: Path) -> None:
    code = "import threading; threading.Thread(target=threading.Event().wait).start()"
    (tmp_path / "with_thread.py").write_text(code)
    (tmp_path / "with_thread_and_error.py").write_text(f"{code}; raise ValueError('no database')")
    assert import_time("with_thread", str(tmp_path)).error == ""
    assert "ValueError: no database" in import_time("with_thread_and_error", str(tmp_path)).error


def test_an_import_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "measured_one.py").write_text("import decimal")
    found = import_time("measured_one", str(tmp_path))
    names = [name for name, _ in found.by_package]
    assert (found.error, found.milliseconds > 0) == ("", True)
    assert {"measured_one", "decimal"} <= set(names)
    (tmp_path / "measured_two.py").write_text("raise ValueError('no database')")
    assert "no database" in import_time("measured_two", str(tmp_path)).error
