"""The conftest.py of httpx's own tests when they run on InProcessTransport; test_httpx_suite.py puts it there.

SUITE_FLAVOUR: "httpx" or "httpx2", the package that the tests get to see as httpx. SUITE_REPORT: the file to write.
"""

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

httpx = importlib.import_module(os.environ["SUITE_FLAVOUR"])
sys.modules["httpx"] = httpx

# Only now, because it subclasses the ASGITransport of the flavour that was imported first.
from bridge import InProcessTransport  # noqa: E402
from bridge._httpx import httpx as bridge_httpx  # noqa: E402

_outcomes: dict[str, str] = {}
_tests_with_requests: set[str] = set()


class ReportingTransport(InProcessTransport):
    async def handle_async_request(self, request: bridge_httpx.Request) -> bridge_httpx.Response:
        _tests_with_requests.add(os.environ["PYTEST_CURRENT_TEST"].removesuffix(" (call)"))
        return await super().handle_async_request(request)


httpx.ASGITransport = ReportingTransport  # type: ignore[attr-defined]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    report = {
        "flavour": bridge_httpx.__name__,
        "outcomes": _outcomes,
        "tests with requests": sorted(_tests_with_requests),
    }
    Path(os.environ["SUITE_REPORT"]).write_text(json.dumps(report), encoding="utf-8")
