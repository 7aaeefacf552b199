"""How many connections there are, what they carry, and what becomes of them after a restore."""

import threading
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from importlib import import_module
from itertools import product
from types import SimpleNamespace

import anyio
import pytest

from bridge._httpx import httpcore, httpx
from bridge.proxy.transport import SocketTransport
from bridge.snapstart import RestoreWatch
from tests.logged import assert_logged
from tests.proxy.origins import (
    LIMIT,
    OK,
    OK_ANSWER,
    Answer,
    Origin,
    Peer,
    Script,
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

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


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


@both_networks
async def test_without_idle_time_every_request_has_a_connection_of_its_own(network: str) -> None:
    async with serving(answering(OK), network, idle_timeout=0) as (origin, transport):
        for number, ask in enumerate([send, stream] * 3):
            assert await ask(transport) == OK_ANSWER
            await seen((await origin.peer(number)).gone)
            assert origin.connections == number + 1


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


async def test_a_connection_that_may_not_be_used_again_is_closed(caplog: pytest.LogCaptureFixture) -> None:
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
    line = ("WARNING", "GET /: ", "sent more than its response announced")
    assert_logged(caplog, *[line] * 6)  # two of them, three times


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
async def test_every_event_loop_has_connections_of_its_own_and_those_of_the_last_one_are_closed(
    backends: list[str],
) -> None:
    with Origin(answering(OK)) as origin:
        transport = origin.transport(idle_timeout=60)
        for number, backend in enumerate(backends):
            run = partial(anyio.run, ask_twice, transport, backend=backend)
            assert await anyio.to_thread.run_sync(run) == [OK_ANSWER] * 2
            for peer in origin.peers[:number]:
                await seen(peer.gone)
        await transport.aclose()
        await seen(origin.peers[-1].gone)
        assert origin.connections == len(backends)


# The fault that pooling has after a restore: a connection that died with the snapshot looks fresh.
#
# httpcore ages idle connections on the monotonic clock, as hyper does (awslabs/aws-lambda-web-adapter#671). A restore
# makes that clock inconsistent, so the age of a dead connection may be computed as zero. httpcore also checks whether
# an idle socket has become readable; that does not catch the origins here.


POOL_IDLE_TIMEOUT = 4.0


class Clocks:
    """The two clocks of this process."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.monotonic = 5_000.0

    def jump(self, *, wall: float, monotonic: float) -> None:
        self.wall += wall
        self.monotonic += monotonic


# The progress of the wall clock and the monotonic clock while the process does not run. After each of them an idle
# connection's age, on the monotonic clock, is below the 4 s that the pool keeps it.
INCONSISTENT = [(600, 0), (600, 1), (600, -4_000), (-600, -4_000), (-600, 0.5), (0, -4_000), (0.5, -0.1)]


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Return the clocks, for httpcore alone."""
    clocks = Clocks()
    module = import_module(f"{httpcore().__name__}._async.http11")
    assert hasattr(module.time, "monotonic")
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clocks.monotonic))
    return clocks


def drops(peer: Peer) -> None:
    """Close a connection as expired when its next request arrives."""
    peer.read_request()


def resets(peer: Peer) -> None:
    """Answer such a request with a reset."""
    peer.read_request()
    peer.reset()


def vanishes(peer: Peer) -> None:
    """Vanish without closing."""
    peer._origin.ended.wait(LIMIT)


def stale(fail: Callable[[Peer], None]) -> Script:
    """Serve each connection's first request well, and do this on the first connection after that."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        if peer.number == 1:
            fail(peer)
        else:
            peer.wait_until_gone()

    return script


CASES = list(product((drops, resets, vanishes), INCONSISTENT))


def once() -> httpx.Request:
    """Return a request that must not be repeated."""
    return make_request("POST", body=b"once", timeout=LIMIT)


def ours(origin: Origin, clocks: Clocks) -> SocketTransport:
    watch = RestoreWatch(wall=lambda: clocks.wall, monotonic=lambda: clocks.monotonic)
    return origin.transport(idle_timeout=POOL_IDLE_TIMEOUT, restored=watch.check)


async def test_stock_httpx_sends_a_request_on_a_dead_connection(clocks: Clocks) -> None:
    """The fault is there: otherwise the next test would show nothing."""
    limits = httpx.Limits(keepalive_expiry=POOL_IDLE_TIMEOUT)
    for fail, (wall, monotonic) in CASES:
        transport = httpx.AsyncHTTPTransport(verify=False, limits=limits)
        with Origin(stale(fail)) as origin:
            async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{origin.port}") as client:
                assert (await client.post("/", content=b"once", timeout=LIMIT)).content == b"ok"
                clocks.jump(wall=wall, monotonic=monotonic)
                with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout)):
                    await client.post("/", content=b"once", timeout=0.1)
        assert origin.connections == 1, (fail, wall, monotonic)


async def test_after_a_jump_of_the_clocks_no_request_uses_an_old_connection(
    clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    for fail, (wall, monotonic) in CASES:
        case = (fail, wall, monotonic)
        caplog.clear()
        with Origin(stale(fail)) as origin:
            async with aclosing(ours(origin, clocks)) as transport:
                assert await send(transport, once()) == OK_ANSWER
                before = bytes((await origin.peer(0)).received)
                clocks.jump(wall=wall, monotonic=monotonic)
                for number in range(1, 4):
                    assert await send(transport, once()) == OK_ANSWER
                    await seen((await origin.peer(number)).gone)
                    clocks.jump(wall=0.01, monotonic=0.01)
                assert bytes(origin.peers[0].received) == before, case
                assert not origin.peers[0].gone.is_set(), case
        assert origin.connections == 4, case
        assert_logged(caplog, ("WARNING", "restored"))


async def test_a_connection_that_is_old_on_both_clocks_is_not_used(
    clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    """The pool does that by itself: a pause between two requests is not a restore."""
    with Origin(stale(vanishes)) as origin:
        async with aclosing(ours(origin, clocks)) as transport:
            assert await send(transport, once()) == OK_ANSWER
            clocks.jump(wall=4.1, monotonic=4.1)
            assert await send(transport, once()) == OK_ANSWER
    assert origin.connections == 2
    assert caplog.records == []
