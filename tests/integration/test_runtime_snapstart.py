"""SnapStart with AWS's own runtime client, which calls our hooks, and with a web server that outlives a snapshot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.programs import free_port
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

MakeEvent = Callable[..., dict[str, Any]]

# Answers with the number of its startup, in place of a pool of connections.
APP = """
from contextlib import asynccontextmanager
from itertools import count

from bridge import Bridge
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

numbers = count(1)

@asynccontextmanager
async def lifespan(app):
    number = next(numbers)
    print(f"startup {number}", flush=True)
    yield {"number": number}
    print(f"shutdown {number}", flush=True)

async def page(request):
    return PlainTextResponse(str(request.state.number))

app = Starlette(routes=[Route("/", page)], lifespan=lifespan)
handler = Bridge(app, snapshot="SNAPSHOT")
"""

# Writes down what it is asked for, and on which of its connections.
SERVER = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        print("connection", flush=True)

    def do_GET(self):
        print(self.command, self.path, flush=True)
        body = b"fine"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):
        pass

print("started", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

RUNTIMES = ["awslambdaric", "bridge.runtime"]


@pytest.fixture
def api_options() -> dict[str, Any]:
    return {"snapstart": True}


@pytest.fixture
def start(start_runtime: Runtimes) -> Callable[..., Runtime]:
    def start(code: str, *arguments: str, **options: Any) -> Runtime:
        return start_runtime(code, *arguments, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", **options)

    return start


@pytest.mark.parametrize("client", RUNTIMES)
def test_an_application_is_restarted_under_either_runtime(
    api: RuntimeDouble, start: Callable[..., Runtime], make_event: MakeEvent, client: str
) -> None:
    runtime = start(APP.replace("SNAPSHOT", "restart-lifespan"), "app.handler", client=client)
    assert api.wait_for_snapshot() == 0
    assert runtime.wait_for_lines(2) == ["startup 1", "shutdown 1"]
    api.restore()
    assert api.invoke(make_event()).answer().json["body"] == "2"
    assert runtime.wait_for_lines(3) == ["startup 1", "shutdown 1", "startup 2"]


@pytest.mark.parametrize("client", RUNTIMES)
def test_a_web_server_hears_of_the_snapshot_and_gets_new_connections_after_it(
    api: RuntimeDouble, start: Callable[..., Runtime], make_event: MakeEvent, tmp_path: Path, client: str
) -> None:
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    code = f"from bridge import Proxy\nhandler = Proxy(['python3', {str(server)!r}], readiness_path='/ready')"
    environ = {
        "AWS_LWA_PORT": str(free_port()),
        "AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH": "/before",
        "AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH": "/after",
    }
    runtime = start(code, "app.handler", client=client, **environ)
    assert api.wait_for_snapshot() == 0
    before = ["started", "connection", "GET /ready", "connection", "POST /before"]
    assert [line for line in runtime.wait_for_lines(5) if line[0] != "["] == before
    api.restore()
    answers = [api.invoke(make_event(path=f"/{number}")).answer().json["body"] for number in range(2)]
    assert answers == ["fine"] * 2
    after = ["connection", "POST /after", "connection", "GET /ready"]
    after += [line for number in range(2) for line in ("connection", f"GET /{number}")]
    runtime.wait_for_log("GET /1")
    lines = runtime.log.splitlines()
    assert [line for line in lines if not line.startswith("[")] == before + after


def test_an_application_in_a_child_process_is_restarted_with_it(
    api: RuntimeDouble, start: Callable[..., Runtime], make_event: MakeEvent
) -> None:
    runtime = start(APP.replace("SNAPSHOT", "restart-lifespan"), "app.handler", BRIDGE_MODE="proxy")
    assert api.wait_for_snapshot() == 0
    assert runtime.wait_for_lines(2) == ["startup 1", "shutdown 1"]
    api.restore()
    # In the new child the numbers begin anew.
    assert api.invoke(make_event()).answer().json["body"] == "1"
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log.splitlines() == ["startup 1", "shutdown 1"] * 2
