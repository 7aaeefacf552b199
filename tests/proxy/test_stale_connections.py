"""The fault that pooling has after a restore: a connection that died with the snapshot looks fresh.

httpcore ages idle connections on the monotonic clock, as hyper does (awslabs/aws-lambda-web-adapter#671). A restore
makes that clock inconsistent, so the age of a dead connection may be computed as zero. httpcore also checks whether an
idle socket has become readable; that does not catch the origins here.
"""

import ssl
from contextlib import aclosing
from importlib import import_module
from types import SimpleNamespace
from typing import NamedTuple

import anyio
import pytest

from bridge._httpx import httpcore, httpx
from bridge.proxy.transport import SocketTransport
from bridge.snapstart import RestoreWatch
from tests.logged import assert_logged
from tests.proxy.origins import LIMIT, OK, OK_ANSWER, Answer, Origin, Peer, make_request, seen, send

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

POOL_IDLE_TIMEOUT = 4.0

# httpx loads certificates for 20 ms, unless it is given a context that has none.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Clocks:
    """The two clocks of this process."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.monotonic = 5_000.0

    def jump(self, *, wall: float, monotonic: float) -> None:
        self.wall += wall
        self.monotonic += monotonic


class Jump(NamedTuple):
    """The progress of the clocks while the process does not run."""

    wall: float
    monotonic: float


# After each of them an idle connection's age, on the monotonic clock, is below the 4 s that the pool keeps it.
INCONSISTENT = {
    "monotonic frozen": Jump(600, 0),
    "monotonic late": Jump(600, 1),
    "monotonic back": Jump(600, -4_000),
    "both back": Jump(-600, -4_000),
    "wall back": Jump(-600, 0.5),
    "monotonic back alone": Jump(0, -4_000),
    "monotonic back a little": Jump(0.5, -0.1),
}


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Return the clocks, for httpcore alone."""
    clocks = Clocks()
    module = import_module(f"{httpcore().__name__}._async.http11")
    assert hasattr(module.time, "monotonic")
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clocks.monotonic))
    return clocks


# Origins. Each serves the first request of each connection well.


def drops(peer: Peer) -> None:
    """Close a connection as expired when its next request arrives."""
    peer.read_request()
    peer.send(OK)
    if peer.number == 1:
        peer.read_request()
        return
    peer.wait_until_gone()


def resets(peer: Peer) -> None:
    """Answer such a request with a reset."""
    peer.read_request()
    peer.send(OK)
    if peer.number == 1:
        peer.read_request()
        peer.reset()
        return
    peer.wait_until_gone()


def vanishes(peer: Peer) -> None:
    """Vanish without closing: the old connection is dead, and new ones work."""
    peer.read_request()
    peer.send(OK)
    if peer.number == 1:
        peer._origin.ended.wait(LIMIT)
        return
    peer.wait_until_gone()


STALE = {"drops": drops, "resets": resets, "vanishes": vanishes}

# Every origin with every jump.
CASES = [(f"{origin}, {jump}", STALE[origin], INCONSISTENT[jump]) for origin in STALE for jump in INCONSISTENT]


def post() -> httpx.Request:
    """Return a request that must not be repeated."""
    return make_request("POST", body=b"once", timeout=LIMIT)


def stock() -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(keepalive_expiry=POOL_IDLE_TIMEOUT)
    return httpx.AsyncHTTPTransport(verify=NO_TLS, limits=limits)


def ours(origin: Origin, clocks: Clocks) -> SocketTransport:
    watch = RestoreWatch(wall=lambda: clocks.wall, monotonic=lambda: clocks.monotonic)
    return origin.transport(idle_timeout=POOL_IDLE_TIMEOUT, restored=watch.check)


async def send_stock(transport: httpx.AsyncHTTPTransport, origin: Origin) -> Answer:
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), 0.1)
    url = f"http://127.0.0.1:{origin.port}/"
    request = httpx.Request("POST", url, content=b"once", extensions={"timeout": timeout})
    result = await transport.handle_async_request(request)
    body = await result.aread()
    await result.aclose()
    return Answer(result.status_code, [(name.lower(), value) for name, value in result.headers.raw], body)


