"""Startup, shutdown and background work in each framework."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge import Bridge

from .gateways import URL_STREAMED
from .peers import Framework


def event(path: str, method: str = "GET") -> dict[str, Any]:
    return URL_STREAMED.event(URL_STREAMED.request(method, path))


def test_startup_comes_before_the_first_request_and_shutdown_with_close(framework: Framework, files: Path) -> None:
    journal: list[str] = []
    handler = Bridge(framework.make_app(files=files, journal=journal))
    assert journal == []
    for _ in range(3):
        assert handler(event("/items/tea"), None)["statusCode"] == 200
    assert journal == (["startup"] if framework.has_lifespan else [])
    handler.close()
    assert journal == (["startup", "shutdown"] if framework.has_lifespan else [])


def test_background_work_is_done_when_the_handler_returns(framework: Framework, files: Path) -> None:
    """Lambda freezes the environment then: work that is left over would wait for the next invocation."""
    if not framework.has_background:
        pytest.skip(f"{framework.name} has no work that belongs to a response")
    journal: list[str] = []
    handler = Bridge(framework.make_app(files=files, journal=journal))
    result = handler(event("/later", "POST"), None)
    assert (result["statusCode"], json.loads(result["body"])) == (202, {})
    assert journal == ["startup", "background"]
    handler.close()
