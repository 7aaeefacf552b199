"""What the tests do with the pages of an inspector."""

from typing import TYPE_CHECKING

from tests.integration.gateway import RunningGateway

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["LIVE", "open_list"]

# The state of a page that gets its changes.
LIVE = "#connection[data-state=Live]"


def open_list(page: "Page", local: RunningGateway, query: str = "") -> None:
    page.goto(local.url(f"/_bridge/{query}"))
    page.locator(LIVE).wait_for()
