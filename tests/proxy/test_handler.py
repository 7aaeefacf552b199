"""A web server as a Lambda handler: what it is given, how it ends, and many requests at once."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge import Proxy
from bridge.errors import ConfigurationError, LoopClosedError, OriginLost
from tests.proxy.programs import Programs, Proxies, is_running, join_threads, wait_until, wait_until_ended

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Logged = Callable[[], list[tuple[int, str]]]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    yield made
    made.end()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxies]:
    monkeypatch.setattr("bridge.proxy.server.EXIT_NOTICE", 2.0)  # on a busy machine too an end is noticed in time
    made = Proxies()
    yield made
    made.end()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    return lambda: [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "bridge"]


def answered(result: Event) -> Any:
    """What the program says about the request that it got."""
    assert result["statusCode"] == 200, result
    return json.loads(result["body"])


# What the constructor takes.


@pytest.mark.parametrize("command", ["gunicorn shop.wsgi", b"gunicorn", [], (), 5, {"gunicorn"}])
def test_a_command_is_a_list(command: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^Expected the command as a list, such as "):
        Proxy(command)


@pytest.mark.parametrize(
    ("arguments", "ways"),
    [
        ({"url": "http://127.0.0.1:1", "port": 2}, "url as well as host and port"),
        ({"url": "http://127.0.0.1:1", "host": "localhost"}, "url as well as host and port"),
        ({"url": "http://127.0.0.1:1", "uds": "/tmp/s"}, "url as well as uds"),
        ({"uds": "/tmp/s", "port": 2}, "host and port as well as uds"),
        ({"url": "http://127.0.0.1:1", "port": 0}, "url as well as host and port"),
    ],
)
def test_two_addresses_are_an_error(arguments: Any, ways: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Proxy(**arguments)
    assert str(caught.value) == f"Expected one address for the web server, but got {ways}."


@pytest.mark.parametrize(
    "arguments", [{"port": 0}, {"host": ""}, {"uds": ""}, {"uds": "app.sock"}, {"url": ""}, {"readiness_port": 0}]
)
def test_an_address_that_makes_no_sense_is_an_error(arguments: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^The setting (port|host|uds|url|readiness_port)"):
        Proxy(**arguments)


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ({}, "http://127.0.0.1:7001"),
        ({"port": 7002}, "http://127.0.0.1:7002"),
        ({"host": "::1"}, "http://[::1]:7001"),
        ({"uds": "/tmp/a.sock"}, "unix:/tmp/a.sock"),
        ({"url": "unix:/tmp/a.sock"}, "unix:/tmp/a.sock"),
        ({"url": "http://localhost"}, "http://localhost:80"),
    ],
)
def test_an_argument_beats_the_environment(monkeypatch: pytest.MonkeyPatch, arguments: Any, address: str) -> None:
    monkeypatch.setenv("AWS_LWA_PORT", "7001")
    assert str(Proxy(**arguments)._forwarder.origin.settings.address) == address


@pytest.mark.parametrize("arguments", [{"port": 7002}, {"host": "127.0.0.1"}, {"url": "http://127.0.0.1:7002"}])
def test_an_address_on_the_network_beats_a_socket_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, arguments: Any
) -> None:
    monkeypatch.setenv("BRIDGE_UDS", "/tmp/b.sock")
    assert Proxy(**arguments)._forwarder.origin.settings.address.uds is None


def test_a_variable_that_means_nothing_is_told(monkeypatch: pytest.MonkeyPatch, logged: Logged) -> None:
    monkeypatch.setenv("AWS_LWA_REDINESS_CHECK_PATH", "/health")
    Proxy()
    assert logged() == [
        (logging.WARNING, "AWS_LWA_REDINESS_CHECK_PATH is set, but means nothing here: is it spelt right?")
    ]


# What the server is given.


def test_nothing_is_started_before_the_first_request(make: Proxies, programs: Programs, make_event: MakeEvent) -> None:
    program = programs()
    handler = make(program)
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


def test_the_server_finds_its_port_and_no_lambda_runtime(
    make: Proxies, programs: Programs, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("COLOUR", "blue")
    program = programs()
    make(program)(make_event(), None)
    environ = program.records("start")[0]["environ"]
    expected = dict(os.environ) | {"PORT": str(program.port)}
    assert {name: environ.get(name) for name in expected} == expected
    assert "AWS_LAMBDA_RUNTIME_API" not in environ


def test_a_server_on_a_unix_socket_answers_there(
    make: Proxies, programs: Programs, make_event: MakeEvent, tmp_path: Path
) -> None:
    uds = str(tmp_path / "s")
    handler = make(programs(uds=uds), port=None, uds=uds)
    assert answered(handler(make_event(path="/over"), None))["target"] == "/over"


def test_one_that_something_else_has_started_is_left_alone(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    program = programs()
    make(program)(make_event(), None)
    handler = Proxy(url=program.url)
    assert handler(make_event(path="/again"), None)["statusCode"] == 200
    handler.close()
    assert is_running(program.pids[0])


def test_parts_of_a_command_may_be_paths(make: Proxies, programs: Programs, make_event: MakeEvent) -> None:
    program = programs()
    command: list[Any] = [Path(program.command[0]), *program.command[1:]]
    program.command = command
    assert make(program)(make_event(), None)["statusCode"] == 200


# How it ends.


def test_close_ends_the_server_and_all_that_it_has_started(
    make: Proxies, programs: Programs, make_event: MakeEvent, logged: Logged
) -> None:
    program = programs(child="idle")
    handler = make(program)
    handler(make_event(), None)
    handler.close()
    handler.close()
    wait_until_ended(*program.pids)
    join_threads()
    assert (len(program.records("start")), logged()) == (1, [])
    with pytest.raises(LoopClosedError):
        handler(make_event(), None)


def test_close_ends_a_server_that_a_call_in_async_code_has_started(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    program = programs()
    handler = make(program)
    asyncio.run(handler.handle(make_event(), None))
    handler.close()
    wait_until_ended(*program.pids)


@pytest.mark.parametrize("again", ["asyncio", "trio"])
@pytest.mark.parametrize("first", ["asyncio", "trio"])
def test_a_server_and_its_connections_outlive_event_loops(
    make: Proxies, programs: Programs, make_event: MakeEvent, first: str, again: str
) -> None:
    program = programs()
    handler = make(program)

    async def call() -> Any:
        return answered(await handler.handle(make_event(path="/here"), None))

    assert anyio.run(call, backend=first)["target"] == "/here"
    assert anyio.run(call, backend=again)["target"] == "/here"
    assert answered(handler(make_event(path="/own"), None))["target"] == "/own"
    assert len(program.records("start")) == 1


def test_a_server_that_was_ended_by_one_block_is_started_by_the_next(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    program = programs()
    handler = make(program)

    async def serve() -> None:
        async with handler:
            assert (await handler.handle(make_event(), None))["statusCode"] == 200
        wait_until_ended(*program.pids)

    for number, backend in enumerate(["asyncio", "trio", "asyncio"], start=1):
        anyio.run(serve, backend=backend)
        assert len(program.records("start")) == number


def test_the_block_of_another_loop_than_the_first_calls_ends_the_server(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    program = programs()
    handler = make(program)
    handler(make_event(), None)

    async def leave() -> None:
        async with handler:
            pass

    asyncio.run(leave())
    wait_until_ended(*program.pids)


def test_a_close_while_the_server_ends_by_itself_leaves_nothing_running(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    for number in range(6):
        program = programs()
        handler = make(program)
        handler(make_event(), None)
        os.kill(program.pids[0], signal.SIGTERM)
        if number % 2:
            wait_until_ended(*program.pids)
        handler.close()
        join_threads()
        assert [pid for pid in program.pids if is_running(pid)] == []


# Many at once.


def test_threads_share_one_server(make: Proxies, programs: Programs, make_event: MakeEvent) -> None:
    program = programs()
    handler = make(program)

    def call(number: int) -> Any:
        return answered(handler(make_event("POST", f"/{number}", body=str(number)), None))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(call, range(80)))
    assert [(answer["target"], answer["body"]) for answer in answers] == [(f"/{n}", str(n)) for n in range(80)]
    assert len(program.records("start")) == 1


def test_threads_with_a_loop_each_share_one_server(make: Proxies, programs: Programs, make_event: MakeEvent) -> None:
    program = programs()
    handler = make(program)
    asyncio.run(handler.handle(make_event(), None))

    async def calls(first: int) -> list[Any]:
        with anyio.fail_after(20):
            return [
                answered(await handler.handle(make_event("POST", f"/{number}", body=str(number)), None))
                for number in range(first, first + 40)
            ]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda first: asyncio.run(calls(first)), range(0, 160, 40)))
    bodies = [(answer["target"], answer["body"]) for part in answers for answer in part]
    assert bodies == [(f"/{number}", str(number)) for number in range(160)]
    asyncio.run(handler._environment.stop())


@pytest.mark.anyio
async def test_requests_at_once_on_one_loop_stay_apart(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    handler = make(programs())
    bodies: dict[int, str] = {}

    async def call(number: int) -> None:
        result = await handler.handle(make_event("POST", "/", body=f"body {number}"), None)
        bodies[number] = answered(result)["body"]

    async with handler, anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(call, number)
    assert bodies == {number: f"body {number}" for number in range(50)}


def test_every_thread_learns_that_the_server_is_lost(make: Proxies, programs: Programs, make_event: MakeEvent) -> None:
    program = programs()
    handler = make(program)
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
        thread.join(20)
    assert outcomes == ["lost"] * len(threads)
