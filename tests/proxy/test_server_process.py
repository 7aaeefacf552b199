"""What ends together with the web server's process, and together with this process."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import OriginNotStarted
from bridge.proxy import descendants, watcher
from bridge.proxy.server_process import ServerProcess
from tests.cases import every_case
from tests.logged import assert_logged
from tests.proxy.programs import ENVIRON, Program, Programs, Start, is_running, wait_until, wait_until_ended

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Servers = Callable[[Program], ServerProcess]


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers of programs. They are ended at the end."""
    made: list[ServerProcess] = []

    def make(program: Program) -> ServerProcess:
        made.append(ServerProcess(program.command, ENVIRON))
        return made[-1]

    yield make
    for server in made:
        server.end_all()
        server.stderr.last_words()


def children() -> set[int]:
    """Return the processes that this one has started, zombies too."""
    return {int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


@every_case("kind", ["idle", "noisy", "group", "daemon", "nameless", "listening"])
def test_the_end_of_a_server_is_the_end_of_all_that_it_has_started(
    servers: Servers, programs: Programs, kind: str
) -> None:
    for kills_it_first in (False, True)[: 1 if kind == "nameless" else 2]:  # nothing tells whose orphan that is
        program = programs(child=kind)
        server = servers(program)
        program.wait_for("child")
        program.wait_for("listening")
        if kills_it_first:
            os.kill(server.pid, signal.SIGKILL)
            server.wait(30)
        server.end_all()
        # No wait: the next server needs the port immediately.
        assert (server.has_ended, [pid for pid in program.pids if is_running(pid)]) == (True, [])


def test_a_server_that_goes_into_the_background_ends_too(servers: Servers, programs: Programs) -> None:
    program = programs(child="daemon", exit=0)
    server = servers(program)
    program.wait_for("child")
    assert server.wait(30) == 0
    assert len([pid for pid in program.pids if is_running(pid)]) == 1
    server.end_all()
    assert [pid for pid in program.pids if is_running(pid)] == []


def test_it_ends_nothing_else(servers: Servers, programs: Programs) -> None:
    program, other = programs(child="daemon"), programs(child="daemon")
    server, _ = servers(program), servers(other)
    for one in (program, other):
        one.wait_for("child")
        one.wait_for("listening")
    server.end_all()
    assert [is_running(pid) for pid in program.pids + other.pids] == [False, False, True, True]


def test_what_cannot_be_found_in_proc_is_killed_with_its_group(
    servers: Servers, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on other systems than Linux."""
    monkeypatch.setattr(descendants, "_PROCESSES", "/no/such/folder")
    program = programs(child="idle")
    server = servers(program)
    program.wait_for("child")
    server.end_all()
    wait_until_ended(*program.pids)


def test_a_program_that_does_not_exist_leaves_no_watcher() -> None:
    before = children()
    with pytest.raises(OriginNotStarted, match="no-such-server"):
        ServerProcess(["no-such-server"], {})
    assert children() == before


def test_without_a_watcher_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    monkeypatch.setattr(watcher, "_command", lambda mark: ["/no/such/watcher"])
    with pytest.raises(OriginNotStarted, match="watcher"):
        ServerProcess(["sleep", "60"], {})
    assert children() == before


def test_an_end_leaves_no_watcher_and_no_zombie(servers: Servers, programs: Programs) -> None:
    before = children()
    server = servers(programs())
    assert len(children() - before) == 2
    server.end_all()
    assert children() == before


# The end of this process

PARENT = """
import ctypes, json, os, signal, subprocess, sys, time
from bridge.proxy import watcher
from bridge.proxy.server_process import ServerProcess

task = json.loads(os.environ.pop("TASK"))
watcher.SHELL, sys.executable = task["shell"], task["python"]
os.setpgid(0, 0)
server = ServerProcess(task["command"], dict(os.environ))

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)

def fork_that_lives_on():
    if os.fork() == 0:
        wait_for(task["end"])
        os._exit(0)

def command_that_lives_on():
    script = 'until [ -e "$0" ]; do sleep 0.1; done'
    subprocess.Popen(["sh", "-c", script, task["end"]], close_fds=False, stdout=-3, stderr=-3)

wait_for(task["go"])
exec(task["way"])
"""

WAYS = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGKILL for its process group": "os.killpg(0, signal.SIGKILL)",
    "SIGTERM for its process group": "os.killpg(0, signal.SIGTERM)",
    "an exit without cleaning up": "os._exit(3)",
    "a crash": "signal.raise_signal(signal.SIGSEGV)",
    "another program": "os.execv('/bin/true', ['true'])",
    "while a forked child lives on": "fork_that_lives_on(); os._exit(3)",
    "while a command that it runs lives on": "command_that_lives_on(); os._exit(3)",
}


@pytest.fixture
def run_parent(start_python: Start, programs: Programs, tmp_path: Path) -> Callable[..., Program]:
    """Runs a process that starts a server, waits until that listens, and ends in some way."""

    def run(way: str, *, child: str, shell: str = watcher.SHELL, python: str = sys.executable) -> Program:
        program = programs(child=child)
        go = tmp_path / f"go-{program.port}"
        task: dict[str, Any] = {"command": program.command, "way": way, "shell": shell, "python": python}
        task |= {"go": str(go), "end": str(tmp_path / "end")}
        (tmp_path / "end").unlink(missing_ok=True)
        process = start_python(PARENT, "-W", "ignore", TASK=json.dumps(task))
        program.wait_for("child")
        program.wait_for("listening")
        go.touch()
        process.wait(30)
        return program

    return run


@every_case("way", WAYS.values())
def test_whatever_ends_this_process_ends_the_server_and_all_that_it_has_started(
    run_parent: Callable[..., Program], tmp_path: Path, way: str
) -> None:
    try:
        program = run_parent(way, child="daemon")
        wait_until_ended(*program.pids)
    finally:
        (tmp_path / "end").touch()


@every_case(
    ("shell", "kind"),
    [
        (watcher.SHELL, "nameless"),
        ("/no/such/shell", "idle"),
        ("/no/such/shell", "daemon"),
        ("/no/such/shell", "nameless"),
    ],
)
def test_the_watcher_ends_every_kind_of_descendant_with_a_shell_and_without(
    run_parent: Callable[..., Program], shell: str, kind: str
) -> None:
    wait_until_ended(*run_parent(WAYS["SIGKILL"], child=kind, shell=shell).pids)


def test_a_shell_ends_the_process_group_where_python_cannot_run(
    run_parent: Callable[..., Program], tmp_path: Path
) -> None:
    wait_until_ended(*run_parent(WAYS["SIGKILL"], child="idle", python=str(tmp_path / "missing")).pids)


def test_the_log_says_that_there_is_no_shell(
    servers: Servers, programs: Programs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watcher, "SHELL", "/no/such/shell")
    with caplog.at_level("INFO"):
        servers(programs())
    assert_logged(caplog, ("INFO", "no /no/such/shell", "Python"))


def test_what_ends_a_process_group_or_the_session_does_not_end_the_watcher(
    servers: Servers, programs: Programs
) -> None:
    before = children()
    server = servers(programs())
    (pid,) = children() - before - {server.pid}
    assert os.getsid(pid) == pid
    ignored = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    mask = sum(1 << (number - 1) for number in ignored)

    def ignores() -> bool:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("SigIgn:")[2].split()[0], 16) & mask == mask

    wait_until(ignores)
