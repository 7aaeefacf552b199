"""A small web server for the tests of Proxy. This file is both the server's program and the tests' way to run it.

The program uses sockets and threads alone, because every import would make every test slower. It writes its events
into a file, one JSON object a line. The fixtures of the tests make commands, and kill the processes that they left.
"""

import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

    from bridge import Proxy
    from bridge.proxy.process import OriginProcess

Record = dict[str, Any]
Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Programs = Callable[..., "Program"]  # with options
Processes = Callable[["Program"], "OriginProcess"]
Proxies = Callable[..., "Proxy"]  # for a program, with arguments
Serve = Callable[..., "tuple[Program, Proxy]"]  # with arguments in a dictionary, and options
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

# After how many seconds a program ends by itself, if a failed test has left it.
LIFE = 120

# How long the tests wait for what must happen, in seconds.
PATIENCE = 30.0


class Program:
    """The command for one server, and the events that it has written.

    `options`: `says` (lines for stderr), `noise` (how many lines of
    1,000 bytes more), `exit` (a status to exit with immediately), `listen_when` and `exit_when` (paths
    whose appearance it waits for), `unhealthy` (how many of the first requests for /health are
    answered with 500), `answers` (statuses by path), `ignore_sigterm`, `child`, `uds`; and `again`: options for all
    starts but the first.

    `child`: "idle"; "noisy": writes to stderr without a pause; "group": leaves the process group; "daemon": its session
    and its parent; "nameless": its session, and its environment; "listening": shares the socket.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"{self.port}.jsonl"
        task = {"port": self.port, "log": str(self._log)} | options
        self.command = [sys.executable, "-S", "-E", __file__, json.dumps(task, default=str)]

    def records(self, event: str) -> list[Record]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [record for line in lines if (record := _parsed(line)).get("event") == event]

    def wait_for(self, event: str, count: int = 1) -> Record:
        """Return the `count`th of such records, as soon as it is there."""
        wait_until(lambda: len(self.records(event)) >= count)
        return self.records(event)[count - 1]

    @property
    def targets(self) -> list[str]:
        """Return method and request-target of each request."""
        return [f"{record['method']} {record['target']}" for record in self.records("request")]

    @property
    def pids(self) -> list[int]:
        return [record["pid"] for record in self.records("start") + self.records("child")]


# What a process of `processes` finds in its environment beside its mark. Python sets the second one itself where it is
# not set.
ENVIRON = {"COLOUR": "blue", "LC_CTYPE": "C.UTF-8"}


def _parsed(line: str) -> Record:
    """Return the record; an empty one if it is not whole: it is just being written, or its writer was killed."""
    try:
        record: Record = json.loads(line)
    except ValueError:
        return {}
    return record


def answered(result: Event) -> Any:
    """Return the request as the program got it."""
    assert result["statusCode"] == 200, result
    return json.loads(result["body"])


def wait_for_exit(process: "OriginProcess", number: int = 1) -> None:
    wait_until(lambda: process.exits >= number)


def free_port(*more: int) -> int:
    """Return a port that is free, and so are those that are `more` above it.

    They are outside the range that the kernel uses for clients: one of those could be taken a moment later.
    """
    while True:
        port = random.SystemRandom().randrange(15000, 32000)
        with ExitStack() as bound:
            try:
                for each in (port, *(port + above for above in more)):
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", each))
            except OSError:
                continue
            return port


def is_running(pid: int) -> bool:
    """Return whether such a program runs, and is not a zombie."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    if not Path("/proc/self").exists():
        return True
    try:
        is_ours = os.fsencode(__file__) in Path(f"/proc/{pid}/cmdline").read_bytes()
        return is_ours and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for an effect of another process or thread that has no event to wait for."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"It did not happen within {PATIENCE:g} s.")
        time.sleep(0.005)


def wait_until_ended(*pids: int) -> None:
    wait_until(lambda: not any(map(is_running, pids)))


def join_threads() -> None:
    """Wait for the threads that watch a server: they end when it has ended, but a moment later."""
    for thread in threading.enumerate():
        if thread.name.startswith("bridge origin"):
            thread.join(PATIENCE)
            if thread.is_alive():
                raise TimeoutError(f"The thread {thread.name} is left.")


