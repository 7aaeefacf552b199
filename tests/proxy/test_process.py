"""The web server as a child process: its start, its end, and the next one after its end."""

import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import OriginLost, OriginNotStarted
from bridge.proxy.process import OriginProcess
from bridge.proxy.stderr import LAST_LINES, MAX_LINE
from tests.logged import assert_logged
from tests.proxy.programs import (
    ENVIRON,
    Processes,
    Program,
    Programs,
    is_running,
    join_threads,
    wait_for_exit,
    wait_until,
    wait_until_ended,
)

pytestmark = pytest.mark.usefixtures("nothing_unclosed")


def start(processes: Processes, program: Program, *, was_ready: bool = False) -> OriginProcess:
    process = processes(program)
    process.start()
    if was_ready:
        process.was_ready()
    return process


def test_it_gets_the_given_environment_a_session_of_its_own_and_nothing_to_read(
    processes: Processes, programs: Programs
) -> None:
    program = programs()
    process = processes(program)
    assert (process.pid, process.name) == (None, os.path.basename(sys.executable))
    process.start()
    found = program.wait_for("start")
    own = {"pid": process.pid, "sid": process.pid, "ppid": os.getpid(), "stdin": ""}
    (mark,) = found["environ"].keys() - ENVIRON
    assert found == {"event": "start", **own, "environ": {**ENVIRON, mark: "1"}}
    assert mark.startswith("_BRIDGE_SERVER_")


def test_a_program_that_does_not_exist_is_an_error_with_the_command() -> None:
    process = OriginProcess(["no-such-server", "--port", "1"], env={})
    with pytest.raises(OriginNotStarted) as caught:
        process.start()
    assert "['no-such-server', '--port', '1']" in str(caught.value)
    assert process.terminate() is False
    process.kill()
    join_threads()


