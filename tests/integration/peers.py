"""The two peers: the application through a service and the bridge, and over a socket to a real server."""

import json
import socket
import threading
from functools import cache

import uvicorn

from bridge import Bridge, Settings
from tests.integration.echo_app import app
from tests.integration.exchange import ClientRequest, ClientResponse, exchange
from tests.integration.services import SERVICES, Service

__all__ = ["Peers"]

# The environment variables of the machine that runs the tests do not count.
_SETTINGS = Settings(base_path="", root_path="", stage="root_path", text_media_types=())


class Peers:
    """`over_socket` asks a server that is mounted at the path that a service would take for its stage."""

    def __init__(self) -> None:
        self._bridge = Bridge(app, lifespan="off", settings=_SETTINGS)
        self._servers = {root_path: _Server(root_path) for root_path in {service.stage for service in SERVICES}}
        # A server answers every service alike.
        self.over_socket = cache(self._over_socket)

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


class _Server:
    """uvicorn on the loopback interface, without a header of its own and without trust in those of the client."""

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
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        # The socket listens already: it is the first client that waits for the server, and nothing else has to.
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
