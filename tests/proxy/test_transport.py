"""What goes over the wire to a web server that does nothing wrong, and a transport's own life."""

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from bridge._httpx import httpx
from bridge._types import HeaderPairs
from bridge.proxy.transport import ConnectionPolicy, SocketTransport
from tests.proxy.origins import (
    OK,
    OK_ANSWER,
    Ask,
    Gone,
    Origin,
    Peer,
    answering,
    answers,
    both_networks,
    make_request,
    response,
    seen,
    send,
    stream,
    wakes_readers,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

SIX_MB = b"".join(b"%07d\n" % number for number in range(786_432))

both_ways = pytest.mark.parametrize("ask", [send, stream])


@both_networks
async def test_a_request_is_these_bytes_and_no_others(network: str) -> None:
    headers = [(b"host", b"shop.test"), (b"accept", b"*/*"), (b"x-n", b"J\xfcrgen"), (b"x-n", b"2")]
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            await send(transport, make_request("POST", b"/a%2fb/%C3%A9?q=1&q=%20+&", headers, b"x=1"))
    assert bytes(origin.peers[0].received) == (
        b"POST /a%2fb/%C3%A9?q=1&q=%20+& HTTP/1.1\r\n"
        b"host: shop.test\r\naccept: */*\r\nx-n: J\xfcrgen\r\nx-n: 2\r\ncontent-length: 3\r\n\r\nx=1"
    )


TARGETS = [
    b"/",
    b"//",
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


@both_networks
async def test_the_target_goes_out_byte_for_byte(network: str) -> None:
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            await answers(transport, [make_request("OPTIONS", target) for target in TARGETS])
    assert [request.line for request in origin.requests] == [b"OPTIONS %s HTTP/1.1" % target for target in TARGETS]


async def test_without_a_target_the_url_of_a_request_has_it() -> None:
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            await send(transport, httpx.Request("GET", "http://other.test/a%2Fb?c=%20"))
    assert [(request.line, request.values(b"host")) for request in origin.requests] == [
        (b"GET /a%2Fb?c=%20 HTTP/1.1", [b"other.test"])
    ]


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nx: y", b"/a\x00", b"/\x7f", b"/a HTTP/1.1\r\n\r\n", b"/caf\xe9"])
@pytest.mark.parametrize("idle_timeout", [0, 4])
async def test_a_target_that_cannot_stand_in_a_request_line_is_not_sent(target: bytes, idle_timeout: float) -> None:
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport(idle_timeout=idle_timeout)) as transport:
            with pytest.raises(httpx.LocalProtocolError):
                await send(transport, make_request("GET", target))
            assert await send(transport) == OK_ANSWER
    assert b"".join(bytes(peer.received) for peer in origin.peers) == b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "QUERY", "PROPFIND", "get", "M-SEARCH", "TRACE"])
@both_networks
async def test_methods_go_out_as_they_are(network: str, method: str) -> None:
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            assert await send(transport, make_request(method, body=b"body")) == OK_ANSWER
    assert [(request.line, request.body) for request in origin.requests] == [
        (method.encode() + b" / HTTP/1.1", b"body")
    ]


@pytest.mark.parametrize("method", ["", "GE T", "GET / HTTP/1.1\r\nx:", "G\u00c9T", "GET\x00"])
async def test_a_method_that_is_none_is_not_sent(method: str) -> None:
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            with pytest.raises(httpx.LocalProtocolError):
                await send(transport, make_request(method))
    assert [bytes(peer.received) for peer in origin.peers] in ([], [b""])


@pytest.mark.parametrize(
    ("headers", "hosts"),
    [
        ([(b"host", b"Shop.TEST:8443")], [b"Shop.TEST:8443"]),
        ([(b"host", b"")], [b""]),
        ([(b"host", b"[::1]:80")], [b"[::1]:80"]),
        ([(b"accept", b"*/*")], None),
    ],
)
@both_networks
async def test_host_is_the_clients_or_else_the_web_servers(
    network: str, headers: HeaderPairs, hosts: list[bytes] | None
) -> None:
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            await send(transport, make_request(headers=headers))
    own = b"127.0.0.1" if network == "unix" else b"127.0.0.1:%d" % origin.port
    assert origin.requests[0].values(b"host") == (hosts or [own])


