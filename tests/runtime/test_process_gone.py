"""The Runtime API goes away or refuses to go on: one line in the log, a shutdown, exit 1, and no endless attempts."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.events import MakeEvent
from tests.runtime.applications import APP
from tests.runtime.double import NEXT, RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

FUNCTION = "def handler(event, context): return event"

# Each kind of handler.
KINDS = {"application": APP.replace("app(", "handler("), "async function": f"async {FUNCTION}", "function": FUNCTION}

every_kind = pytest.mark.parametrize("kind", KINDS)
with_slots = pytest.mark.parametrize("slots", [1, 3])


def check_end(runtime: Runtime, kind: str, *facts: str) -> None:
    assert runtime.wait() == 1
    lines = runtime.log.splitlines()
    if kind == "application":
        assert (lines.pop(0), lines.pop()) == ("startup", "shutdown")
    (line,) = lines
    level, _, request_id, text = line.split("\t")
    assert (level, request_id) == ("[ERROR]", "")
    assert [fact for fact in (*facts, "The process ends.") if fact not in text] == []


def start(make: Runtimes, kind: str, slots: int, **environ: Any) -> Runtime:
    return make(KINDS[kind], "app.handler", AWS_LAMBDA_MAX_CONCURRENCY=str(slots), **environ)


@every_kind
@with_slots
def test_an_api_that_is_gone_ends_the_process(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, kind: str, slots: int
) -> None:
    runtime = start(fork_runtime, kind, slots)
    api.wait_for_polls(slots)
    api.invoke(make_event()).answer()
    api.stop()
    check_end(runtime, kind, "The Runtime API is gone")


@every_kind
@with_slots
def test_a_refusal_of_the_next_invocation_ends_the_process(fork_runtime: Runtimes, kind: str, slots: int) -> None:
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response_only(403)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"never")

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever).start()
        address = f"127.0.0.1:{server.server_port}"
        runtime = start(fork_runtime, kind, slots, AWS_LAMBDA_RUNTIME_API=address, BRIDGE_EXTENSION="off")
        check_end(runtime, kind, "Expected the next invocation", "403 never")
        server.shutdown()
    assert asked == [NEXT] * len(asked)
    assert 1 <= len(asked) <= slots
