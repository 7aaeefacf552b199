"""How many connections there are, what they carry, and what becomes of them after a restore."""

import threading
from contextlib import aclosing

import anyio
import pytest

from bridge.proxy.transport import SocketTransport
from tests.logged import assert_logged
from tests.proxy.origins import (
    LIMIT,
    OK,
    OK_ANSWER,
    Answer,
    Origin,
    Peer,
    answering,
    both_loops,
    both_networks,
    make_request,
    response,
    seen,
    send,
    serving,
    stream,
)

anyio_test = pytest.mark.anyio
pytestmark = pytest.mark.usefixtures("nothing_unclosed")


@anyio_test
@pytest.mark.parametrize("idle_timeout", [0, 4])
async def test_50_concurrent_requests_with_bodies_stay_apart(idle_timeout: float) -> None:
    all_here = threading.Barrier(50)

    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            all_here.wait(LIMIT)
            peer.send(response(request.line + b"|" + request.body, b"x-n: " + request.values(b"x-n")[0]))

    found: dict[int, Answer] = {}

    async def ask(number: int) -> None:
        headers = [(b"host", b"app.test"), (b"x-n", b"%d" % number)]
        ask_for = (send, stream)[number % 2]
        request = make_request("POST", b"/%d" % number, headers, b"%d," % number * number)
        found[number] = await ask_for(transport, request)

    async with serving(script, idle_timeout=idle_timeout) as (origin, transport):
        for _ in range(2):
            async with anyio.create_task_group() as group:
                for number in range(1, 51):
                    group.start_soon(ask, number)
            for number, answer in found.items():
                body = b"POST /%d HTTP/1.1|" % number + b"%d," % number * number
                expected = [(b"content-length", b"%d" % len(body)), (b"x-n", b"%d" % number)]
                assert answer == Answer(200, expected, body)
            assert len(found) == 50
            found.clear()
    # httpcore opens some more: it gives an idle connection to two requests, and one of them finds it taken.
    assert origin.connections in (range(50, 100) if idle_timeout else [100])


@anyio_test
@both_networks
async def test_without_idle_time_every_request_has_a_connection_of_its_own(network: str) -> None:
    async with serving(answering(OK), network, idle_timeout=0) as (origin, transport):
        for number, ask in enumerate([send, stream] * 3):
            assert await ask(transport) == OK_ANSWER
            await seen((await origin.peer(number)).gone)
            assert origin.connections == number + 1


@anyio_test
@both_networks
@both_loops
async def test_with_a_pool_one_connection_serves_them_all(network: str) -> None:
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            for ask in [send, stream] * 10:
                assert await ask(transport) == OK_ANSWER
            assert not origin.peers[0].gone.is_set()
        await seen((await origin.peer(0)).gone)
    assert (origin.connections, len(origin.requests)) == (1, 20)


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@anyio_test
async def test_a_connection_survives_every_way_to_end_a_response() -> None:
    for method, wire in (
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", CHUNKED + b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK),
    ):
        async with serving(answering(wire)) as (origin, transport):
            for ask in (send, stream, send):
                await ask(transport, make_request(method))
        assert origin.connections == 1, wire


@anyio_test
async def test_a_connection_that_may_not_be_used_again_is_closed() -> None:
    for wire in (
        response(b"ok", b"connection: close"),
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        OK + b"surplus",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + OK,
    ):
        async with serving(answering(wire)) as (origin, transport):
            for number, ask in enumerate((send, stream, send)):
                assert (await ask(transport)).body == b"ok"
                await seen((await origin.peer(number)).gone)
        assert origin.connections == 3, wire


@anyio_test
async def test_a_surplus_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(answering(OK + b"surplus")) as (_origin, transport):
        assert await send(transport) == OK_ANSWER
    assert_logged(caplog, ("WARNING", "sent more than its response announced"))


@anyio_test
async def test_what_comes_late_after_a_response_never_answers_the_next_request() -> None:
    read, sent = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        if peer.number == 1:
            assert read.wait(LIMIT)
            peer.send(response(b"stolen"))
            sent.set()
            peer.wait_until_gone()

    async with serving(script) as (origin, transport):
        assert await send(transport) == OK_ANSWER
        read.set()
        await seen(sent)
        assert await send(transport, make_request("POST", body=b"once")) == OK_ANSWER
    assert (origin.connections, len(origin.requests)) == (2, 2)


@anyio_test
async def test_after_a_restore_the_pool_is_left_alone_and_every_request_connects_anew() -> None:
    restored = False
    both_here = threading.Barrier(2)

    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            if peer.number < 3 and not restored:
                both_here.wait(LIMIT)
            peer.send(OK)

    with Origin(script) as origin:
        transport = origin.transport(restored=lambda: restored)
        async with aclosing(transport):
            async with anyio.create_task_group() as group:
                group.start_soon(send, transport)
                group.start_soon(send, transport)
            old = origin.peers[:2]
            bytes_before = [bytes(peer.received) for peer in old]

            restored = True
            for number in range(3, 8):
                assert await send(transport, make_request("POST", body=b"new")) == OK_ANSWER
                await seen((await origin.peer(number - 1)).gone)
                assert origin.connections == number

            assert [peer.gone.is_set() for peer in old] == [False, False]
            assert [bytes(peer.received) for peer in old] == bytes_before
        for peer in old:
            await seen(peer.gone)
        assert [bytes(peer.received) for peer in old] == bytes_before


# Event loops


async def ask_twice(transport: SocketTransport) -> list[Answer]:
    return [await send(transport) for _ in range(2)]


@pytest.mark.parametrize("backends", [["asyncio"] * 3, ["asyncio", "trio", "asyncio"]])
def test_every_event_loop_has_connections_of_its_own_and_those_of_the_last_one_are_closed(backends: list[str]) -> None:
    with Origin(answering(OK)) as origin:
        transport = SocketTransport(port=origin.port, idle_timeout=60)
        for number, backend in enumerate(backends):
            assert anyio.run(ask_twice, transport, backend=backend) == [OK_ANSWER] * 2
            assert [peer.gone.wait(LIMIT) for peer in origin.peers[:number]] == [True] * number
        anyio.run(transport.aclose)
        assert origin.peers[-1].gone.wait(LIMIT)
        assert origin.connections == len(backends)
