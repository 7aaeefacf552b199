from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.local.settings import SourceSettings
from tests.integration.chromium import missing_chromium, open_chromium
from tests.integration.gateway import RunningGateway

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# In milliseconds.
LIMIT = 30_000


@pytest.fixture(scope="module")  # not of the session: Playwright keeps an event loop in this thread
def browser() -> "Iterator[Browser]":
    reason = missing_chromium()
    if reason is not None:
        pytest.skip(reason)
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that opens the gate of the application."""
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def local(browser: "Browser", gate: Path) -> Iterator[RunningGateway]:
    source = SourceSettings(name="function-url", is_streamed=True)
    with RunningGateway("local_site:handler", source, "alb", is_streamed=True, environ={"GATE": str(gate)}) as local:
        yield local


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Return a new window. The test fails if anything is wrong in its console."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.set_default_timeout(LIMIT)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if "//127.0.0.1:" not in request.url else None)
    yield page
    context.close()
    assert (wrong, foreign) == ([], [])
