"""A web server as a Lambda handler: arguments, the server's environment, its end, concurrent requests."""

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge import Proxy
from bridge.errors import ConfigurationError, LoopClosedError, OriginLost, OriginNotStarted
from tests.cases import every_case
from tests.logged import assert_logged
from tests.proxy.programs import (
    MakeEvent,
    Programs,
    Proxies,
    Serve,
    answered,
    is_running,
    join_threads,
    wait_until,
    wait_until_ended,
)

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

URL = "http://127.0.0.1:1"


# The arguments.


def test_a_command_is_a_list() -> None:
    commands: list[Any] = ["gunicorn shop.wsgi", b"gunicorn", [], (), 5, {"gunicorn"}]
    for command in commands:
        with pytest.raises(ConfigurationError, match=r"^Expected the command as a list, such as "):
            Proxy(command)


@every_case(
    ("arguments", "refusal"),
    [
        ({"url": URL, "port": 2}, "got url as well as host and port"),
        ({"url": URL, "host": "localhost"}, "got url as well as host and port"),
        ({"url": URL, "port": 0}, "got url as well as host and port"),
        ({"url": URL, "uds": "/tmp/s"}, "got url as well as uds"),
        ({"uds": "/tmp/s", "port": 2}, "got host and port as well as uds"),
        ({"port": 0}, "^The setting port"),
        ({"host": ""}, "^The setting host"),
        ({"uds": ""}, "^The setting uds"),
        ({"uds": "app.sock"}, "^The setting uds"),
        ({"url": ""}, "^The setting url"),
    ],
)
def test_two_addresses_and_an_invalid_one_are_errors(arguments: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ConfigurationError, match=refusal):
        Proxy(**arguments)


def test_an_argument_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LWA_PORT", "7001")
    addresses: list[tuple[dict[str, Any], str]] = [
        ({}, "http://127.0.0.1:7001"),
        ({"port": 7002}, "http://127.0.0.1:7002"),
        ({"host": "::1"}, "http://[::1]:7001"),
        ({"uds": "/tmp/a.sock"}, "unix:/tmp/a.sock"),
        ({"url": "unix:/tmp/a.sock"}, "unix:/tmp/a.sock"),
        ({"url": "http://localhost"}, "http://localhost:80"),
    ]
    for arguments, address in addresses:
        assert str(Proxy(**arguments)._forwarder.origin.settings.address) == address
    monkeypatch.setenv("BRIDGE_UDS", "/tmp/b.sock")
    on_the_network: list[dict[str, Any]] = [{"port": 7002}, {"host": "127.0.0.1"}, {"url": "http://127.0.0.1:7002"}]
    for arguments in on_the_network:
        assert Proxy(**arguments)._forwarder.origin.settings.address.uds is None


