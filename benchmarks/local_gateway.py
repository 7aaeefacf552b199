"""The local gateway: what it adds to a request, how soon it answers, and how soon it has changed code.

Beside uvicorn, which serves the same application itself, and serverless-offline for a Node function. `sam local
start-api` needs Docker, which the machine of the published figures does not have.
"""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rounds import figure_of, take_turns
from benchmarks.tables import MEDIAN, Table, shown

__all__ = ["tables"]

ROUNDS, QUICK_ROUNDS = 1000, 20
STARTS, QUICK_STARTS = 15, 2

_WARM_UP = 50
_LIMIT = 60.0  # seconds

_APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}})
        await send({{"type": "http.response.body", "body": b"{body}"}})
"""
_NODE_APP = "exports.handler = async () => ({ statusCode: 200, body: 'hello' })\n"
_NODE_CONFIG = """
service: shop
provider: {name: aws, runtime: nodejs18.x}
plugins: [serverless-offline]
functions: {shop: {handler: app.handler, events: [{httpApi: "*"}]}}
"""

# The folder in which `npm install serverless@3 serverless-offline@13` has run; without it there is no row for it.
_NODE_MODULES = "BRIDGE_BENCH_SERVERLESS"

_GATEWAY, _UVICORN, _OFFLINE = "dev", "uvicorn", "serverless-offline, a Node function"


def tables(quick: bool) -> list[Table]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shop.py").write_text(_APP.format(body="hello"))
        (folder / "app.js").write_text(_NODE_APP)
        (folder / "serverless.yml").write_text(_NODE_CONFIG)
        return [_requests(folder, quick), _starts(folder, quick), _reloads(folder, quick)]


def _commands(folder: Path) -> dict[str, Callable[[int], Sequence[str | Path]]]:
    python = sys.executable
    found: dict[str, Callable[[int], Sequence[str | Path]]] = {
        _GATEWAY: lambda port: [python, "-m", "bridge", "dev", "shop:app", "--port", str(port)],
        _UVICORN: lambda port: [python, "-m", "uvicorn", "shop:app", "--port", str(port), "--log-level", "warning"],
    }
    modules = os.environ.get(_NODE_MODULES)
    if modules and shutil.which("node"):
        (folder / "node_modules").symlink_to(Path(modules) / "node_modules")
        program = folder / "node_modules" / ".bin" / "serverless"
        lambda_port = ["--lambdaPort", str(_free_port()), "--noPrependStageInUrl"]
        found[_OFFLINE] = lambda port: [program, "offline", "--httpPort", str(port), *lambda_port]
    return found


def _requests(folder: Path, quick: bool) -> Table:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    commands = _commands(folder)
    with _Running() as running:
        clients = {name: running.start(command, folder) for name, command in commands.items()}
        for client in clients.values():
            for _ in range(_WARM_UP):
                _get_or_wait(client)  # its connection may have been idle for too long
        samples = take_turns({name: partial(_timed, client) for name, client in clients.items()}, rounds)
    base = figure_of(samples[_UVICORN]).median
    rows = [
        [name, shown(figure_of(times), 2), f"{figure_of(times).median - base:.2f}"] for name, times in samples.items()
    ]
    notes = [f"{rounds} requests on a kept connection, warm, 5 bytes of body. The clients take turns."]
    return Table("A request through the local gateway: ms", [MEDIAN, "median over uvicorn"], rows, notes)


def _starts(folder: Path, quick: bool) -> Table:
    rounds = QUICK_STARTS if quick else STARTS
    shutil.rmtree(folder / "node_modules", ignore_errors=True)
    (folder / "node_modules").unlink(missing_ok=True)

    def start(command: Callable[[int], Sequence[str | Path]]) -> float:
        with _Running() as running:
            began = time.perf_counter()
            running.start(command, folder)
            return time.perf_counter() - began

    measures = {name: partial(start, command) for name, command in _commands(folder).items()}
    samples = take_turns(measures, rounds)
    rows = [[name, shown(figure_of(times), 2)] for name, times in samples.items()]
    return Table("From the command to the first answer: s", [MEDIAN], rows, [f"{rounds} starts, in turns."])


def _reloads(folder: Path, quick: bool) -> Table:
    rounds = QUICK_STARTS if quick else STARTS
    command = _commands_with_reload()
    rows = []
    for name, each in command.items():
        with _Running() as running:
            client = running.start(each, folder)
            time.sleep(1)  # until the watchers listen
            times = [_reload(client, folder, f"{number:05}") for number in range(rounds)]
        rows.append([name, shown(figure_of(times), 2)])
    notes = [f"{rounds} changes. The client asks again and again, and a refused connection counts as no answer."]
    return Table("From a saved file to the first answer of the new code: s", [MEDIAN], rows, notes)


def _commands_with_reload() -> Mapping[str, Callable[[int], Sequence[str | Path]]]:
    python = sys.executable
    return {
        _GATEWAY: lambda port: [python, "-m", "bridge", "dev", "shop:app", "--port", str(port), "--reload"],
        _UVICORN: lambda port: [python, "-m", "uvicorn", "shop:app", "--port", str(port), "--reload"],
    }


def _reload(client: http.client.HTTPConnection, folder: Path, body: str) -> float:
    (folder / "shop.py").write_text(_APP.format(body=body))
    began = time.perf_counter()
    while _get_or_wait(client) != body.encode():
        if time.perf_counter() - began > _LIMIT:
            raise TimeoutError(f"The change was not seen within {_LIMIT} s.")
    return time.perf_counter() - began


def _timed(client: http.client.HTTPConnection) -> float:
    began = time.perf_counter()
    body = _get(client)
    taken = (time.perf_counter() - began) * 1e3
    if body != b"hello":
        raise ValueError(f"Expected b'hello', but got {body!r:.100}.")
    return taken


def _get(client: http.client.HTTPConnection) -> bytes:
    client.request("GET", "/")
    return client.getresponse().read()


def _get_or_wait(client: http.client.HTTPConnection) -> bytes:
    try:
        return _get(client)
    except (OSError, http.client.HTTPException):
        client.close()
        time.sleep(0.005)
        return b""


class _Running:
    """Servers, each in a process group of its own, until the `with` block ends."""

    def __enter__(self) -> "_Running":
        self._processes: list[subprocess.Popen[bytes]] = []
        return self

    def start(self, command: Callable[[int], Sequence[str | Path]], folder: Path) -> http.client.HTTPConnection:
        """Start a server, and return a connection on which it has answered."""
        port = _free_port()
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command(port), cwd=folder, start_new_session=True, **quiet)  # type: ignore[call-overload]
        self._processes.append(process)
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT)
        began = time.perf_counter()
        while not _get_or_wait(client):
            if process.poll() is not None or time.perf_counter() - began > _LIMIT:
                raise RuntimeError(f"{command(port)} has not answered.")
        return client

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
