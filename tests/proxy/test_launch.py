"""The start of the web server, before there is an event loop."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.errors import OriginNotStarted, Terminated
from bridge.proxy import launch as launch_module
from bridge.proxy.launch import ended_by_sigterm, launch
from bridge.proxy.process import OriginProcess
from bridge.proxy.settings import OriginSettings
from tests.proxy.programs import Processes, Program, Programs, wait_until_ended

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


def test_a_server_is_launched_once(make: Processes, programs: Programs) -> None:
    program = programs()
    process = make(program)
    assert not process.is_started
    for _ in range(2):
        launch(process, OriginSettings(port=program.port))
        program.wait_for("listening")
    assert (process.is_started, len(program.records("start"))) == (True, 1)
    process.end()
    process.end()
    assert not process.is_started


def test_an_address_in_use_is_an_error_that_names_it(
    make: Processes, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_module, "PORT_GRACE", 0.05)
    uds = str(tmp_path / "s")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(uds)
        unix.listen()
        port = tcp.getsockname()[1]
        for settings, address in [
            (OriginSettings(port=port), f"http://127.0.0.1:{port} "),
            (OriginSettings(uds=uds), f"unix:{uds} "),
            (OriginSettings(uds=str(tmp_path / "free"), readiness_port=port), f"http://127.0.0.1:{port} "),
        ]:
            process = make(programs())
            with pytest.raises(OriginNotStarted, match=f"listens at {address}"):
                launch(process, settings)
            assert not process.is_started


def test_an_address_that_becomes_free_is_waited_for(make: Processes, programs: Programs) -> None:
    program = programs()
    listener = socket.create_server(("127.0.0.1", program.port))

    def accept_once() -> None:
        listener.accept()[0].close()
        listener.close()

    thread = threading.Thread(target=accept_once)
    thread.start()
    launch(make(program), OriginSettings(port=program.port))
    thread.join(30)
    program.wait_for("listening")


def start_and_fail(process: OriginProcess, program: Program, fail: Callable[[], object]) -> None:
    with ended_by_sigterm(process):
        process.start()
        program.wait_for("child")
        fail()


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def divide() -> None:
    raise ZeroDivisionError


def test_sigterm_and_errors_in_the_block_end_the_server(make: Processes, programs: Programs) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    failures: list[tuple[Callable[[], None], type[BaseException]]]
    failures = [(terminate, Terminated), (divide, ZeroDivisionError)]
    try:
        for fail, error in failures:
            program = programs(child="idle")
            with pytest.raises(error):
                start_and_fail(make(program), program, fail)
            wait_until_ended(*program.pids)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_sigterm_handler_of_the_application_stays(make: Processes, programs: Programs) -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with ended_by_sigterm(make(programs())):
            terminate()
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
