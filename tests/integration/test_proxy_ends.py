"""Whatever ends the function's process ends its web server, and all that a real one has started."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.conftest import StartEmulator
from tests.integration.emulated import request
from tests.integration.servers import HOST, ROOT, event_for, free_port

PATIENCE = 30  # seconds

SITE = "tests.integration.origin_site"
PYTHON = [sys.executable, "-m"]
UVICORN = ["uvicorn", f"{SITE}:asgi", "--log-level", "warning", "--port"]

# The port comes last. Each of them has processes beneath the one that is started.
COMMANDS = {
    "uvicorn --workers 2": [*PYTHON, "uvicorn", "--workers", "2", *UVICORN[1:]],
    "gunicorn": [*PYTHON, "gunicorn", f"{SITE}:wsgi", "--workers", "2", "--log-level", "error", "--bind"],
    "hypercorn": [*PYTHON, "hypercorn", f"{SITE}:asgi", "--log-level", "warning", "--bind"],
    "granian": [*PYTHON, "granian", f"{SITE}:asgi", "--interface", "asgi", "--log-level", "warning", "--port"],
    "a shell": ["sh", "-c", f"{' '.join([*PYTHON, *UVICORN])} $0; true"],
}

FUNCTION = """
import json, sys, time
from bridge import Proxy

command, port, event = map(json.loads, sys.argv[1:])
handler = Proxy(command, port=port, readiness_timeout=60)
for _ in range(2):
    print(handler(event, None)["statusCode"], flush=True)
    sys.stdin.readline()
    handler.close()
    handler = Proxy(command, port=port, readiness_timeout=60)
"""


def command_for(server: str, port: int) -> list[str]:
    address = f"{HOST}:{port}" if COMMANDS[server][-1] == "--bind" else str(port)
    return [*COMMANDS[server], address]


def until_none_of(mark: str, port: int) -> None:
    """Wait until no process has `mark` in its environment, and nothing listens at the port."""
    end = time.monotonic() + PATIENCE
    while (left := processes_of(mark)) or listens(port):
        assert time.monotonic() < end, left
        time.sleep(0.01)


def processes_of(mark: str) -> dict[int, str]:
    """Return the command lines of the processes that have `mark` in their environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_text()
    return found


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def mark() -> Iterator[str]:
    """Yield a word for the environment of a function, by which what is left of it is found and killed."""
    mark = f"MARK_{secrets.token_hex(8)}"
    yield mark
    for pid in processes_of(mark):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("server", COMMANDS)
def test_a_close_and_sigkill_end_the_whole_server(server: str, mark: str) -> None:
    port = free_port()
    arguments = map(json.dumps, (command_for(server, port), port, event_for("GET", "/")))
    function = subprocess.Popen(
        [sys.executable, "-c", FUNCTION, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), mark: "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with function:
        assert function.stdin is not None
        assert function.stdout is not None
        assert function.stdout.readline() == "200\n"
        assert len(processes_of(mark)) >= 4  # the function, the watcher, the server's process and one beneath
        function.stdin.write("\n")
        function.stdin.flush()
        # The second server has the port of the first one.
        assert function.stdout.readline() == "200\n"
        function.kill()
    until_none_of(mark, port)


@pytest.mark.parametrize(("module", "server"), [("awslambdaric", "granian"), ("bridge.runtime", "a shell")])
def test_the_next_environment_of_the_emulator_has_a_server_of_its_own(
    start_emulator: StartEmulator, mark: str, module: str, server: str
) -> None:
    port = free_port()
    environ = {"SITE_PORT": str(port), "SITE_COMMAND": json.dumps(command_for(server, port)), "PYTHONPATH": str(ROOT)}
    emulator = start_emulator(command=[sys.executable, "-m", module, "proxied.handler"], **environ, **{mark: "1"})
    event = request("GET", "/")
    assert emulator.invoke(event).payload["statusCode"] == 200
    os.kill(emulator.runtime_pid(), signal.SIGKILL)
    status, error = emulator.invoke(event)
    assert (status, error["errorType"]) == (502, "Runtime.ExitError")
    assert emulator.invoke(event).payload["statusCode"] == 200
    emulator.stop()
    until_none_of(mark, port)
