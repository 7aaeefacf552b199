import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.instrumentation.collectors import HTTPCollector, XRayDaemon
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

PAGE = Path(__file__).parents[3] / "docs" / "instrumentation.md"

# Each runtime: the program, and how many invocations it answers concurrently.
RUNTIMES = {"awslambdaric": ("awslambdaric", 1), "runtime": ("bridge.runtime", 1), "slots": ("bridge.runtime", 2)}

StartDocumented = Callable[..., "Function"]


class Function:
    """A function that runs. It is frozen as soon as it asks for the next event."""

    def __init__(self, runtime: Runtime, api: RuntimeDouble, slots: int) -> None:
        self._runtime, self._api, self._slots = runtime, api, slots

    def __call__(self, event: object, trace_id: str | None = None) -> Any:
        """Return the result of an invocation, once the function may be frozen."""
        self.wait_until_idle()
        answer = self._api.invoke(event, trace_id=trace_id).answer()
        self.wait_until_idle()
        return answer.payload.decode() if answer.is_streamed else answer.json

    def wait_until_idle(self) -> None:
        self._api.wait_for_polls(self._slots)

    @property
    def log(self) -> str:
        return self._runtime.log


def documented(heading: str) -> list[str]:
    """Return the Python blocks in a section of the page about instrumentation."""
    _, found, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert found, heading
    return re.findall(r"^```python\n(.*?)^```", rest.partition("\n## ")[0], re.MULTILINE | re.DOTALL)


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """Return the name of a runtime. Where a tool does not know one, its test has parameters of its own."""
    name: str = request.param
    return name


@pytest.fixture
def collector() -> Iterator[HTTPCollector]:
    with HTTPCollector() as double:
        yield double


@pytest.fixture
def daemon() -> Iterator[XRayDaemon]:
    with XRayDaemon() as double:
        yield double


@pytest.fixture
def start_documented(start_runtime: Runtimes, api: RuntimeDouble, tmp_path: Path) -> StartDocumented:
    """`start_documented(code, shop, "slots", VARIABLE="value")` starts the module `code`, which imports `shop`."""

    def start(code: str, shop: str, runtime: str, handler: str = "app.handler", **environ: str) -> Function:
        folder = tmp_path / "task"
        folder.mkdir()
        (folder / "app.py").write_text(code)
        (folder / "shop.py").write_text(shop)
        client, slots = RUNTIMES[runtime]
        variables = {"_HANDLER": handler, "AWS_REGION": "eu-west-1"} | environ
        if slots > 1:
            variables["AWS_LAMBDA_MAX_CONCURRENCY"] = str(slots)
        return Function(start_runtime(folder, handler, client=client, pass_fds=(), **variables), api, slots)

    return start
