"""A real web server, and Proxies in front of it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge import Proxy
from tests.integration.lambda_web_adapter.recorder import Recorder
from tests.integration.servers import HOST, BackgroundServer

MakeProxy = Callable[..., Proxy]


@pytest.fixture(scope="module")
def _application() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def server(_application: Recorder) -> Iterator[BackgroundServer]:
    with BackgroundServer(_application) as server:
        yield server


@pytest.fixture
def app(_application: Recorder) -> Recorder:
    """Return the application of the web server, reset."""
    _application.reset()
    return _application


@pytest.fixture
def proxy(server: BackgroundServer, app: Recorder) -> Iterator[MakeProxy]:
    """Proxies in front of the server, whose readiness checks do not reach the application by default."""
    made: list[Proxy] = []

    def make(**arguments: Any) -> Proxy:
        arguments = {"readiness_protocol": "tcp"} | arguments
        made.append(Proxy(url=f"http://{HOST}:{server.port}", **arguments))
        return made[-1]

    yield make
    for handler in made:
        handler.close()
