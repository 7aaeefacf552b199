"""What the local gateway has started ends with it, however it ends, and with the environment that started it."""

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateway import LIMIT, RunningGateway
from tests.proxy.programs import wait_until

RUNTIMES = ["bridge", "awslambdaric"]

APP = """
import asyncio, os
from bridge import Bridge
async def app(scope, receive, send):
    if scope["path"] == "/slow":
        print("pid", os.getpid(), flush=True)
        await asyncio.sleep(100)
    await send({"type": "http.response.start", "status": 200})
    for _ in range(1000 if scope["path"] == "/stream" else 1):
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        if scope["path"] == "/stream":
            print("pid", os.getpid(), flush=True)
            await asyncio.sleep(0.05)
    await send({"type": "http.response.body"})
handler = Bridge(app)
"""


def _state(pid: int) -> str:
    """Return "" if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    return _state(pid) not in ("", "Z", "X")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("start", ["session", "daemon"])
def test_a_child_that_left_is_frozen_and_ends_with_its_environment(start: str, runtime: Any) -> None:
    with RunningGateway("local_children:handler", freezes=True, runtime=runtime) as local:
        record = local.run(local.gateway.invoke(json.dumps({"start": start}).encode()))
        child = json.loads(record.result)
        local.wait_for(lambda: [each.state for each in local.gateway.environments] == ["frozen"])
        local.wait_for(lambda: _state(child) == "T")
        local.run(local.gateway.cold_start())
        local.wait_for(lambda: not is_running(child))


def test_a_timeout_ends_a_child_that_left_too() -> None:
    with RunningGateway("local_children:handler", timeout=1.0) as local:
        record = local.run(local.gateway.invoke(b'{"start": "session", "stay": 60}'))
        local.wait_for(lambda: record.status == "done")
        child = int(record.logs[0].text)
    assert not is_running(child)


def test_the_memory_of_a_child_that_left_counts() -> None:
    with RunningGateway("local_children:handler", memory=256) as local:
        record = local.run(local.gateway.invoke(b'{"start": "large", "stay": 60}'))
    assert record.failure is not None
    assert record.failure.error_type == "Runtime.OutOfMemory"


class Dev:
    """`python -m bridge dev` in a folder, and its output."""

    def __init__(self, folder: Path, *options: str) -> None:
        (folder / "shop.py").write_text(APP)
        self.log = folder / "dev.log"
        command = [sys.executable, "-m", "bridge", "dev", "shop:handler", "--port", "0", *options]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        self.port = int(self.wait_for(r"http://127\.0\.0\.1:(\d+)/_bridge"))

    def wait_for(self, pattern: str) -> str:
        wait_until(lambda: re.search(pattern, self.log.read_text()) is not None)
        found = re.search(pattern, self.log.read_text())
        assert found is not None
        return found[1]

    def ask(self, path: str) -> tuple[int | None, bytes]:
        """Return status and body; (None, b"") if the connection ends without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (http.client.HTTPException, OSError):
            return None, b""
        finally:
            connection.close()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(LIMIT)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Callable[..., Dev]]:
    made: list[Dev] = []

    def start(*options: str) -> Dev:
        made.append(Dev(tmp_path, *options))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.wait(LIMIT)


# uvicorn has these, too.
STATUSES = {signal.SIGINT: 0, signal.SIGTERM: -signal.SIGTERM}


@pytest.mark.parametrize("number", STATUSES)
@pytest.mark.parametrize("path", ["/slow", "/stream"])
def test_an_open_request_gets_an_end(
    number: signal.Signals, path: str, dev: Callable[..., Dev], in_thread: Callable[..., "Future[Any]"]
) -> None:
    running = dev("--stream")
    asking = in_thread(running.ask, path)
    page = in_thread(running.ask, "/_bridge/")
    pid = int(running.wait_for(r"pid (\d+)"))
    assert page.result()[0] == 200
    assert running.end(number) == STATUSES[number]
    assert asking.result()[0] == (502 if path == "/slow" else 200)
    text = running.log.read_text()
    assert "Traceback" not in text
    assert "ASGI" not in text
    assert "Open requests have" in text
    assert not is_running(pid)


def test_a_second_ctrl_c_does_not_wait(dev: Callable[..., Dev], in_thread: Callable[..., "Future[Any]"]) -> None:
    running = dev("--timeout", "90")
    asking = in_thread(running.ask, "/slow")
    pid = int(running.wait_for(r"pid (\d+)"))
    running.process.send_signal(signal.SIGINT)
    running.wait_for("(Open requests)")
    assert running.end(signal.SIGINT) == 0
    asking.result()
    assert "Traceback" not in running.log.read_text()
    assert not is_running(pid)


def test_clients_that_do_not_read_or_send_on_do_not_keep_it(dev: Callable[..., Dev]) -> None:
    running = dev("--stream")
    reader, sender = (http.client.HTTPConnection("127.0.0.1", running.port, timeout=LIMIT) for _ in range(2))
    reader.request("GET", "/stream")
    sender.putrequest("POST", "/")
    sender.putheader("content-length", "100")
    sender.endheaders(b"only this")
    running.wait_for(r"pid (\d+)")
    assert running.end(signal.SIGINT) == 0
    assert "Traceback" not in running.log.read_text()
    reader.close()
    sender.close()


@pytest.mark.parametrize("options", [(), ("--freeze",), ("--runtime", "awslambdaric")])
def test_a_gateway_that_is_killed_leaves_no_process(options: tuple[str, ...], dev: Callable[..., Dev]) -> None:
    running = dev(*options, "--timeout", "90")
    assert running.ask("/")[0] == 200
    pids = _descendants(running.process.pid)
    running.end(signal.SIGKILL)
    assert len(pids) > 1  # the runtime, and what watches over it
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(folder.name))
    return found[1:]


def test_ctrl_c_while_it_imports_prints_nothing(tmp_path: Path) -> None:
    """Of each command, from the first line of our own on."""
    code = "from bridge.__main__ import main\nprint(flush=True)\nmain()"
    for command in (["dev", "x:x"], ["check", "x:x"], ["event", "alb", "GET", "/"], ["invoke", "x:x", "x.json"]):
        output: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", code, *command], cwd=tmp_path, **output) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            wait_until(partial(_ignores_python, process.pid))
            process.send_signal(signal.SIGINT)
            errors = process.stderr.read()
            status = process.wait(LIMIT)
        assert (status, errors) == (-signal.SIGINT, ""), command


def _ignores_python(pid: int) -> bool:
    """Return whether Ctrl+C has its default effect, and does not become a KeyboardInterrupt."""
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return caught is not None and not int(caught[1], 16) & 1 << signal.SIGINT - 1
