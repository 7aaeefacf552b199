"""The tests of other adapters, from their source distributions, with `Bridge` behind the names that they import.

What they expect otherwise is in suites_table.py. All other tests pass.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.integration.pypi import fetch_folder_from_sdist
from tests.integration.suites_table import SUITES, Difference, Suite

SUITE_TIMEOUT = 300  # seconds
SHIMS = Path(__file__).parent / "shims"

# The tests must not run on the adapter itself, which may be installed too.
CONFTEST = """
import {module}

assert {module}.__file__.startswith({shims!r}), {module}.__file__
"""


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.project)
def test_the_tests_of_another_adapter_pass_but_for_the_differences(
    suite: Suite, download_cache: Path, tmp_path: Path
) -> None:
    cached = download_cache / f"{suite.project}-{suite.version}-tests"
    fetch_folder_from_sdist(suite.project, suite.version, "tests", cached)
    shutil.copytree(cached, tmp_path / "tests")
    (tmp_path / "conftest.py").write_text(CONFTEST.format(module=suite.module, shims=str(SHIMS)), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    table = tmp_path / "differences.json"
    table.write_text(json.dumps([asdict(difference) for difference in suite.differences]), encoding="utf-8")

    finished = run_suite(tmp_path, table)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", finished.stdout.splitlines()[-1])}
    assert (counts["passed"], counts["passed"] + counts["xfailed"]) == (suite.passed, suite.tests), finished.stdout


@pytest.mark.parametrize(
    ("name", "fact"), [("test_suite.py::test_passes", "XPASS(strict)"), ("test_suite.py::test_x", "no tests with")]
)
def test_a_difference_whose_test_passes_or_does_not_exist_is_an_error(name: str, fact: str, tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text("def test_passes(): pass\n", encoding="utf-8")
    table = tmp_path / "differences.json"
    table.write_text(json.dumps([asdict(Difference((name,), "reason"))]), encoding="utf-8")
    finished = run_suite(tmp_path, table)
    assert finished.returncode != 0
    assert fact in finished.stdout + finished.stderr


def run_suite(folder: Path, table: Path) -> "subprocess.CompletedProcess[str]":
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "strict_differences", f"--differences={table}"]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=variables | {"PYTHONPATH": os.pathsep.join([str(folder), str(SHIMS)]), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SUITE_TIMEOUT,
        check=False,
    )
