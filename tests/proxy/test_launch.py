"""The start of the web server, before there is an event loop."""

import socket
import threading
from pathlib import Path

import pytest

from bridge.errors import OriginNotStarted
from bridge.proxy import launch as launch_module
from bridge.proxy.launch import launch
from bridge.proxy.settings import OriginSettings
from tests.proxy.programs import Processes, Programs

pytestmark = pytest.mark.usefixtures("nothing_unclosed")


def test_a_server_is_launched_once(processes: Processes, programs: Programs) -> None:
    program = programs()
    process = processes(program)
    assert not process.is_started
    for _ in range(2):
        launch(process, OriginSettings(port=program.port))
        program.wait_for("listening")
    assert (process.is_started, len(program.records("start"))) == (True, 1)
    process.end()
    process.end()
    assert not process.is_started


def test_an_address_in_use_is_an_error_that_names_it(
    processes: Processes, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_module, "PORT_GRACE", 0.05)
    uds = str(tmp_path / "s")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(uds)
        unix.listen()
        port = tcp.getsockname()[1]
        for settings, address, argument in [
            (OriginSettings(port=port), f"http://127.0.0.1:{port} ", "port"),
            (OriginSettings(uds=uds), f"unix:{uds} ", "uds"),
            (OriginSettings(uds=f"{uds}2", readiness_port=port), f"http://127.0.0.1:{port} ", "readiness_port"),
        ]:
            process = processes(programs())
            with pytest.raises(OriginNotStarted, match=rf"listens at {address}.* with the argument {argument} "):
                launch(process, settings)
            assert not process.is_started


def test_an_address_that_becomes_free_is_waited_for(processes: Processes, programs: Programs) -> None:
    program = programs()
    listener = socket.create_server(("127.0.0.1", program.port))

    def accept_once() -> None:
        listener.accept()[0].close()
        listener.close()

    thread = threading.Thread(target=accept_once)
    thread.start()
    launch(processes(program), OriginSettings(port=program.port))
    thread.join(30)
    program.wait_for("listening")
