"""A frozen environment: its process is stopped while the web server closes the connections that it keeps idle.

Lambda freezes a process between two invocations. Here SIGSTOP does, and SIGCONT is the thaw.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.integration.origin_site import asgi
from tests.integration.servers import SERVERS, BackgroundServer, event_for, result_of, running

HANDLERS = 4
ROUNDS = 2
KEEP_ALIVE = 1

# GET and POST, in every order.
METHODS = ("GET", "GET", "POST", "POST")

# Events come in on stdin, results go out on stdout.
HANDLER = """
import json, os, sys
from bridge import Proxy

handler = Proxy(url=os.environ["SITE_URL"])
for line in sys.stdin:
    print(json.dumps(handler(json.loads(line), None)), flush=True)
"""

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="There is no signal that stops a process here.")


class Environment:
    """A handler in a process of its own."""

    def __init__(self, url: str) -> None:
        self._asked = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", HANDLER],
            env=os.environ | {"PYTHONPATH": str(ROOT), "SITE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self) -> dict[str, Any]:
        """Return the server's report on one more request."""
        self.send()
        return self.receive()

    def send(self) -> None:
        method = self.method
        body = b"{}" if method == "POST" else b""
        self._stdin.write(json.dumps(event_for(method, f"/{self._asked}", body=body)) + "\n")
        self._stdin.flush()

    def receive(self) -> dict[str, Any]:
        response = result_of(json.loads(self._stdout.readline()), self.method)
        assert response.status == 200, response
        report: dict[str, Any] = json.loads(response.body)
        assert (report["method"], report["target"]) == (self.method, f"/{self._asked}")
        self._asked += 1
        return report

    @property
    def method(self) -> str:
        return METHODS[self._asked % len(METHODS)]

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()


Start = Callable[[str], Environment]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Environment] = []

    def start(url: str) -> Environment:
        started.append(Environment(url))
        return started[-1]

    yield start
    for environment in started:
        environment.end()


def side_by_side(function: Callable[[Environment], None], environments: list[Environment]) -> None:
    with ThreadPoolExecutor(len(environments)) as threads:
        for _ in threads.map(function, environments):
            pass


def test_no_request_fails_after_the_server_closed_the_connections_of_a_frozen_process(start: Start) -> None:
    def freeze_and_thaw(environment: Environment) -> None:
        report = environment.ask()
        for number in range(ROUNDS):
            environment.freeze()
            server.wait_until_ended(int(report["connection"]))
            if number % 2:  # The event is there before the process runs again, or comes later.
                environment.send()
                environment.thaw()
                report = environment.receive()
            else:
                environment.thaw()
                report = environment.ask()

    with BackgroundServer(asgi, keep_alive=KEEP_ALIVE) as server:
        environments = [start(f"http://127.0.0.1:{server.port}") for _ in range(HANDLERS)]
        side_by_side(freeze_and_thaw, environments)

    # Each has asked whether the server is ready, connected, and connected once more after every thaw: the connections
    # that the server closed were those that waited for the next request.
    assert server.made == HANDLERS * (2 + ROUNDS)


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="There is no list of connections here.")
def test_no_request_fails_whichever_server_closed_the_connections(start: Start, tmp_path: Path) -> None:
    def freeze_and_thaw(environment: Environment) -> None:
        environment.ask()
        environment.freeze()
        wait_until_closed_by_peer(environment.pid)
        environment.thaw()
        environment.ask()

    servers = [server for server in SERVERS if server.id in ("uvicorn", "gunicorn gthread", "hypercorn", "node")]
    with ExitStack() as stack:
        environments = []
        for server in servers:
            folder = tmp_path / server.name.replace(" ", "-")
            folder.mkdir()
            _, url = stack.enter_context(running(server, folder, keep_alive=KEEP_ALIVE))
            environments.append(start(url))
        side_by_side(freeze_and_thaw, environments)


def wait_until_closed_by_peer(pid: int) -> None:
    """Return when a connection of that process is closed on the other side alone."""
    deadline = time.monotonic() + 30
    while not closed_by_peer(pid):
        assert time.monotonic() < deadline, "The server keeps the idle connection."
        time.sleep(0.05)  # The kernel tells the process alone, which is stopped.


def closed_by_peer(pid: int) -> set[str]:
    """Return the inodes. The state CLOSE_WAIT is 8 in https://docs.kernel.org/networking/proc_net_tcp.html"""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    closed = {f"socket:[{row[9]}]" for row in rows if row[3] == "08"}
    return closed & {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
