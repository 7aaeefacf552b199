"""The fault that pooling has after a restore: a connection that died with the snapshot looks fresh.

httpcore ages idle connections on the monotonic clock, as hyper does (aws/aws-lambda-web-adapter#671). A restore makes
that clock inconsistent, so the age of a dead connection may come out as nothing. httpcore also looks whether an idle
socket has become readable; the origins here are those that this does not catch.
"""

import ssl
from collections.abc import Callable
from contextlib import aclosing
from importlib import import_module
from types import SimpleNamespace
from typing import NamedTuple

import anyio
import pytest

from bridge._httpx import httpcore, httpx
from bridge.proxy.restore import ConnectionPolicy
from bridge.proxy.transport import SocketTransport
from bridge.snapstart import RestoreWatch
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
    """How far the clocks go while the process does not run."""

    wall: float
    monotonic: float


# After each of them an idle connection's age, on the monotonic clock, is below the 4 s that the pool keeps it.
INCONSISTENT = {
    "monotonic frozen": Jump(600, 0),
    "monotonic behind": Jump(600, 1),
    "monotonic back": Jump(600, -4_000),
    "both back": Jump(-600, -4_000),
    "wall back": Jump(-600, 0.5),
    "monotonic back alone": Jump(0, -4_000),
    "monotonic back a little": Jump(0.5, -0.1),
}

every_jump = pytest.mark.parametrize("jump", INCONSISTENT.values(), ids=INCONSISTENT)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """The clocks as httpcore sees them, and nobody else."""
    clocks = Clocks()
    module = import_module(f"{httpcore().__name__}._async.http11")
    assert hasattr(module.time, "monotonic")
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clocks.monotonic))
    return clocks


# Origins. Each serves the first request of each connection well.


def drops(peer: Peer) -> None:
    """Considers a connection expired at the very moment its next request arrives, and closes it."""
    peer.read_request()
    peer.send(OK)
    if peer.number == 1:
        peer.read_request()
        return
    peer.wait_until_gone()


def resets(peer: Peer) -> None:
    """Answers such a request with a reset."""
    peer.read_request()
    peer.send(OK)
    if peer.number == 1:
        peer.read_request()
        peer.reset()
        return
    peer.wait_until_gone()


def vanishes(peer: Peer) -> None:
    """Has vanished without closing: the connection leads nowhere, and new ones work."""
    peer.read_request()
    peer.send(OK)
    if peer.number == 1:
        peer._origin.ended.wait(LIMIT)
        return
    peer.wait_until_gone()


STALE = {"drops": drops, "resets": resets, "vanishes": vanishes}

every_origin = pytest.mark.parametrize("script", STALE.values(), ids=STALE)


def post() -> httpx.Request:
    """Nothing may repeat it; and it need not wait for long."""
    return make_request("POST", body=b"once", timeout=0.2)


def stock() -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(keepalive_expiry=POOL_IDLE_TIMEOUT)
    return httpx.AsyncHTTPTransport(verify=NO_TLS, limits=limits)


def ours(origin: Origin, clocks: Clocks) -> SocketTransport:
    watch = RestoreWatch(wall=lambda: clocks.wall, monotonic=lambda: clocks.monotonic)
    return origin.transport(idle_timeout=POOL_IDLE_TIMEOUT, restored=watch.check)


async def send_stock(transport: httpx.AsyncHTTPTransport, origin: Origin) -> Answer:
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), 0.2)
    url = f"http://127.0.0.1:{origin.port}/"
    request = httpx.Request("POST", url, content=b"once", extensions={"timeout": timeout})
    result = await transport.handle_async_request(request)
    body = await result.aread()
    await result.aclose()
    return Answer(result.status_code, [(name.lower(), value) for name, value in result.headers.raw], body)


@every_jump
@every_origin
async def test_stock_httpx_sends_a_request_on_a_dead_connection(
    script: Callable[[Peer], None], jump: Jump, clocks: Clocks
) -> None:
    """That the fault is there: or else the test after this one would say nothing."""
    with Origin(script) as origin:
        async with stock() as transport:
            assert await send_stock(transport, origin) == OK_ANSWER
            clocks.jump(wall=jump.wall, monotonic=jump.monotonic)
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout)):
                await send_stock(transport, origin)
    assert origin.connections == 1


@every_jump
@every_origin
async def test_after_a_jump_of_the_clocks_no_request_takes_an_old_connection(
    script: Callable[[Peer], None], jump: Jump, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    with Origin(script) as origin:
        async with aclosing(ours(origin, clocks)) as transport:
            assert await send(transport, post()) == OK_ANSWER
            before = bytes((await origin.peer(0)).received)
            clocks.jump(wall=jump.wall, monotonic=jump.monotonic)
            for number in range(1, 6):
                assert await send(transport, post()) == OK_ANSWER
                await seen((await origin.peer(number)).gone)
                clocks.jump(wall=0.01, monotonic=0.01)
            assert bytes(origin.peers[0].received) == before
            assert not origin.peers[0].gone.is_set()
    assert origin.connections == 6
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@every_origin
async def test_after_the_hook_no_request_takes_an_old_connection_even_if_no_clock_shows_it(
    script: Callable[[Peer], None], clocks: Clocks
) -> None:
    watch = RestoreWatch(wall=lambda: clocks.wall, monotonic=lambda: clocks.monotonic)
    with Origin(script) as origin:
        async with aclosing(origin.transport(idle_timeout=POOL_IDLE_TIMEOUT, restored=watch.check)) as transport:
            assert await send(transport, post()) == OK_ANSWER
            watch.tell("the runtime said so")
            for _ in range(3):
                assert await send(transport, post()) == OK_ANSWER
    assert origin.connections == 4


@every_jump
@every_origin
async def test_without_idle_time_there_is_no_old_connection(
    script: Callable[[Peer], None], jump: Jump, clocks: Clocks
) -> None:
    with Origin(script) as origin:
        async with aclosing(origin.transport(idle_timeout=0)) as transport:
            for _ in range(3):
                assert await send(transport, post()) == OK_ANSWER
                clocks.jump(wall=jump.wall, monotonic=jump.monotonic)
    assert origin.connections == 3


@every_origin
async def test_a_connection_that_is_old_on_both_clocks_is_not_used(
    script: Callable[[Peer], None], clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    """What the pool does by itself: a pause between two requests is no restore."""
    with Origin(script) as origin:
        async with stock() as theirs:
            assert await send_stock(theirs, origin) == OK_ANSWER
            clocks.jump(wall=4.1, monotonic=4.1)
            assert await send_stock(theirs, origin) == OK_ANSWER
    with Origin(script) as origin:
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


@pytest.mark.parametrize("script", [drops, resets], ids=["drops", "resets"])
async def test_an_idempotent_request_survives_even_a_restore_that_nothing_shows(
    script: Callable[[Peer], None], clocks: Clocks
) -> None:
    """The last line of defence: no hook, and clocks that both stood still."""
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


def test_the_policy_under_test_is_the_one_that_a_proxy_has() -> None:
    """Pooling is what Proxy does by default, with the same idle time."""
    from bridge.proxy.forwarder import Forwarder
    from bridge.proxy.server import OriginSettings

    async def prepare(request: httpx.Request) -> httpx.Request:
        return request

    forwarder = Forwarder(OriginSettings(), None, prepare=prepare)
    policy = forwarder.transport._policy
    assert isinstance(policy, ConnectionPolicy)
    assert (policy.idle_timeout, policy.may_reuse()) == (POOL_IDLE_TIMEOUT, True)
    forwarder.watch.tell("the runtime said so")
    assert policy.may_reuse() is False
