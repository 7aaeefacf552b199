"""Small ASGI pieces that several tests of the transport need."""

from collections.abc import Callable

import pytest

from bridge._httpx import httpx
from bridge._types import ASGIApp
from bridge.asgi import InProcessTransport


@pytest.fixture
def client_of() -> Callable[..., httpx.AsyncClient]:
    """Return an httpx client whose every request goes into `app`."""

    def make(app: ASGIApp, *, raise_app_exceptions: bool = True) -> httpx.AsyncClient:
        transport = InProcessTransport(app, raise_app_exceptions=raise_app_exceptions)
        return httpx.AsyncClient(transport=transport, base_url="http://app.test")

    return make
