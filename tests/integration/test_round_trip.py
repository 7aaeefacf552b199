"""Client -> service -> function -> service -> client gives what the same bytes get from a real server.

Every difference is stated in the tables, exactly and with its reason, or is a fault.
"""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
import uvicorn

from bridge import Bridge, Settings

from .answers_table import ANSWERS, Answer
from .echo_app import app, body_report, report_of
from .exchange import ClientRequest, ClientResponse, Headers, by_name, exchange
from .losses import Loss
from .requests_table import HOST, REQUESTS, Case
from .services import SERVICES, Service

# Environment variables of the machine that runs the tests do not count.
_SETTINGS = Settings(base_path="", root_path="", stage="root_path", text_media_types=())


class Server:
    """A real uvicorn on the loopback interface, mounted at `root_path`, that adds no header of its own."""

    def __init__(self, root_path: str) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            root_path=root_path,
            date_header=False,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        # The socket listens already, so the first client waits for the server and not the other way round.
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class Peers:
    """Both ways to the application: through a service and the bridge, and straight over a socket."""

    def __init__(self) -> None:
        self._bridge = Bridge(app, lifespan="off", settings=_SETTINGS)
        self._servers = {root_path: Server(root_path) for root_path in {service.stage for service in SERVICES}}
        self.over_socket = lru_cache(maxsize=None)(self._over_socket)

    def _over_socket(self, request: ClientRequest, root_path: str) -> ClientResponse:
        return exchange(self._servers[root_path].port, request)

    def through_bridge(self, service: Service, request: ClientRequest) -> ClientResponse:
        """Event and result go through JSON, as they do on AWS."""
        event = json.loads(json.dumps(service.encode(request, service.stage)))
        result = json.loads(json.dumps(self._bridge(event, None)))
        return service.decode(result, request.method)

    def close(self) -> None:
        self._bridge.close()
        for server in self._servers.values():
            server.close()


@pytest.fixture(scope="session")
def peers() -> Iterator[Peers]:
    peers = Peers()
    yield peers
    peers.close()
