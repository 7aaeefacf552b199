"""How many connections there are, what they carry, and what becomes of them after a restore."""

import threading
from contextlib import aclosing

import anyio
import pytest

from bridge.proxy.transport import ConnectionPolicy
from tests.proxy.origins import (
    OK,
    OK_ANSWER,
    Answer,
    Ask,
    Origin,
    Peer,
    answering,
    both_networks,
    make_request,
    parts_of,
    response,
    seen,
    send,
    stream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

SIX_MB = b"".join(b"%07d\n" % number for number in range(786_432))

both_ways = pytest.mark.parametrize("ask", [send, stream])


@pytest.mark.parametrize("idle_timeout", [0, 4])
@both_networks
async def test_200_concurrent_requests_with_bodies_stay_apart(network: str, idle_timeout: float) -> None:
    all_here = threading.Barrier(200)

    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            all_here.wait(20)
            peer.send(response(request.line + b"|" + request.body, b"x-n: " + request.values(b"x-n")[0]))

    found: dict[int, Answer] = {}

    async def ask(number: int) -> None:
        headers = [(b"host", b"app.test"), (b"x-n", b"%d" % number)]
        ask_for = (send, stream)[number % 2]
        request = make_request("POST", b"/%d" % number, headers, b"%d," % number * number)
        found[number] = await ask_for(transport, request)

    with Origin(script, network) as origin:
        async with aclosing(origin.transport(idle_timeout=idle_timeout)) as transport:
            for _ in range(2):
                async with anyio.create_task_group() as group:
                    for number in range(1, 201):
                        group.start_soon(ask, number)
                for number, answer in found.items():
                    body = b"POST /%d HTTP/1.1|" % number + b"%d," % number * number
                    expected = [(b"content-length", b"%d" % len(body)), (b"x-n", b"%d" % number)]
                    assert answer == Answer(200, expected, body)
                assert len(found) == 200
                found.clear()
    # httpcore opens some more: it gives an idle connection to two requests, and one of them finds it taken.
    assert origin.connections in (range(200, 400) if idle_timeout else [400])


@both_networks
@both_ways
async def test_without_idle_time_every_request_has_a_connection_of_its_own(ask: Ask, network: str) -> None:
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport(idle_timeout=0)) as transport:
            for number in range(1, 51):
                assert await ask(transport) == OK_ANSWER
                await seen((await origin.peer(number - 1)).gone)
                assert origin.connections == number


@both_networks
@both_ways
async def test_with_a_pool_one_connection_serves_them_all(ask: Ask, network: str) -> None:
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            for _ in range(50):
                assert await ask(transport) == OK_ANSWER
            assert not origin.peers[0].gone.is_set()
        await seen((await origin.peer(0)).gone)
    assert (origin.connections, len(origin.requests)) == (1, 50)


@pytest.mark.parametrize(
    "wire",
    [
        response(b"ok", b"connection: close"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_may_not_be_used_again_is_closed(wire: bytes) -> None:
    with Origin(answering(wire)) as origin:
        async with aclosing(origin.transport()) as transport:
            for number in range(3):
                assert (await send(transport)).body == b"ok"
                await seen((await origin.peer(number)).gone)
    assert origin.connections == 3


@pytest.mark.parametrize(
    ("method", "wire"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK),
        ("CUSTOM", b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
    ],
)
@both_ways
async def test_a_connection_survives_every_way_to_end_a_response(ask: Ask, method: str, wire: bytes) -> None:
    with Origin(answering(wire)) as origin:
        async with aclosing(origin.transport()) as transport:
            for _ in range(3):
                await ask(transport, make_request(method))
    assert origin.connections == 1


async def test_an_idle_connection_that_the_web_server_closed_is_not_used() -> None:
    closing = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.close()
        closing.set()

    with Origin(script) as origin:
        async with aclosing(origin.transport()) as transport:
            for _ in range(5):
                assert await send(transport, make_request("POST", body=b"once")) == OK_ANSWER
                await seen(closing)
                closing.clear()
    assert (origin.connections, len(origin.requests)) == (5, 5)


@both_networks
async def test_after_a_restore_the_pool_is_left_alone_and_every_request_connects_anew(network: str) -> None:
    restored = False
    both_here = threading.Barrier(2)

    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            if peer.number < 3 and not restored:
                both_here.wait(20)
            peer.send(OK)

    with Origin(script, network) as origin:
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


async def test_a_response_that_began_before_a_restore_is_read_to_its_end() -> None:
    restored = False
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK[:-1])
        assert go_on.wait(20)
        peer.send(OK[-1:])
        peer.wait_until_gone()

    with Origin(script) as origin:
        async with aclosing(origin.transport(restored=lambda: restored)) as transport:
            first = await transport.handle_async_request(make_request())
            restored = True
            go_on.set()
            assert await send(transport) == OK_ANSWER
            assert b"".join([part async for part in parts_of(first)]) == b"ok"
            await first.aclose()
            await seen((await origin.peer(1)).gone)
            assert not origin.peers[0].gone.is_set()
        await seen((await origin.peer(0)).gone)


def test_the_policy_asks_whether_there_was_a_restore_only_where_it_matters() -> None:
    asked = []

    def restored() -> bool:
        asked.append(1)
        return len(asked) > 1

    policy = ConnectionPolicy(idle_timeout=4, restored=restored)
    assert [policy.may_reuse(), policy.may_reuse()] == [True, False]
    assert ConnectionPolicy(idle_timeout=0).may_reuse() is False
    assert ConnectionPolicy(idle_timeout=0.5).may_reuse() is True
