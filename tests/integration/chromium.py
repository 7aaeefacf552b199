"""Chromium of the system, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["missing_chromium", "open_chromium"]

# Debian's name, and those of other packages.
_NAMES = ("chromium", "chromium-browser", "google-chrome")

_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server")


def missing_chromium() -> str | None:
    """Return what is not installed here, as a reason to skip a test, or None."""
    if find_spec("playwright") is None:
        return "Playwright is not installed."
    return None if _path() else "There is no Chromium here."


def _path() -> str | None:
    return next((path for path in map(shutil.which, _NAMES) if path), None)


@contextmanager
def open_chromium() -> "Iterator[Browser]":
    """Start a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_path(), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
