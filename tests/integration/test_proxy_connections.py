"""The number of connections that the requests of one environment need, counted by the web server."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import pytest

from bridge import Proxy
from tests.integration.servers import SERVERS, WebServer, ask, event_for, free_port, result_of, running

REQUESTS = 6

# These tell connections apart: uvicorn by the client's port, Node by counting them, on a UNIX socket as well.
COUNTING = [server for server in SERVERS if server.id in ("uvicorn", "node", "node unix")]

# A Lambda environment that is restored between its requests, by what AWS's own runtime calls then.
RESTORED = """
import json
import os
from pathlib import Path

from awslambdaric.lambda_runtime_hooks_runner import run_after_restore, run_before_snapshot
from bridge import Proxy
from tests.integration.servers import SERVERS
from tests.integration.test_proxy_connections import connections

port = int(os.environ["SITE_PORT"])
handler = Proxy(SERVERS[0].command(str(port), Path()), port=port)
before = connections(handler)
run_before_snapshot()
run_after_restore()
print(json.dumps([before, connections(handler)]))
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Run a uvicorn, and yield its URL."""
    with running(COUNTING[0], tmp_path) as (_, url):
        yield url


@pytest.fixture(params=COUNTING, ids=lambda server: server.id)
def server(request: pytest.FixtureRequest) -> WebServer:
    found: WebServer = request.param
    return found


def connections(handler: Proxy) -> int:
    """Return the number of connections on which the requests came, GET and POST in turn."""
    seen = set()
    for number in range(REQUESTS):
        response = ask(handler, *(("POST", "/") if number % 2 else ("GET", "/")), body=b"{}" * (number % 2))
        seen.add(json.loads(response.body)["connection"])
    return len(seen)


def test_requests_share_one_connection_except_under_snap_start(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(server, tmp_path) as (handler, url):
        assert connections(handler) == 1
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
        with closing(Proxy(url=url)) as second:
            assert connections(second) == REQUESTS


def test_after_a_restore_every_request_has_its_own_connection(
    run_python: Callable[..., "CompletedProcess[str]"],
) -> None:
    process = run_python(RESTORED, AWS_LAMBDA_RUNTIME_API="127.0.0.1:9001", SITE_PORT=str(free_port()))

    assert (process.stdout, process.returncode) == (f"[1, {REQUESTS}]\n", 0)
    assert process.stderr.count("gets a connection of its own") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_concurrent_requests_have_a_connection_each_and_the_next_ones_use_them_again(
    url: str,
) -> None:
    waves: list[set[str]] = []

    async def get(handler: Proxy) -> None:
        result = await handler.handle(event_for("GET", "/"), None)
        waves[-1].add(json.loads(result_of(result, "GET").body)["connection"])

    async with Proxy(url=url) as handler:
        for _ in range(2):
            waves.append(set())
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(get, handler)

    assert (len(waves[0]), waves[1] <= waves[0]) == (10, True)
