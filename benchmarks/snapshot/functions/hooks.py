"""An application that opens a client and a database connection while it is imported, with hooks of its own."""

import httpx
import snapshot_restore_py  # type: ignore[import-untyped]  # AWS ships no types
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.snapshot.functions.draws import draw
from benchmarks.snapshot.functions.priming import prime_before_snapshot
from benchmarks.snapshot.functions.services import ORIGIN, BlockingDatabase
from bridge import Bridge


class Connections:
    """What must not outlive the snapshot."""

    def open(self) -> None:
        self.client = httpx.Client()
        self.database = BlockingDatabase()

    def close(self) -> None:
        self.client.close()
        self.database.close()


connections = Connections()
connections.open()
snapshot_restore_py.register_before_snapshot(connections.close)
snapshot_restore_py.register_after_restore(connections.open)


def answer(request: Request) -> Response:
    response = connections.client.get(ORIGIN)
    return JSONResponse(response.json() | {"database": connections.database.query("fine"), "draws": draw()})


handler = Bridge(Starlette(routes=[Route("/", answer)]))
prime_before_snapshot(handler)
