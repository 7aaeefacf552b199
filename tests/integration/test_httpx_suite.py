"""httpx's own tests for ASGITransport, from its source distribution, with InProcessTransport in its place.

httpx2's source distribution carries no tests; it has the same interface, so httpx's are run on it.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.pypi import fetch_from_sdist

SUITE_TIMEOUT = 120  # seconds

# It asserts the default headers of httpx's client, by the client's own name.
NOT_FOR_HTTPX2 = "test_asgi.py::test_asgi_headers"

# The tests see the flavour as httpx, and InProcessTransport in the place of its ASGITransport.
CONFTEST = """
import sys
import {flavour} as httpx

sys.modules["httpx"] = httpx

from bridge import InProcessTransport

assert issubclass(InProcessTransport, httpx.ASGITransport)
httpx.ASGITransport = InProcessTransport
"""


@pytest.mark.parametrize("flavour", ["httpx", "httpx2"])
def test_httpx_own_tests_for_asgi_transport_pass(flavour: str, download_cache: Path, tmp_path: Path) -> None:
    if find_spec(flavour) is None:
        pytest.skip(f"{flavour} is not installed.")
    release = version("httpx")
    suite = fetch_from_sdist(
        "httpx", release, "tests/test_asgi.py", download_cache / f"httpx-{release}" / "test_asgi.py"
    )
    shutil.copy(suite, tmp_path)
    (tmp_path / "conftest.py").write_text(CONFTEST.format(flavour=flavour), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")

    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_asgi.py"]
    finished = subprocess.run(
        command if flavour == "httpx" else [*command, f"--deselect={NOT_FOR_HTTPX2}"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SUITE_TIMEOUT,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert " passed" in finished.stdout
    assert " skipped" not in finished.stdout
