"""Freezes of a function and its web server, as Lambda freezes an environment between two invocations.

`python benchmarks/freezes.py` takes about 8 minutes, prints two tables, and exits with 1 if a request failed or was
acted on twice. All servers are frozen side by side: nearly all of the time is spent asleep.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.tables import Table, as_markdown  # noqa: E402  # after the path

FROZEN = ROOT / "benchmarks/frozen"

# For each server. Most freezes have any length between the two, in seconds. Every fifth one, and the pauses, in which
# nothing is frozen, are as long as the server's keep-alive time, or some milliseconds more or less.
FREEZES, PAUSES = 100, 6
SHORTEST, LONGEST = 1.0, 6.0
NEARLY = 0.02

# After an answer a server may work on, and after a freeze one of the two processes runs first, in seconds.
BEFORE, AFTER = 0.02, 0.005

# Requests to a server that closes its connection at that moment, and how long after the last one they are sent.
RACES = 1000
RACE = 0.02

# How long anything may take, in seconds: only something broken gets that far.
LIMIT = 60


class Server(NamedTuple):
    """`keep_alive`: how long it keeps an idle connection by default, in seconds. Node announces a second less."""

    name: str
    keep_alive: float
    command: list[str]


class Result(NamedTuple):
    """`failed`: how many requests of each method had another status than 200. `acted_on`: how often each was."""

    server: Server
    sent: Counter[str]
    failed: Counter[str]
    repeated: int
    acted_on: Counter[str]

    @property
    def twice(self) -> int:
        return sum(count > 1 for count in self.acted_on.values())


def servers(port: int) -> list[Server]:
    python = [sys.executable, "-m"]
    address = f"127.0.0.1:{port}"
    gthread = ["--worker-class", "gthread", "--threads", "4", "--log-level", "error"]
    return [
        Server("gunicorn, gthread", 2, [*python, "gunicorn", *gthread, "--bind", address, "apps:wsgi"]),
        Server("uvicorn", 5, [*python, "uvicorn", "--port", str(port), "--log-level", "error", "apps:asgi"]),
        Server("hypercorn", 5, [*python, "hypercorn", "--bind", address, "--log-level", "ERROR", "apps:asgi"]),
        Server(
            "granian", 30, [*python, "granian", "--interface", "asgi", "--port", str(port), "--no-log", "apps:asgi"]
        ),
        Server("Node", 6, [shutil.which("node") or "", str(FROZEN / "app.js")]),
    ]


class Function:
    """A function's process, which has a web server of its own."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(FROZEN / "function.py"), str(port), *command],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{FROZEN}", "FREEZES_LOG": str(log), "PORT": str(port)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._log = log
        self.sent, self.failed, self.repeated = Counter[str](), Counter[str](), 0
        self._group = os.getpgid(self.ask("GET"))  # the web server leads it

    def send(self, method: str) -> None:
        self.sent[method] += 1
        self._stdin.write(f"{method} {self.sent.total()}\n")

    def receive(self, method: str) -> int:
        """Return the process id in the answer; 0 if that is an error."""
        status, repeated, body = self._stdout.readline().split(maxsplit=2)
        self.repeated = int(repeated)
        if status == "200":
            return int(body)
        self.failed[method] += 1
        return 0

    def ask(self, method: str) -> int:
        self.send(method)
        return self.receive(method)

    def freeze(self, seconds: float, method: str) -> None:
        """Freeze everything, and send the next request, which the function finds when it goes on."""
        time.sleep(random.uniform(0, BEFORE))
        self._process.send_signal(signal.SIGSTOP)
        os.killpg(self._group, signal.SIGSTOP)
        self.send(method)
        time.sleep(seconds)
        for go_on in random.sample([self._continue_function, self._continue_server], 2):
            go_on()
            time.sleep(random.uniform(0, AFTER))
        self.receive(method)

    def _continue_function(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _continue_server(self) -> None:
        os.killpg(self._group, signal.SIGCONT)

    def result(self, server: Server) -> Result:
        acted_on = Counter(line for line in self._log.read_text().split() if line)
        return Result(server, self.sent, self.failed, self.repeated, acted_on)

    def end(self) -> None:
        self._stdin.close()
        try:
            self._process.wait(LIMIT)
        finally:
            self._process.kill()


@contextmanager
def function(server: Server, port: int) -> Iterator[Function]:
    with tempfile.TemporaryDirectory() as folder:
        made = Function(server.command, port, Path(folder) / "log")
        try:
            yield made
        finally:
            made.end()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def methods() -> Iterator[str]:
    while True:
        yield "GET"
        yield "POST"


def frozen(index: int, freezes: int, pauses: int) -> Result:
    """Freeze one of the servers. Before each freeze it has a request of either method."""
    port = free_port()
    server = servers(port)[index]
    near = min(server.keep_alive, LONGEST - NEARLY)
    with function(server, port) as made:
        for number, method in zip(range(freezes), methods(), strict=False):
            made.ask(random.choice(["GET", "POST"]))
            is_near = number // 2 % 5 == 0
            made.freeze(random.uniform(*((near - NEARLY, near + NEARLY) if is_near else (SHORTEST, LONGEST))), method)
        for _, method in zip(range(pauses), methods(), strict=False):
            made.ask(method)
            time.sleep(random.uniform(near - NEARLY, near + NEARLY))
            made.ask(method)
        return made.result(server)


def raced(races: int) -> Result:
    """Send each request when the server closes the connection."""
    server = Server("closes at that moment", RACE, [sys.executable, str(FROZEN / "closing.py")])
    with function(server, free_port()) as made:
        for _, method in zip(range(races), methods(), strict=False):
            made.ask(method)
            time.sleep(RACE)
        return made.result(server)


def rows(results: list[Result]) -> list[list[str]]:
    return [
        [
            result.server.name,
            f"{result.server.keep_alive:g} s",
            *(f"{result.sent[method]}" for method in ("GET", "POST")),
            *(f"{result.failed[method]}" for method in ("GET", "POST")),
            f"{result.repeated}",
            f"{result.twice}",
        ]
        for result in results
    ]


COLUMNS = ["keep-alive", "GET", "POST", "GET failed", "POST failed", "sent once more", "acted on twice"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--freezes", type=int, default=FREEZES)
    parser.add_argument("--pauses", type=int, default=PAUSES)
    parser.add_argument("--races", type=int, default=RACES)
    given = parser.parse_args()
    present = [index for index, server in enumerate(servers(0)) if server.command[0]]
    with ThreadPoolExecutor(len(present) + 1) as pool:
        race = pool.submit(raced, given.races)
        results = list(pool.map(lambda index: frozen(index, given.freezes, given.pauses), present))
    closing = race.result()
    freezes = (
        f"{given.freezes} freezes of {SHORTEST:g} to {LONGEST:g} s and {given.pauses} pauses, requests around them"
    )
    print(as_markdown(Table(freezes, COLUMNS, rows(results))))
    print()
    print(as_markdown(Table("A close at the moment of the request", COLUMNS, rows([closing]))))
    # A POST fails if its connection is closed just then: it is not sent again.
    return int(any(result.failed.total() for result in results) or any(each.twice for each in [*results, closing]))


if __name__ == "__main__":
    sys.exit(main())
