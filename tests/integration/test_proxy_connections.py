"""The number of connections that the requests of one environment need, counted by the web server."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from bridge import Proxy
from tests.integration.servers import SERVERS, WebServer, ask, running

REQUESTS = 6

# These tell connections apart: uvicorn by the client's port, Node by counting them, on a UNIX socket as well.
COUNTING = [server for server in SERVERS if server.id in ("uvicorn", "node", "node unix")]


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
