"""The web server ends and is stopped at the same moment; the processes around it end."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.proxy.programs import Processes, Programs, is_running, join_threads, wait_for_exit, wait_until_ended

pytestmark = pytest.mark.usefixtures("nothing_unclosed")


def test_a_stop_in_the_moment_of_its_own_end_leaves_nothing_running(
    processes: Processes, programs: Programs, tmp_path: Path
) -> None:
    for number in range(8):
        program = programs(exit_when=tmp_path / f"exit-{number}")
        process = processes.start(program, was_ready=True)
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
    processes: Processes,
    programs: Programs,
    caplog: pytest.LogCaptureFixture,
    at_the_line: Callable[[Callable[[], object]], None],
) -> None:
    program = programs()
    process = processes.start(program, was_ready=True)
    program.wait_for("listening")
    at_the_line(process.terminate)
    os.kill(program.pids[0], signal.SIGKILL)
    wait_for_exit(process)
    join_threads()
    process.kill()
    assert (len(caplog.messages), process.is_lost, len(program.records("start"))) == (1, False, 1)


def test_a_new_life_just_before_it_is_started_again_has_one_server(
    processes: Processes, programs: Programs, at_the_line: Callable[[Callable[[], object]], None]
) -> None:
    program = programs()
    process = processes.start(program, was_ready=True)
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