class Server:
    """The program's side."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._log = os.open(task["log"], os.O_RDWR | os.O_CREAT | os.O_APPEND)
        starts = os.pread(self._log, 1 << 20, 0).count(b'"event": "start"')
        self._task = task | task.get("again", {}) if starts else task
        self._requests = 0

    def note(self, event: str, **values: Any) -> None:
        # A line of its own also after a record whose writer was killed.
        os.write(self._log, ("\n" + json.dumps({"event": event} | values) + "\n").encode())

    def run(self) -> None:
        task = self._task
        if task.get("ignore_sigterm"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.alarm(LIFE)
        stdin = os.read(0, 10).decode()
        self.note("start", pid=os.getpid(), sid=os.getsid(0), ppid=os.getppid(), stdin=stdin, environ=dict(os.environ))
        for line in task.get("says", []):
            os.write(2, line.encode("utf-8", "surrogateescape") + b"\n")
        for _ in range(task.get("noise", 0)):
            os.write(2, b"noise" * 200 + b"\n")
        if task.get("child", "listening") not in ("listening", None):
            self._fork(task["child"])
        if "exit" in task:
            os._exit(task["exit"])
        if "exit_when" in task:
            threading.Thread(target=self._exit_when, args=(task["exit_when"],), daemon=True).start()
        _wait_for_file(task.get("listen_when"))
        listener = self._listen()
        if task.get("child") == "listening":
            self._fork("listening")
        self.note("listening")
        for number in range(1 << 30):
            connection, _ = listener.accept()
            self.note("connected")
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _listen(self) -> socket.socket:
        uds = self._task.get("uds")
        if uds is None:
            return socket.create_server(("127.0.0.1", self._task["port"]), backlog=200)
        if os.path.exists(uds):
            os.unlink(uds)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(uds)
        listener.listen(200)
        return listener

    def _exit_when(self, path: str) -> None:
        _wait_for_file(path)
        os._exit(0)

    def _fork(self, kind: str) -> None:
        if os.fork():
            return
        if kind == "group":
            os.setpgid(0, 0)
        if kind == "daemon":
            os.setsid()
            if os.fork():
                os._exit(0)
        signal.alarm(LIFE)
        self.note("child", pid=os.getpid())
        if kind == "nameless":
            os.setsid()
            os.execve(sys.executable, [sys.executable, "-c", "import signal; signal.pause()", __file__], {})
        while kind == "noisy":
            os.write(2, b"noise\n")
        signal.pause()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while (request := _read_request(stream)) is not None:
                    self.note("request", connection=number, **request)
                    if not self._answer(connection, request, number):
                        return
            except OSError:  # the client has gone
                return

    def _answer(self, connection: socket.socket, request: dict[str, Any], number: int) -> bool:
        """Answer a request. Return whether the connection stays open."""
        self._requests += 1
        task, (_, what, *more) = self._task, request["target"].partition("?")[0].split("/")
        if what == "hang":
            _hang()
        if what == "exit":
            os.write(2, b"asked to exit\n")
            os._exit(int(more[0]))
        if what == "drop":
            return False
        if what in RAW:
            connection.sendall(RAW[what])
            return False
        if what == "gated":
            connection.sendall(RAW["broken"])
            _hang()
        status = task.get("answers", {}).get(request["target"], 200)
        if what == "health" and self._requests <= task.get("unhealthy", 0):
            status = 500
        connection.sendall(_response(status, json.dumps(request | {"connection": number}).encode()))
        return True


RAW = {
    "garbage": b"This is not HTTP.\r\n\r\n",
    "short": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour",
    "broken": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n",
}


def _read_request(stream: Any) -> dict[str, Any] | None:
    line = stream.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ")
    headers = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append([name.lower(), value.strip()])
    body = stream.read(int(dict(headers).get("content-length", 0))).decode("latin-1")
    return {"method": method, "target": target, "headers": headers, "body": body}


def _response(status: int, text: bytes) -> bytes:
    return b"HTTP/1.1 %d Said\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (status, len(text), text)


def _hang() -> None:
    threading.Event().wait()


def _wait_for_file(path: str | None) -> None:
    while path is not None and not os.path.exists(path):
        time.sleep(0.005)


if __name__ == "__main__":
    Server(json.loads(sys.argv[1])).run()