async def test_stock_httpx_sends_a_request_on_a_dead_connection(clocks: Clocks) -> None:
    """The fault is there: otherwise the next test would show nothing."""
    for case, script, jump in CASES:
        with Origin(script) as origin:
            async with stock() as transport:
                assert await send_stock(transport, origin) == OK_ANSWER
                clocks.jump(wall=jump.wall, monotonic=jump.monotonic)
                with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout)):
                    await send_stock(transport, origin)
        assert origin.connections == 1, case


async def test_after_a_jump_of_the_clocks_no_request_uses_an_old_connection(
    clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    for case, script, jump in CASES:
        caplog.clear()
        with Origin(script) as origin:
            async with aclosing(ours(origin, clocks)) as transport:
                assert await send(transport, post()) == OK_ANSWER
                before = bytes((await origin.peer(0)).received)
                clocks.jump(wall=jump.wall, monotonic=jump.monotonic)
                for number in range(1, 4):
                    assert await send(transport, post()) == OK_ANSWER
                    await seen((await origin.peer(number)).gone)
                    clocks.jump(wall=0.01, monotonic=0.01)
                assert bytes(origin.peers[0].received) == before, case
                assert not origin.peers[0].gone.is_set(), case
        assert origin.connections == 4, case
        assert_logged(caplog, ("WARNING", "restored"))


async def test_after_the_hook_no_request_uses_an_old_connection_even_if_no_clock_shows_it(clocks: Clocks) -> None:
    watch = RestoreWatch(wall=lambda: clocks.wall, monotonic=lambda: clocks.monotonic)
    with Origin(vanishes) as origin:
        async with aclosing(origin.transport(idle_timeout=POOL_IDLE_TIMEOUT, restored=watch.check)) as transport:
            assert await send(transport, post()) == OK_ANSWER
            watch.tell("the runtime said so")
            for _ in range(3):
                assert await send(transport, post()) == OK_ANSWER
    assert origin.connections == 4


async def test_a_connection_that_is_old_on_both_clocks_is_not_used(
    clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    """The pool does that by itself: a pause between two requests is not a restore."""
    with Origin(vanishes) as origin:
        async with aclosing(ours(origin, clocks)) as transport:
            assert await send(transport, post()) == OK_ANSWER
            clocks.jump(wall=4.1, monotonic=4.1)
            assert await send(transport, post()) == OK_ANSWER
    assert origin.connections == 2
    assert caplog.records == []


async def test_while_the_clocks_agree_the_pool_is_kept(clocks: Clocks, caplog: pytest.LogCaptureFixture) -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(OK)

    with Origin(script) as origin:
        async with aclosing(ours(origin, clocks)) as transport:
            for _ in range(20):
                assert await send(transport, post()) == OK_ANSWER
                clocks.jump(wall=3.9, monotonic=3.5)  # within what clocks may drift
    assert (origin.connections, caplog.records) == (1, [])


async def test_an_idempotent_request_survives_even_a_restore_that_nothing_shows(clocks: Clocks) -> None:
    """No hook was called, and both clocks stood still: the last line of defence."""
    for script in (drops, resets):
        with Origin(script) as origin:
            async with aclosing(ours(origin, clocks)) as transport:
                assert await send(transport) == OK_ANSWER
                assert await send(transport, make_request("PUT", body=b"again")) == OK_ANSWER
        assert origin.connections == 2


async def test_concurrent_requests_right_after_a_restore_all_connect_anew(clocks: Clocks) -> None:
    with Origin(vanishes) as origin:
        async with aclosing(ours(origin, clocks)) as transport:
            assert await send(transport, post()) == OK_ANSWER
            clocks.jump(wall=600, monotonic=-1)
            found: list[Answer] = []

            async def ask() -> None:
                found.append(await send(transport, make_request("POST", body=b"once", timeout=LIMIT)))

            async with anyio.create_task_group() as group:
                for _ in range(50):
                    group.start_soon(ask)
    assert found == [OK_ANSWER] * 50
    assert origin.connections == 51
