"""What goes over the wire to a web server that does nothing wrong, and a transport's own life."""

import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from bridge._httpx import httpcore, httpx
from bridge._types import HeaderPairs
from bridge.proxy.transport import SocketTransport, _httpx_errors
from tests.proxy.origins import (
    OK,
    OK_ANSWER,
    Origin,
    Peer,
    answering,
    answers,
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

SIX_MB = b"".join(b"%07d\n" % number for number in range(786_432))


@both_networks
async def test_a_request_is_these_bytes_and_no_others(network: str) -> None:
    headers = [(b"host", b"shop.test"), (b"accept", b"*/*"), (b"x-n", b"J\xfcrgen"), (b"x-n", b"2")]
    async with serving(answering(OK), network) as (origin, transport):
        await send(transport, make_request("POST", b"/a%2fb/%C3%A9?q=1&q=%20+&", headers, b"x=1"))
    assert bytes(origin.peers[0].received) == (
        b"POST /a%2fb/%C3%A9?q=1&q=%20+& HTTP/1.1\r\n"
        b"host: shop.test\r\naccept: */*\r\nx-n: J\xfcrgen\r\nx-n: 2\r\ncontent-length: 3\r\n\r\nx=1"
    )


TARGETS = [
    b"/",
    b"//evil.test/a",
    b"/a/../b/./c",
    b"/%2e%2E/%2F%5c%zz%",
    b"/caf%c3%A9",
    b"/?",
    b"/?a=b?c=d&&=;",
    b"/a;b=c/d:e@f/[g]|h\\i^j`k{l}\"m<n>'o",
    b"/#fragment",
    b"*",
    b"http://other.test/a?b",
    b"no-slash",
    b"/" + b"long/" * 4000,
]


async def test_the_target_goes_out_byte_for_byte() -> None:
    async with serving(answering(OK)) as (origin, transport):
        await answers(transport, [make_request("OPTIONS", target) for target in TARGETS])
    assert [request.line for request in origin.requests] == [b"OPTIONS %s HTTP/1.1" % target for target in TARGETS]


BAD_TARGETS = [b"/a b", b"/a\r\nx: y", b"/a\x00", b"/\x7f", b"/a HTTP/1.1\r\n\r\n", b"/caf\xe9"]
BAD_METHODS = ["", "GE T", "GET / HTTP/1.1\r\nx:", "G\u00c9T", "GET\x00"]
BAD_HEADERS: list[HeaderPairs] = [
    [(b"host", b"a.test"), (b"host", b"b.test")],
    [(b"host", b"a.test"), (b"x", b"a\r\nx-tenant: b")],
    [(b"host", b"a.test"), (b"x", b"\x1b[31m")],
    [(b"host", b"a.test\r\n")],
    [(b"host", b"a.test"), (b"x y", b"1")],
    [(b"host", b"a.test"), (b"x\r\ny", b"1")],
    [(b"host", b"a.test"), (b"", b"1")],
]


@both_loops
async def test_a_request_that_could_frame_another_one_is_not_sent() -> None:
    requests = [make_request("GET", target) for target in BAD_TARGETS]
    requests += [make_request(method) for method in BAD_METHODS]
    requests += [make_request(headers=headers) for headers in BAD_HEADERS]
    with Origin(answering(OK)) as origin:
        for idle_timeout in (0, 4):
            async with aclosing(origin.transport(idle_timeout=idle_timeout)) as transport:
                for request in requests:
                    for ask in (send, stream):
                        with pytest.raises(httpx.LocalProtocolError):
                            await ask(transport, request)
    assert {bytes(peer.received) for peer in origin.peers} <= {b""}


@both_networks
async def test_bodies_arrive_whole_in_both_directions(network: str) -> None:
    def echo(peer: Peer) -> None:
        while True:
            peer.send(response(peer.read_request().body))

    async with serving(echo, network) as (origin, transport):
        for body in (b"", b"x", bytes(range(256)) * 300, SIX_MB):
            for ask in (send, stream):
                answer = await ask(transport, make_request("PUT", body=body))
                assert (answer.status_code, answer.body) == (200, body)
    assert origin.connections == 1


async def body_in_parts() -> AsyncIterator[bytes]:
    for part in (b"one ", b"", b"two ", b"three"):
        yield part
        await anyio.lowlevel.checkpoint()


async def test_requests_of_httpx_itself_go_out_whole_or_in_chunks() -> None:
    url = "http://other.test/a%2Fb?c=%20"
    requests = [
        httpx.Request("POST", url, headers={"X-A": "1"}, content=b"body"),
        httpx.Request("POST", url, headers={"content-length": "13"}, content=body_in_parts()),
        httpx.Request("POST", url, content=body_in_parts()),
    ]
    async with serving(answering(OK)) as (origin, transport):
        assert await answers(transport, requests) == [OK_ANSWER] * 3
    assert [(each.line, each.body, each.headers[1:]) for each in origin.requests] == [
        (b"POST /a%2Fb?c=%20 HTTP/1.1", b"body", [(b"x-a", b"1"), (b"content-length", b"4")]),
        (b"POST /a%2Fb?c=%20 HTTP/1.1", b"one two three", [(b"content-length", b"13")]),
        (b"POST /a%2Fb?c=%20 HTTP/1.1", b"one two three", [(b"transfer-encoding", b"chunked")]),
    ]
    assert {each.values(b"host")[0] for each in origin.requests} == {b"other.test"}


async def test_a_request_with_a_synchronous_body_is_a_type_error() -> None:
    transport = SocketTransport()
    with pytest.raises(TypeError, match="asynchronous body"):
        await send(transport, httpx.Request("POST", "http://app.test/", content=iter([b"a"])))


def test_every_exception_of_httpcore_has_one_of_the_same_name_in_httpx() -> None:
    core = httpcore()
    kinds = [core.NetworkError, core.ProtocolError, core.TimeoutException, core.UnsupportedProtocol]
    while kinds:
        kind = kinds.pop()
        assert issubclass(getattr(httpx, kind.__name__), httpx.TransportError)
        with pytest.raises(getattr(httpx, kind.__name__), match=kind.__name__), _httpx_errors():
            raise kind
        kinds += kind.__subclasses__()


# The transport's own life


async def test_after_aclose_there_are_new_connections() -> None:
    with Origin(answering(OK)) as origin:
        transport = origin.transport()
        for number in range(3):
            assert await send(transport) == OK_ANSWER
            await transport.aclose()
            await seen((await origin.peer(number)).gone)
        await transport.aclose()
    assert origin.connections == 3


async def test_it_is_a_transport_for_a_client_of_httpx() -> None:
    with Origin(answering(response(b"body", b"set-cookie: a=1"))) as origin:
        async with httpx.AsyncClient(transport=origin.transport(), base_url="http://app.test") as client:
            found = [await client.post("/a", content=b'{"b":1}') for _ in range(2)]
    assert [(each.status_code, each.text, each.headers["set-cookie"]) for each in found] == [(200, "body", "a=1")] * 2
    assert [(each.line, each.body) for each in origin.requests] == [(b"POST /a HTTP/1.1", b'{"b":1}')] * 2
    assert origin.connections == 1


@both_networks
async def test_check_connection_connects_and_leaves(network: str) -> None:
    async with serving(answering(OK), network) as (origin, transport):
        await transport.check_connection()
        await seen((await origin.peer(0)).gone)
        origin.refuse()
        with pytest.raises(httpx.ConnectError):
            await transport.check_connection()
    assert bytes(origin.peers[0].received) == b""


@pytest.mark.parametrize("host", ["::1", "localhost"])
async def test_hosts_may_be_names_and_addresses_of_ipv6(host: str) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("There is no IPv6 here.")
    async with serving(answering(OK), host=host, idle_timeout=0) as (origin, transport):
        assert await send(transport, make_request(headers=[])) == OK_ANSWER
    name = b"[::1]" if host == "::1" else b"localhost"
    assert origin.requests[0].values(b"host") == [name + b":%d" % origin.port]
