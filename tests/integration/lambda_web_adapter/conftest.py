"""A real web server, and Proxies in front of it."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import snapshot_restore_py  # type: ignore[import-untyped]  # AWS ships no types
from awslambdaric.lambda_context import LambdaContext  # type: ignore[import-untyped]

from bridge import Proxy
from tests.integration.lambda_web_adapter.recorder import Recorder
from tests.integration.servers import HOST, BackgroundServer

MakeProxy = Callable[..., Proxy]

UNPREFIXED = ("PORT", "HOST", "READINESS_CHECK_PORT", "READINESS_CHECK_PATH", "READINESS_CHECK_PROTOCOL", "ASYNC_INIT")


@pytest.fixture(autouse=True)
def _no_unprefixed_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """These names are common: they may be set on this machine for other reasons."""
    for name in UNPREFIXED:
        monkeypatch.delenv(name, raising=False)


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


@pytest.fixture
def _in_lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Lambda environment, as far as Proxy can tell: it starts in its constructor, and registers its hooks."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    snapshot_restore_py.get_before_snapshot().clear()
    snapshot_restore_py.get_after_restore().clear()


@pytest.fixture
def make_context(monkeypatch: pytest.MonkeyPatch) -> Callable[..., LambdaContext]:
    """Return the context object that AWS's own runtime makes of an invocation."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    monkeypatch.setenv("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/shop")
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2024/01/12/[$LATEST]0123")

    def make(tenant_id: str | None = None) -> LambdaContext:
        deadline = int(time.time() * 1000) + 60_000
        return LambdaContext("request-1", None, None, deadline, "arn:aws:lambda:eu-west-1:1:function:shop", tenant_id)

    return make