def test_stderr_is_passed_on_as_it_is(
    processes: Processes, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(processes, programs(says=["loading", "caf\u00e9 \udcff", "x" * 2000], exit=0))
    wait_for_exit(process)
    assert capsys.readouterr().err == "loading\ncaf\u00e9 \ufffd\n" + "x" * 2000 + "\n"


def test_an_exit_before_it_was_ready_is_final(
    processes: Processes, programs: Programs, caplog: pytest.LogCaptureFixture
) -> None:
    program = programs(says=["no such module: shop"], exit=3)
    process = start(processes, program)
    wait_for_exit(process)
    report = f"{process.name} exited with status 3. Its last lines on stderr:\n    no such module: shop"
    assert (process.exits, process.is_lost, process.report) == (1, True, report)
    join_threads()
    assert_logged(caplog, ("ERROR", report))
    assert len(program.records("start")) == 1
    with pytest.raises(OriginLost, match="status 3"):
        process.check()


def test_only_the_end_of_stderr_is_reported(processes: Processes, programs: Programs) -> None:
    lines = [f"line {number}" for number in range(LAST_LINES + 5)]
    process = start(processes, programs(says=[*lines, "y" * (MAX_LINE + 1)], exit=1))
    wait_for_exit(process)
    assert process.report.splitlines()[1:] == [f"    {line}" for line in [*lines[6:], "y" * MAX_LINE]]


def test_control_bytes_in_its_last_words_are_escaped(
    processes: Processes, programs: Programs, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that a client has caused must not look like one of the log's own, nor change a terminal."""
    says = ["\x1b[31mred\x1b[0m\tcaf\u00e9", "a\rERROR fake\x00", "\u2028next \x85 \u202e", "\x1b" * MAX_LINE]
    process = start(processes, programs(says=says, exit=1))
    wait_for_exit(process)
    *shown, last = process.report.splitlines()[1:]
    assert shown == [
        r"    \x1b[31mred\x1b[0m" + "\tcaf\u00e9",
        r"    a\rERROR fake\x00",
        r"    \u2028next \x85 \u202e",
    ]
    assert last == "    " + (r"\x1b" * MAX_LINE)[:MAX_LINE]
    join_threads()
    assert_logged(caplog, ("ERROR", process.report))


def test_a_signal_that_ended_it_is_named(processes: Processes, programs: Programs) -> None:
    unnamed = int(signal.SIGRTMIN) + 1
    for number, name in ((signal.SIGKILL, "SIGKILL"), (unnamed, f"signal {unnamed}")):
        program = programs()
        process = start(processes, program)
        program.wait_for("listening")
        os.kill(program.pids[0], number)
        wait_for_exit(process)
        assert process.report == f"{process.name} was ended by {name}. It wrote nothing to stderr."


def test_once_it_was_ready_it_is_started_again_once(
    processes: Processes, programs: Programs, caplog: pytest.LogCaptureFixture
) -> None:
    program = programs(says=["hello"])
    process = start(processes, program)
    pids = []
    for number in (1, 2):
        process.was_ready()  # the second time gives no further start
        program.wait_for("listening", number)
        process.check()
        assert process.pid is not None
        pids.append(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        wait_for_exit(process, number)
    assert program.pids == pids
    join_threads()
    assert_logged(caplog, ("ERROR", "started again", "SIGKILL", "hello"), ("ERROR", "SIGKILL", "hello"))
    with pytest.raises(OriginLost, match=r"once more(?s:.*)SIGKILL(?s:.*)hello"):
        process.check()


def test_a_program_that_has_gone_meanwhile_is_lost(
    processes: Processes, programs: Programs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = programs(exit_when=tmp_path / "exit")
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    program.command[0] = str(link)
    process = start(processes, program, was_ready=True)
    program.wait_for("listening")
    link.unlink()
    (tmp_path / "exit").touch()
    wait_until(lambda: process.is_lost)
    join_threads()
    assert_logged(caplog, ("ERROR", "started again", "status 0"), ("ERROR", "could not be started", str(link)))


def test_a_stop_is_not_an_exit(processes: Processes, programs: Programs, caplog: pytest.LogCaptureFixture) -> None:
    program = programs(child="idle")
    process = start(processes, program, was_ready=True)
    program.wait_for("listening")
    pid = process.pid
    assert process.terminate() is True
    wait_until(lambda: process.has_ended)
    process.kill()
    process.kill()
    join_threads()
    wait_until_ended(*program.pids)
    assert pid is not None
    with pytest.raises(ChildProcessError):  # no zombie is left to wait for
        os.waitpid(pid, os.WNOHANG)
    assert (process.exits, process.is_lost, process.pid, process.terminate()) == (0, False, None, False)
    assert caplog.messages == []
    assert len(program.records("start")) == 1


def test_one_that_does_not_stop_is_killed_with_all_that_it_has_started(
    processes: Processes, programs: Programs, caplog: pytest.LogCaptureFixture
) -> None:
    program = programs(ignore_sigterm=True, child="noisy")
    process = start(processes, program)
    program.wait_for("child")
    program.wait_for("listening")
    process.terminate()
    process.kill()
    wait_until_ended(*program.pids)
    join_threads()
    assert_logged(caplog, ("WARNING", "killed"))


def test_a_daemon_of_the_ended_server_is_ended_before_the_next_one_is_started(
    processes: Processes, programs: Programs, at_the_line: "AtTheLine"
) -> None:
    program = programs(child="daemon", again={"child": None})
    process = start(processes, program, was_ready=True)
    program.wait_for("child")
    program.wait_for("listening")
    running: list[bool] = []
    at_the_line(lambda: running.extend(map(is_running, program.pids)))
    os.kill(program.pids[0], signal.SIGKILL)
    wait_for_exit(process)
    program.wait_for("listening", 2)
    assert running == [False, False]


def test_children_of_the_ended_server_do_not_hold_the_port_of_the_next_one(
    processes: Processes, programs: Programs
) -> None:
    program = programs(child="listening", again={"child": None})
    process = start(processes, program, was_ready=True)
    program.wait_for("child")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    wait_for_exit(process)
    wait_until_ended(*program.pids[:1], program.records("child")[0]["pid"])
    program.wait_for("listening", 2)
    assert not process.is_lost


BROKEN = io.StringIO()
BROKEN.close()


@pytest.mark.parametrize("stderr", [None, BROKEN], ids=["none", "broken"])
def test_a_server_with_much_to_say_is_heard_to_its_end_whatever_our_own_stderr_is(
    processes: Processes, programs: Programs, monkeypatch: pytest.MonkeyPatch, stderr: object
) -> None:
    program = programs(noise=300)  # more than a pipe holds
    monkeypatch.setattr(sys, "stderr", stderr)
    start(processes, program)
    program.wait_for("listening")


# It ends and is stopped at the same moment


def test_a_stop_in_the_moment_of_its_own_end_leaves_nothing_running(
    processes: Processes, programs: Programs, tmp_path: Path
) -> None:
    for number in range(8):
        program = programs(exit_when=tmp_path / f"exit-{number}")
        process = start(processes, program, was_ready=True)
        program.wait_for("listening")
        (tmp_path / f"exit-{number}").touch()
        if number % 2:
            wait_until_ended(*program.pids)
        process.terminate()
        process.kill()
        join_threads()
        assert [pid for pid in program.pids if is_running(pid)] == []


AtTheLine = Callable[[Callable[[], object]], None]


@pytest.fixture
def at_the_line(monkeypatch: pytest.MonkeyPatch) -> AtTheLine:
    """Does something once when an end is logged, which is before the next server is started."""

    def add(act: Callable[[], object]) -> None:
        acts = [act]
        handler = logging.Handler()
        monkeypatch.setattr(handler, "emit", lambda record: acts and acts.pop()())
        monkeypatch.setattr(logging.getLogger("bridge"), "handlers", [handler])

    return add


def test_a_stop_just_before_it_is_started_again_is_no_failure(
    processes: Processes,
    programs: Programs,
    caplog: pytest.LogCaptureFixture,
    at_the_line: AtTheLine,
) -> None:
    program = programs()
    process = start(processes, program, was_ready=True)
    program.wait_for("listening")
    at_the_line(process.terminate)
    os.kill(program.pids[0], signal.SIGKILL)
    wait_for_exit(process)
    join_threads()
    process.kill()
    assert (len(caplog.messages), process.is_lost, len(program.records("start"))) == (1, False, 1)


def test_a_new_life_just_before_it_is_started_again_has_one_server(
    processes: Processes, programs: Programs, at_the_line: AtTheLine
) -> None:
    program = programs()
    process = start(processes, program, was_ready=True)
    program.wait_for("listening")
    renewed = threading.Event()

    def renew() -> None:
        process.terminate()
        process.kill()
        process.start()
        renewed.set()

    at_the_line(renew)
    watching = [thread for thread in threading.enumerate() if thread.name == "bridge origin"]
    os.kill(program.pids[0], signal.SIGKILL)
    assert renewed.wait(30)
    for thread in watching:  # those of the life before
        thread.join(30)
    program.wait_for("listening", 2)
    process.terminate()
    process.kill()
    join_threads()
    assert (len(program.records("start")), [pid for pid in program.pids if is_running(pid)]) == (2, [])
