"""Starlette's and FastAPI's own tests, with LambdaTransport in the place of the transport of Starlette's TestClient.

client_suites_table.py has every difference. The integration session runs some sources, `nox -s client_suites` all.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.testing.services import ServiceName
from tests.integration.client_suites_table import ALL, CLIENT_SUITES, ClientSuite
from tests.integration.pypi import fetch_folder_from_sdist

# Seconds; FastAPI's tests need half a minute on an idle machine.
SUITE_TIMEOUT = 600
SHIMS = Path(__file__).parent / "shims"
ROOT = Path(__file__).parents[2]

# What the two suites import, beside what they test.
PACKAGES = ["dirty-equals", "httpx2", "inline-snapshot", "itsdangerous", "jinja2", "python-multipart", "pyyaml"]

RUNS_ALL = os.environ.get("BRIDGE_TEST_ALL_SOURCES") == "1"  # read here: a fixture removes it from every test
CASES = [
    pytest.param(suite, source, id=f"{suite.project}-{source}")
    for suite in CLIENT_SUITES
    for source in (ALL if RUNS_ALL else suite.default)
]


@pytest.fixture
def time_limit() -> int:
    return SUITE_TIMEOUT + 60


@pytest.fixture(scope="session")
def packages(download_cache: Path) -> Path:
    """Return a folder with the frameworks of the table, whichever are installed, and what their tests import."""
    pinned = [f"{suite.project}=={suite.version}" for suite in CLIENT_SUITES]
    folder = download_cache / "-".join(["client-suites", *pinned, f"py{sys.version_info[0]}.{sys.version_info[1]}"])
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--target", str(unfinished)]
        subprocess.run([*command, "--python", sys.executable, *pinned, *PACKAGES], check=True, timeout=300)
        try:
            unfinished.rename(folder)
        except OSError:  # another run was faster
            shutil.rmtree(unfinished)
    return folder


@pytest.mark.parametrize(("suite", "source"), CASES)
def test_a_frameworks_own_tests_pass_but_for_the_losses_of_a_service(
    suite: ClientSuite, source: ServiceName, packages: Path, download_cache: Path, tmp_path: Path
) -> None:
    root = download_cache / f"{suite.project}-{suite.version}"
    for folder in suite.folders:
        cached = fetch_folder_from_sdist(suite.project, suite.version, folder, Path(f"{root}-{folder}"))
        shutil.copytree(cached, tmp_path / folder)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n    ignore::DeprecationWarning\n")
    table = tmp_path / "differences.json"
    rows = [
        {"tests": [f"tests/{name}" for name in loss.tests], "reason": loss.why.value, "runs": loss.runs}
        for loss in suite.losses
        if source in loss.at
    ]
    table.write_text(json.dumps(rows), encoding="utf-8")

    finished = run_suite(suite, source, tmp_path, table, packages)
    assert finished.returncode == 0, finished.stdout[-20_000:] + finished.stderr
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", finished.stdout.splitlines()[-1])}
    assert counts["passed"] > 8 * counts["xfailed"], finished.stdout[-20_000:]


def run_suite(
    suite: ClientSuite, source: str, folder: Path, table: Path, packages: Path
) -> "subprocess.CompletedProcess[str]":
    plugins = ["-p", "no:cacheprovider", "-p", "lambda_test_client", "-p", "strict_differences"]
    options = [f"--lambda-source={source}", f"--differences={table}", "--tb=short", "--show-capture=no"]
    ignored = [
        option
        for name in suite.ignored
        for option in (f"--deselect=tests/{name}", f"--ignore=tests/{name}")
        if "::" not in name or option.startswith("--deselect")
    ]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    paths = [str(packages), str(folder), str(ROOT), str(SHIMS)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *options, *ignored, "tests"],
        cwd=folder,
        env=variables | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SUITE_TIMEOUT,
        check=False,
    )
