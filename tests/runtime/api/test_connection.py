"""One connection to the Runtime API: kept, made again when it has died, and given up where nothing listens."""

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from bridge.errors import RuntimeApiGone
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.http import Pairs, Reply
from bridge.runtime.api.vocabulary import NEXT, Invocation, result_headers
from tests.proxy.origins import Origin, Peer
from tests.runtime.double import RuntimeDouble

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_unclosed")]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Ask = Callable[..., Awaitable[Reply]]


def connect(address: str) -> Connection:
    return Connection(parse_address(address), user_agent="bridge/test")


@pytest.fixture
def connection(api: RuntimeDouble) -> Iterator[Connection]:
    connection = connect(api.address)
    yield connection
    connection.close()


@pytest.fixture(params=["on the loop", "blocking"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Make the same exchange with both ways to wait."""

    async def ask(connection: Connection, method: bytes, path: bytes, headers: Pairs, body: bytes = b"") -> Reply:
        if request.param == "blocking":
            return await asyncio.to_thread(connection.request_blocking, method, path, headers, body)
        return await connection.request(method, path, headers, body)

    return ask


@contextmanager
def serve(*answers: bytes | None) -> Iterator[tuple[Origin, Connection]]:
    """Answer one request of each connection with what it was given: bytes, or a reset for None."""
    remaining = iter(answers)

    def script(peer: Peer) -> None:
        peer.read_request()
        if (answer := next(remaining)) is None:
            peer.reset()
        else:
            peer.send(answer)

    with Origin(script) as origin:
        yield origin, connect(f"127.0.0.1:{origin.port}")


async def test_an_exchange_says_who_asks_and_whom(api: RuntimeDouble, connection: Connection, ask: Ask) -> None:
    invocation = api.invoke({"a": 1}, may_stay_unanswered=True)
    reply = await ask(connection, b"GET", NEXT, [])
    assert (reply.status, reply.body) == (200, b'{"a": 1}')
    assert reply.headers[b"lambda-runtime-aws-request-id"].decode() == invocation.request_id
    (request,) = api.requests
    assert (request.method, request.path) == ("GET", NEXT.decode())
    assert dict(request.headers) == {"host": api.address, "user-agent": "bridge/test"}


async def test_all_exchanges_go_over_one_connection(api: RuntimeDouble, connection: Connection, ask: Ask) -> None:
    for number in range(3):
        queued = api.invoke(number)
        invocation = Invocation(await ask(connection, b"GET", NEXT, []))
        body = b"[%d]" % number
        reply = await ask(connection, b"POST", invocation.response_path, result_headers(invocation, body), body)
        assert reply.status == 202
        assert queued.answer().json == [number]
    assert [request.connection for request in api.requests] == [1] * 6


async def test_an_event_and_a_result_of_six_megabytes_come_through(
    api: RuntimeDouble, connection: Connection, ask: Ask
) -> None:
    text = b'"%s"' % (b"x" * 6_000_000)
    for chunk_size in (None, 65536):
        queued = api.invoke(text, chunk_size=chunk_size)
        invocation = Invocation(await ask(connection, b"GET", NEXT, []))
        assert invocation.body == text
        await ask(connection, b"POST", invocation.response_path, result_headers(invocation, text), text)
        assert queued.answer().body == text


async def test_a_connection_that_the_api_has_closed_meanwhile_is_made_again(
    api: RuntimeDouble, connection: Connection, ask: Ask
) -> None:
    queued = api.invoke(1)
    invocation = Invocation(await ask(connection, b"GET", NEXT, []))
    api.drop_connections()
    assert (
        await ask(connection, b"POST", invocation.response_path, result_headers(invocation, b"1"), b"1")
    ).status == 202
    assert queued.answer().json == 1
    assert {request.connection for request in api.requests} == {1, 2}


async def test_an_api_that_does_not_listen_is_gone(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(RuntimeApiGone, match=r"Connection refused"):
        await ask(connect(address), b"GET", NEXT, [])
    with pytest.raises(RuntimeApiGone, match="Connection refused"):
        connect(address).send_blocking(b"GET", NEXT, [])


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        (None, "Connection reset by peer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12", "in the middle of a reply"),
        (b"220 smtp ready\r\n\r\n", "220 smtp ready"),
    ],
)
async def test_a_new_connection_that_fails_is_not_tried_again(ask: Ask, answer: bytes | None, fact: str) -> None:
    with serve(answer) as (origin, connection):
        with pytest.raises(RuntimeApiGone, match=fact):
            await ask(connection, b"GET", NEXT, [])
        assert not connection.is_open
        assert len(origin.requests) == 1


async def test_a_used_connection_that_fails_is_tried_again_once(ask: Ask) -> None:
    with serve(OK, b"") as (origin, connection):
        await ask(connection, b"GET", b"/1", [])
        with pytest.raises(RuntimeApiGone, match="it closed the connection"):
            await ask(connection, b"GET", b"/2", [])
        assert [request.line.split()[1] for request in origin.requests] == [b"/1", b"/2"]


async def test_a_request_whose_reply_has_begun_is_not_sent_again(ask: Ask) -> None:
    """It was taken: a second one would be a second answer."""

    def script(peer: Peer) -> None:
        for reply in (OK, b"HTTP/1.1 2"):
            peer.read_request()
            peer.send(reply)

    with Origin(script) as origin:
        connection = connect(f"127.0.0.1:{origin.port}")
        await ask(connection, b"GET", b"/1", [])
        with pytest.raises(RuntimeApiGone, match="in the middle of a reply"):
            await ask(connection, b"POST", b"/2", [(b"content-length", b"0")])
    assert (origin.connections, len(origin.requests)) == (1, 2)


async def test_a_reply_that_ends_the_connection_is_followed_by_a_new_one(ask: Ask) -> None:
    closing = OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
    with serve(closing, closing) as (_, connection):
        for path in (b"/1", b"/2"):
            assert (await ask(connection, b"GET", path, [])).body == b"{}"
            assert not connection.is_open


async def test_a_cancelled_exchange_closes_its_connection(api: RuntimeDouble, connection: Connection) -> None:
    task = asyncio.create_task(connection.request(b"GET", NEXT, []))
    await asyncio.to_thread(api.wait_for_polls, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not connection.is_open
    await asyncio.to_thread(api.wait_until_left)


async def test_whoever_rests_in_the_place_of_the_loop_is_asked_first(
    api: RuntimeDouble, connection: Connection
) -> None:
    wants: list[int] = []

    def rest(sock: socket.socket, want: int) -> bool:
        wants.append(want)
        assert sock.fileno() >= 0
        return False

    connection.rest = rest
    task = asyncio.create_task(connection.request(b"GET", NEXT, []))
    await asyncio.to_thread(api.wait_for_polls, 1)
    api.invoke(1, may_stay_unanswered=True)
    assert (await task).body == b"1"
    assert wants == [select.POLLIN]


def test_an_address_is_parsed_or_named() -> None:
    assert parse_address("127.0.0.1:9001") == ("127.0.0.1", 9001)
    assert parse_address("localhost:80") == ("localhost", 80)
    assert parse_address("[::1]:9001") == ("::1", 9001)
    no_ports = ("99" * 200, "-1", "+1", " 1", "1_0", "\u0661")
    for address in (
        "127.0.0.1",
        ":9001",
        "localhost:",
        "localhost:http",
        "",
        "h\u00f6st:1",
        *map("h:{}".format, no_ports),
    ):
        with pytest.raises(RuntimeApiGone) as caught:
            parse_address(address)
        assert repr(address)[:100] in str(caught.value)


async def test_a_host_that_cannot_be_one_is_a_gone_api(ask: Ask) -> None:
    for host in ("x" * 64, "a..b"):
        with pytest.raises(RuntimeApiGone, match=f"cannot be at {host}"):
            await ask(connect(f"{host}:80"), b"GET", NEXT, [])


async def test_an_ipv6_address_has_brackets_in_the_host_header() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("There is no IPv6 on this machine.")
    with listener:
        port = listener.getsockname()[1]
        connection = connect(f"[::1]:{port}")
        connection.send_blocking(b"GET", NEXT, [])
        peer, _ = listener.accept()
        with peer:
            assert f"host: [::1]:{port}\r\n".encode() in peer.recv(65536)
        connection.close()