BAD_HEADERS: list[HeaderPairs] = [
    [(b"host", b"a.test"), (b"host", b"b.test")],
    [(b"host", b"a.test"), (b"x", b"a\r\nx-tenant: b")],
    [(b"host", b"a.test"), (b"x", b"a\nb")],
    [(b"host", b"a.test"), (b"x", b"a\x00b")],
    [(b"host", b"a.test"), (b"x", b"\x1b[31m")],
    [(b"host", b"a.test\r\n")],
    [(b"host", b"a.test"), (b"x y", b"1")],
    [(b"host", b"a.test"), (b"x:", b"1")],
    [(b"host", b"a.test"), (b"x\r\ny", b"1")],
    [(b"host", b"a.test"), (b"", b"1")],
]


@pytest.mark.parametrize("headers", BAD_HEADERS)
async def test_a_request_with_headers_that_are_none_opens_no_connection(headers: HeaderPairs) -> None:
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            with pytest.raises(httpx.LocalProtocolError):
                await send(transport, make_request(headers=headers))
            with pytest.raises(httpx.LocalProtocolError):
                await stream(transport, make_request(headers=headers))
    assert origin.connections == 0


@both_networks
async def test_no_hop_by_hop_header_reaches_the_web_server(network: str) -> None:
    headers = [
        (b"host", b"app.test"),
        (b"connection", b"close, X-Nominated"),
        (b"keep-alive", b"timeout=1"),
        (b"x-nominated", b"1"),
        (b"te", b"trailers"),
        (b"upgrade", b"websocket"),
        (b"proxy-authorization", b"Basic x"),
        (b"transfer-encoding", b"chunked"),
        (b"x-kept", b"1"),
    ]
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            assert await answers(transport, [make_request(headers=headers) for _ in range(2)]) == [OK_ANSWER] * 2
    assert [request.headers for request in origin.requests] == [[(b"host", b"app.test"), (b"x-kept", b"1")]] * 2
    assert origin.connections == 1


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 300, SIX_MB], ids=["none", "one", "binary", "6 MB"])
@pytest.mark.parametrize("idle_timeout", [0, 4])
@both_networks
@both_ways
async def test_bodies_arrive_whole_both_ways(ask: Ask, network: str, idle_timeout: float, body: bytes) -> None:
    def echo(peer: Peer) -> None:
        while True:
            peer.send(response(peer.read_request().body))

    with Origin(echo, network) as origin:
        async with aclosing(origin.transport(idle_timeout=idle_timeout)) as transport:
            for _ in range(2):
                answer = await ask(transport, make_request("PUT", body=body))
                assert answer.status_code == 200
                assert answer.body == body
    assert origin.connections == (1 if idle_timeout else 2)


async def test_a_plain_request_of_httpx_goes_out_as_well() -> None:
    request = httpx.Request("POST", "http://app.test/a?b", headers={"X-A": "1"}, content=b"body")
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            assert await send(transport, request) == OK_ANSWER
    assert bytes(origin.peers[0].received) == (
        b"POST /a?b HTTP/1.1\r\nhost: app.test\r\nx-a: 1\r\ncontent-length: 4\r\n\r\nbody"
    )


async def body_in_parts() -> AsyncIterator[bytes]:
    for part in (b"one ", b"", b"two ", b"three"):
        yield part
        await anyio.lowlevel.checkpoint()


async def test_a_streamed_body_of_known_length_goes_out_with_it() -> None:
    request = httpx.Request("POST", "http://app.test/", headers={"content-length": "13"}, content=body_in_parts())
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            assert await send(transport, request) == OK_ANSWER
    assert [(each.values(b"content-length"), each.body) for each in origin.requests] == [([b"13"], b"one two three")]


