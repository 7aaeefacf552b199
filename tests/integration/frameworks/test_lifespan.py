"""Startup and shutdown in each framework."""

from pathlib import Path

from bridge import Bridge

from .gateways import URL_STREAMED
from .peers import Framework


def test_startup_comes_before_the_first_request_and_shutdown_with_close(framework: Framework, files: Path) -> None:
    journal: list[str] = []
    handler = Bridge(framework.make_app(files=files, journal=journal))
    assert journal == []
    event = URL_STREAMED.event(URL_STREAMED.request("GET", "/items/tea"))
    for _ in range(3):
        assert handler(event, None)["statusCode"] == 200
    assert journal == (["startup"] if framework.has_lifespan else [])
    handler.close()
    assert journal == (["startup", "shutdown"] if framework.has_lifespan else [])
