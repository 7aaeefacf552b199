"""The web server ends and is stopped at the same moment; the processes around it end."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.proxy.server import OriginProcess
from tests.proxy.programs import Processes, Programs, is_running, join_threads, wait_until, wait_until_ended

pytestmark = pytest.mark.usefixtures("nothing_unclosed")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    yield made
    made.end()


@pytest.fixture
def make() -> Iterator[Processes]:
    made = Processes()
    yield made
    made.end()


def wait_for_exit(process: OriginProcess, number: int = 1) -> None:
    wait_until(lambda: process.exits >= number)


def test_a_stop_in_the_moment_of_its_own_end_leaves_nothing_running(
    make: Processes, programs: Programs, tmp_path: Path
) -> None:
    for number in range(8):
        program = programs(exit_when=tmp_path / f"exit-{number}")
        process = make(program)
        process.start()
        process.was_ready()
        program.wait_for("listening")
        (tmp_path / f"exit-{number}").touch()
        if number % 2:
            wait_until_ended(*program.pids)
        process.terminate()
        process.kill()
        join_threads()
        assert [pid for pid in program.pids if is_running(pid)] == []


class AtTheLine(logging.Handler):
    """Does something when an end is logged, which is before the next server is started."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act: Callable[[], object] | None = act

    def emit(self, record: logging.LogRecord) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


@pytest.fixture
def at_the_line() -> Iterator[Callable[[Callable[[], object]], None]]:
    handlers: list[AtTheLine] = []

    def add(act: Callable[[], object]) -> None:
        handlers.append(AtTheLine(act))
        logging.getLogger("bridge").addHandler(handlers[-1])

    yield add
    for handler in handlers:
        logging.getLogger("bridge").removeHandler(handler)


def test_a_stop_just_before_it_is_started_again_is_no_failure(
    make: Processes,
    programs: Programs,
    caplog: pytest.LogCaptureFixture,
    at_the_line: Callable[[Callable[[], object]], None],
) -> None:
    program = programs()
    process = make(program)
    process.start()
    process.was_ready()
    program.wait_for("listening")
    at_the_line(process.terminate)
    os.kill(program.pids[0], signal.SIGKILL)
    wait_for_exit(process)
    join_threads()
    process.kill()
    assert (len(caplog.messages), process.is_lost, len(program.records("start"))) == (1, False, 1)


def test_a_new_life_just_before_it_is_started_again_has_one_server(
    make: Processes, programs: Programs, at_the_line: Callable[[Callable[[], object]], None]
) -> None:
    program = programs()
    process = make(program)
    process.start()
    process.was_ready()
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


LEFT_OPEN = """
import json, os, sys
from bridge.proxy.server import OriginProcess

command = json.loads(sys.argv[1])
process = OriginProcess(command, env={})
process.start()
while not process.report and not os.path.exists(sys.argv[2]):
    pass
"""


def test_it_ends_with_the_process_that_started_it(programs: Programs, tmp_path: Path) -> None:
    program = programs(child="idle")
    process = subprocess.Popen(
        [sys.executable, "-Xdev", "-c", LEFT_OPEN, json.dumps(program.command), str(tmp_path / "end")],
        stderr=subprocess.PIPE,
        text=True,
    )
    program.wait_for("listening")
    (tmp_path / "end").touch()
    _, stderr = process.communicate(timeout=30)
    wait_until_ended(*program.pids)
    assert (process.returncode, stderr) == (0, "")


FORKED = """
import json, os, sys
from bridge.proxy.server import OriginProcess

process = OriginProcess(json.loads(sys.argv[1]), env={})
process.start()
while not os.path.exists(sys.argv[2]):
    pass
child = os.fork()
if not child:
    sys.exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), process.has_ended, flush=True)
"""


def test_a_forked_child_does_not_end_it(programs: Programs, tmp_path: Path) -> None:
    program = programs()
    process = subprocess.Popen(
        [sys.executable, "-Wignore", "-c", FORKED, json.dumps(program.command), str(tmp_path / "fork")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    program.wait_for("listening")
    (tmp_path / "fork").touch()
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (0, "5 False\n", "")
    wait_until_ended(*program.pids)
