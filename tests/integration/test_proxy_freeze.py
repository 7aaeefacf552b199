"""A frozen environment: its process is stopped while the web server closes the connections that it keeps idle.

Lambda freezes a process between two invocations. Here SIGSTOP does, and SIGCONT is the thaw.
"""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.integration.servers import SERVERS, event_for, result_of, running

ROUNDS = 3
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
        environ = os.environ | {"PYTHONPATH": str(ROOT), "SITE_URL": url}
        command = [sys.executable, "-c", HANDLER]
        self.process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    @property
    def _method(self) -> str:
        return METHODS[self._asked % len(METHODS)]

    def send(self) -> None:
        assert self.process.stdin is not None
        event = event_for(self._method, f"/{self._asked}", body=b"{}" if self._method == "POST" else b"")
        self.process.stdin.write(json.dumps(event) + "\n")

    def receive(self) -> None:
        """Check the server's report on the request."""
        assert self.process.stdout is not None
        response = result_of(json.loads(self.process.stdout.readline()), self._method)
        assert response.status == 200, response
        report = json.loads(response.body)
        assert (report["method"], report["target"]) == (self._method, f"/{self._asked}")
        self._asked += 1

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def freeze_and_thaw(environment: Environment) -> None:
    environment.send()
    environment.receive()
    pid = environment.process.pid
    for number in range(ROUNDS):
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        wait_until_closed_by_peer(pid)
        if number % 2:  # the event is there before the process runs again
            environment.send()
        os.kill(pid, signal.SIGCONT)
        if not number % 2:
            environment.send()
        environment.receive()


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="There is no list of connections here.")
def test_no_request_fails_whichever_server_closed_the_connections(tmp_path: Path) -> None:
    servers = [server for server in SERVERS if server.id in ("uvicorn", "gunicorn gthread", "hypercorn", "node")]
    with ExitStack() as stack:
        environments = []
        for server in servers:
            folder = tmp_path / server.name.replace(" ", "-")
            folder.mkdir()
            _, url = stack.enter_context(running(server, folder, keep_alive=KEEP_ALIVE))
            environments.append(Environment(url))
            stack.callback(environments[-1].end)
        with ThreadPoolExecutor(len(environments)) as threads:
            list(threads.map(freeze_and_thaw, environments))


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
