"""Making a connection: addresses, names, paths, and backlogs that are full."""

import socket
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import anyio
import pytest

from bridge._httpx import httpcore
from bridge.proxy.network import CURRENT_ATTEMPT, Attempt, Network, SocketStream
from bridge.proxy.transport import ConnectionPolicy, SocketTransport
from tests.proxy.origins import LIMIT, OK, OK_ANSWER, Answer, Origin, Peer, answering, make_request, send

anyio_test = pytest.mark.anyio


@contextmanager
def attempt() -> Iterator[Attempt]:
    made = Attempt()
    token = CURRENT_ATTEMPT.set(made)
    try:
        yield made
    finally:
        CURRENT_ATTEMPT.reset(token)


@anyio_test
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[127.0.0.1]"])
async def test_it_connects_to_addresses_and_names(host: str) -> None:
    with Origin(answering(OK)) as origin, attempt() as made:
        async with aclosing(await Network().connect_tcp(host, origin.port)) as stream:
            assert stream.get_extra_info("server_addr")[1] == origin.port
    assert made.connected


@anyio_test
async def test_the_next_address_of_a_name_is_tried_if_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def addresses(host: str, port: int, *, type: int) -> list[tuple[object, ...]]:
        kinds = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kinds, ("127.0.0.1", 1)), (*kinds, ("127.0.0.1", port))]

    monkeypatch.setattr(anyio, "getaddrinfo", addresses)
    with Origin(answering(OK)) as origin:
        async with aclosing(await Network().connect_tcp("app.test", origin.port)) as stream:
            assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)


@anyio_test
async def test_the_last_address_that_refuses_is_the_error() -> None:
    with Origin(answering(OK)) as origin, attempt() as made:
        origin.refuse()
        with pytest.raises(httpcore().ConnectError, match="refused"):
            await Network().connect_tcp("127.0.0.1", origin.port)
    assert not made.connected


@anyio_test
@pytest.mark.parametrize("host", ["", "a b", "nobody.invalid", "x" * 70 + ".test", "caf\u00e9.invalid"])
async def test_a_host_that_is_none_is_a_connect_error(host: str) -> None:
    with pytest.raises(httpcore().ConnectError):
        await Network().connect_tcp(host, 1)


@anyio_test
@pytest.mark.parametrize("path", ["/nowhere/app.sock", "/dev/null", "/" + "x" * 200, "/a\x00b"])
async def test_a_path_without_a_socket_is_a_connect_error(path: str) -> None:
    with pytest.raises(httpcore().ConnectError):
        await Network().connect_unix_socket(path)


@contextmanager
def full_backlog(folder: Path) -> Iterator[tuple[str, socket.socket]]:
    """A UNIX socket that has no room for another connection, until somebody accepts one."""
    path = str(folder / "full.sock")
    waiting = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        try:
            while True:
                sock = socket.socket(socket.AF_UNIX)
                waiting.append(sock)
                sock.setblocking(False)
                try:
                    sock.connect(path)
                except BlockingIOError:
                    break
            yield path, listener
        finally:
            for sock in waiting:
                sock.close()


@anyio_test
async def test_a_full_backlog_is_waited_for(tmp_path: Path) -> None:
    with full_backlog(tmp_path) as (path, listener):
        async with anyio.create_task_group() as group:
            streams: list[SocketStream] = []

            async def connect() -> None:
                streams.append(await Network().connect_unix_socket(path, timeout=LIMIT))

            group.start_soon(connect)
            await anyio.wait_all_tasks_blocked()
            assert streams == []
            listener.accept()[0].close()
        await streams[0].aclose()


@anyio_test
async def test_a_backlog_that_stays_full_is_a_connect_timeout(tmp_path: Path) -> None:
    with full_backlog(tmp_path) as (path, _), pytest.raises(httpcore().ConnectTimeout):
        await Network().connect_unix_socket(path, timeout=0.05)


@anyio_test
@pytest.mark.usefixtures("nothing_unclosed")
async def test_a_connection_attempt_that_is_cancelled_leaves_no_socket(tmp_path: Path) -> None:
    with full_backlog(tmp_path) as (path, _):
        with anyio.move_on_after(0.02) as scope:
            await Network().connect_unix_socket(path)
        assert scope.cancelled_caught


# Event loops


async def ask_twice(transport: SocketTransport) -> list[Answer]:
    return [await send(transport) for _ in range(2)]


@pytest.mark.parametrize("backends", [["asyncio"] * 3, ["trio"] * 3, ["asyncio", "trio", "asyncio"]])
def test_every_event_loop_has_connections_of_its_own_and_those_of_the_last_one_are_closed(backends: list[str]) -> None:
    with Origin(answering(OK)) as origin:
        transport = SocketTransport(port=origin.port, policy=ConnectionPolicy(idle_timeout=60))
        for number, backend in enumerate(backends):
            assert anyio.run(ask_twice, transport, backend=backend) == [OK_ANSWER] * 2
            assert [peer.gone.wait(LIMIT) for peer in origin.peers[:number]] == [True] * number
        anyio.run(transport.aclose)
        assert origin.peers[-1].gone.wait(LIMIT)
        assert origin.connections == len(backends)


def test_a_loop_that_ends_within_a_response_leaves_nothing_to_the_next_one() -> None:
    waiting = threading.Event()

    async def give_up(transport: SocketTransport) -> None:
        with anyio.move_on_after(0.05):
            await send(transport)

    def script(peer: Peer) -> None:
        peer.read_request()
        waiting.wait(LIMIT)
        peer.send(OK)

    with Origin(script) as origin:
        transport = SocketTransport(port=origin.port, policy=ConnectionPolicy(idle_timeout=60))
        anyio.run(give_up, transport)
        waiting.set()
        assert anyio.run(send, transport, make_request()) == OK_ANSWER
        anyio.run(transport.aclose)
        assert origin.connections == 2