@every_case(
    ("arguments", "environ", "expected"),
    [
        ({}, {}, "the argument port or the variable AWS_LWA_PORT"),
        ({}, {"AWS_LWA_PORT": "7001"}, "the argument port or the variable AWS_LWA_PORT"),
        ({}, {"PORT": "7001"}, "the argument port or the variable AWS_LWA_PORT"),  # which beats PORT
        ({"host": "localhost"}, {}, "the argument port or the variable AWS_LWA_PORT"),
        ({"port": 7001}, {}, "the argument port"),
        ({"port": 7001}, {"AWS_LWA_PORT": "7002", "BRIDGE_UDS": "/tmp/s"}, "the argument port"),
        ({"url": URL}, {}, "the argument url"),
        ({"url": "unix:/tmp/s"}, {"BRIDGE_UDS": "/tmp/t"}, "the argument url"),
        ({"uds": "/tmp/s"}, {}, "the argument uds"),
        ({}, {"BRIDGE_UDS": "/tmp/s", "AWS_LWA_PORT": "7001"}, "the argument uds or the variable BRIDGE_UDS"),
    ],
)
def test_the_advice_for_another_address_has_an_effect(
    arguments: dict[str, Any], environ: dict[str, str], expected: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        assert Proxy(**arguments)._forwarder.origin.settings.how_to_set_address == expected


def test_a_variable_without_an_effect_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_LWA_REDINESS_CHECK_PATH", "/health")
    Proxy()
    assert_logged(caplog, ("WARNING", "AWS_LWA_REDINESS_CHECK_PATH"))


# The server's start.


def test_nothing_is_started_before_the_first_request(serve: Serve, make_event: MakeEvent) -> None:
    program, handler = serve()
    assert program.records("start") == []
    assert answered(handler(make_event("POST", "/a%2Fb", rawQueryString="x=%20", body="hi"), None)) == {
        "method": "POST",
        "target": "/a%2Fb?x=%20",
        "headers": program.records("request")[1]["headers"],
        "body": "hi",
        "connection": 1,
    }
    assert program.targets == ["GET /health", "POST /a%2Fb?x=%20"]
    assert len(program.records("start")) == 1


def test_a_start_that_failed_is_tried_again_with_the_next_request(
    programs: Programs, proxies: Proxies, make_event: MakeEvent, tmp_path: Path
) -> None:
    program = programs()
    link = tmp_path / "python"
    program.command[0] = str(link)
    handler = proxies(program)
    for _ in range(2):
        with pytest.raises(OriginNotStarted, match="could not be started"):
            handler(make_event(), None)
    link.symlink_to(sys.executable)
    assert answered(handler(make_event(), None))["target"] == "/"
    assert len(program.records("start")) == 1


def test_the_server_finds_its_port_and_no_lambda_runtime(
    serve: Serve, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("COLOUR", "blue")
    program, handler = serve()
    handler(make_event(), None)
    environ = program.records("start")[0]["environ"]
    expected = dict(os.environ) | {"PORT": str(program.port)}
    assert {name: environ.get(name) for name in expected} == expected
    assert "AWS_LAMBDA_RUNTIME_API" not in environ


def test_a_server_on_a_unix_socket_answers_there(
    proxies: Proxies, programs: Programs, make_event: MakeEvent, tmp_path: Path
) -> None:
    uds = str(tmp_path / "s")
    handler = proxies(programs(uds=uds), port=None, uds=uds)
    assert answered(handler(make_event(path="/over"), None))["target"] == "/over"


def test_one_that_something_else_has_started_is_left_alone(serve: Serve, make_event: MakeEvent) -> None:
    program, handler = serve()
    handler(make_event(), None)
    second = Proxy(url=program.url)
    assert second(make_event(path="/again"), None)["statusCode"] == 200
    second.close()
    assert is_running(program.pids[0])


# Its end.


def test_close_ends_the_server_and_all_that_it_has_started(
    serve: Serve, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    program, handler = serve(child="idle")
    handler(make_event(), None)
    handler.close()
    handler.close()
    wait_until_ended(*program.pids)
    join_threads()
    assert (len(program.records("start")), caplog.messages) == (1, [])
    with pytest.raises(LoopClosedError):
        handler(make_event(), None)


def test_a_server_and_its_connections_outlive_event_loops(serve: Serve, make_event: MakeEvent) -> None:
    program, handler = serve()

    async def call() -> Any:
        return answered(await handler.handle(make_event(path="/here"), None))

    for backend in ("asyncio", "asyncio", "trio", "asyncio"):
        assert anyio.run(call, backend=backend)["target"] == "/here"
    assert answered(handler(make_event(path="/own"), None))["target"] == "/own"
    assert len(program.records("start")) == 1


def test_the_block_of_another_loop_than_the_first_calls_ends_the_server(serve: Serve, make_event: MakeEvent) -> None:
    program, handler = serve()
    handler(make_event(), None)

    async def leave() -> None:
        async with handler:
            pass

    asyncio.run(leave())
    wait_until_ended(*program.pids)


# Concurrent requests.


def test_threads_with_a_loop_each_share_one_server(serve: Serve, make_event: MakeEvent) -> None:
    _, handler = serve()
    asyncio.run(handler.handle(make_event(), None))

    async def calls(first: int) -> list[Any]:
        with anyio.fail_after(30):
            return [
                answered(await handler.handle(make_event("POST", f"/{number}", body=str(number)), None))
                for number in range(first, first + 40)
            ]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda first: asyncio.run(calls(first)), range(0, 160, 40)))
    bodies = [(answer["target"], answer["body"]) for part in answers for answer in part]
    assert bodies == [(f"/{number}", str(number)) for number in range(160)]
    asyncio.run(handler._environment.stop())


def test_every_thread_learns_that_the_server_is_lost(serve: Serve, make_event: MakeEvent) -> None:
    program, handler = serve()
    assert handler(make_event(path="/exit/1"), None)["statusCode"] == 502
    handler(make_event(), None)
    outcomes: list[object] = []

    def call() -> None:
        try:
            # On a loop of its own: calls on the handler's loop take turns.
            outcomes.append(asyncio.run(handler.handle(make_event(path="/hang"), None))["statusCode"])
        except OriginLost:
            outcomes.append("lost")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: program.targets.count("GET /hang") == len(threads))
    os.kill(program.pids[1], signal.SIGKILL)
    for thread in threads:
        thread.join(30)
    assert outcomes == ["lost"] * len(threads)
