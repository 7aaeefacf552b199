"""The two peers: the application through a service and bridge, and over a socket to a real server."""

from contextlib import ExitStack
from functools import cache

from bridge import Bridge, Settings
from bridge.testing.messages import ClientRequest, ClientResponse, Refused
from tests.integration.echo_app import app
from tests.integration.servers import BackgroundServer
from tests.integration.services import SERVICES, Service
from tests.integration.wire import exchange

__all__ = ["Peers"]

# The environment variables of the machine that runs the tests do not count.
_SETTINGS = Settings(base_path="", root_path="", stage="root_path", text_media_types=())


class Peers:
    """`over_socket` asks a server that is mounted at the path that a service would take for its stage."""

    def __init__(self) -> None:
        self._bridge = Bridge(app, lifespan="off", settings=_SETTINGS)
        self._running = ExitStack()
        self._servers = {
            root_path: self._running.enter_context(BackgroundServer(app, root_path=root_path))
            for root_path in {service.stage for service in SERVICES}
        }
        # A server answers every service alike.
        self.over_socket = cache(self._over_socket)

    def _over_socket(self, request: ClientRequest, root_path: str) -> ClientResponse:
        return exchange(self._servers[root_path].port, request)

    def through_bridge(self, service: Service, request: ClientRequest) -> ClientResponse:
        try:
            event = service.event(request)
        except Refused as exc:
            return exc.response
        return service.response(self._bridge(event, None), request)

    def close(self) -> None:
        self._bridge.close()
        self._running.close()