async def test_a_streamed_body_of_unknown_length_goes_out_in_chunks() -> None:
    request = httpx.Request("POST", "http://app.test/", content=body_in_parts())
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            assert await send(transport, request) == OK_ANSWER
    assert [(each.values(b"transfer-encoding"), each.body) for each in origin.requests] == [
        ([b"chunked"], b"one two three")
    ]


@pytest.mark.parametrize("length", [b"3", b"5", b"0", b"-4", b"four", b"4, 5"])
async def test_a_body_of_another_length_than_announced_is_a_local_protocol_error(length: bytes) -> None:
    request = make_request("POST", headers=[(b"host", b"app.test"), (b"content-length", length)])
    request._content = b"body"
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            with pytest.raises(httpx.LocalProtocolError):
                await send(transport, request)
    assert origin.requests == []


async def test_a_body_without_a_length_goes_out_with_one() -> None:
    request = make_request("POST")
    request._content = b"body"
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            assert await send(transport, request) == OK_ANSWER
    assert [(each.values(b"content-length"), each.body) for each in origin.requests] == [([b"4"], b"body")]


async def test_a_request_with_a_synchronous_body_is_a_type_error() -> None:
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            with pytest.raises(TypeError, match="asynchronous body"):
                await send(transport, httpx.Request("POST", "http://app.test/", content=iter([b"a"])))
    assert origin.connections == 0


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


@wakes_readers
async def test_aclose_ends_a_request_that_still_waits_for_its_response() -> None:
    asked = threading.Event()

    def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.read_head()
            asked.set()
            peer.wait_until_gone()
        peer.read_request()
        peer.send(OK)

    raised: list[httpx.HTTPError] = []

    async def ask() -> None:
        try:
            await send(transport, make_request("POST"))
        except httpx.HTTPError as exc:
            raised.append(exc)

    with Origin(script) as origin, anyio.fail_after(10):
        transport = origin.transport()
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await seen(asked)
            await transport.aclose()
            assert await send(transport) == OK_ANSWER  # on a socket that may have the same number
        await transport.aclose()
    assert [type(exc) for exc in raised] == [httpx.ReadError]


async def test_it_is_a_transport_for_a_client_of_httpx() -> None:
    with Origin(answering(response(b"body", b"set-cookie: a=1"))) as origin:
        async with httpx.AsyncClient(transport=origin.transport(), base_url="http://app.test") as client:
            found = [await client.post("/a", content=b'{"b":1}') for _ in range(2)]
    assert [(each.status_code, each.text, each.headers["set-cookie"]) for each in found] == [(200, "body", "a=1")] * 2
    assert [(each.line, each.body) for each in origin.requests] == [(b"POST /a HTTP/1.1", b'{"b":1}')] * 2
    assert origin.connections == 1


@both_networks
async def test_check_connection_connects_and_leaves(network: str) -> None:
    with Origin(answering(OK), network) as origin:
        async with aclosing(origin.transport()) as transport:
            await transport.check_connection()
            await seen((await origin.peer(0)).gone)
            origin.refuse()
            with pytest.raises(httpx.ConnectError):
                await transport.check_connection()
    assert bytes(origin.peers[0].received) == b""


async def test_it_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bridge")
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            await answers(transport, [make_request() for _ in range(3)])
    assert caplog.records == []


@pytest.mark.parametrize("host", ["::1", "localhost"])
async def test_hosts_may_be_names_and_addresses_of_ipv6(host: str) -> None:
    import socket

    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError as exc:
        pytest.skip(f"no IPv6 here: {exc}")

    def serve() -> None:
        sock, _ = listener.accept()
        peer = Peer(sock, 1, Origin(answering(OK)))
        try:
            hosts.extend(peer.read_request().values(b"host"))
            peer.send(OK)
        except Gone:
            pass
        finally:
            peer.close()

    hosts: list[bytes] = []
    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        port = listener.getsockname()[1]
        transport = SocketTransport(host=host, port=port, policy=ConnectionPolicy(idle_timeout=0))
        assert await send(transport, make_request(headers=[])) == OK_ANSWER
        thread.join()
    assert hosts == [b"[::1]:%d" % port if host == "::1" else b"localhost:%d" % port]
