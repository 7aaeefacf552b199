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
    Script,
    answering,
    both_loops,
    both_networks,
    make_request,
    parts_of,
    response,
    seen,
    send,
    serving,
    stream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
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
    b"/" + b"long/" * 4000,
]


async def test_the_target_goes_out_byte_for_byte() -> None:
    async with serving(answering(OK)) as (origin, transport):
        for target in TARGETS:
            await send(transport, make_request("OPTIONS", target))
    assert [request.line for request in origin.requests] == [b"OPTIONS %s HTTP/1.1" % target for target in TARGETS]


BAD_TARGETS = [
    b"/a b",
    b"/a\r\nx: y",
    b"/a\x00",
    b"/\x7f",
    b"/a HTTP/1.1\r\n\r\n",
    b"/caf\xe9",
    b"http://a.test/",
    b"a",
]
BAD_METHODS = ["CONNECT", "connect", "", "GE T", "GET / HTTP/1.1\r\nx:", "G\u00c9T", "GET\x00"]
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
        assert [await send(transport, request) for request in requests] == [OK_ANSWER] * 3
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


# A web server that does something wrong: an error that names it, never a response that is cut short in silence


async def outcome(script: Script, network: str = "tcp", idle_timeout: float = 0) -> httpx.HTTPError:
    """Return the error of a POST, which is the same streamed and buffered. Check that the connection is closed."""
    raised = []
    async with serving(script, network, idle_timeout=idle_timeout) as (origin, transport):
        for number, ask in enumerate((send, stream)):
            with pytest.raises(httpx.HTTPError) as caught:
                await ask(transport, make_request("POST", body=b"body"))
            raised.append(caught.value)
            await seen((await origin.peer(number)).gone)
    assert origin.connections == 2
    assert [(type(exc), str(exc)) for exc in raised[1:]] == [(type(exc), str(exc)) for exc in raised[:1]]
    return raised[0]


def saying(wire: bytes, end: Script = Peer.wait_until_gone) -> Script:
    """Answer with `wire`, and end like this: by default when the client has left."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire)
        end(peer)

    return script


def close(peer: Peer) -> None:
    peer.close()
    peer.gone.set()


def reset(peer: Peer) -> None:
    peer.wait_until_read()
    peer.reset()
    peer.gone.set()


# Connecting


async def test_a_connection_that_cannot_be_made_is_a_connect_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "bridge")
    with Origin(answering(OK)) as origin:
        origin.refuse()
        for transport in (
            origin.transport(idle_timeout=0),
            origin.transport(idle_timeout=4),
            SocketTransport(uds="/nowhere/app.sock"),
            SocketTransport(uds="/" + "x" * 200),
            SocketTransport(host="nobody.invalid"),
        ):
            with pytest.raises(httpx.ConnectError):
                await send(transport)
    assert caplog.records == []  # no used connection failed, so nothing is repeated


# The end comes too soon


CUT_SHORT = [
    b"",
    b"H",
    b"HTTP/1.1 200 OK\r\n",
    OK[:-4],
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 99,
    b"HTTP/1.0 200 OK\r\ncontent-length: 100\r\n\r\n",
    CHUNKED + b"A\r\n012345678",
    CHUNKED + b"A\r\n0123456789\r\n",
    CHUNKED + b"0\r\nx: 1\r\n",
]


@both_networks
@both_loops
async def test_an_end_within_a_response_is_an_error(network: str) -> None:
    for wire in CUT_SHORT:
        assert isinstance(await outcome(saying(wire, close), network, 4), httpx.RemoteProtocolError), wire


async def test_a_reset_within_a_response_is_an_error_whatever_its_frame() -> None:
    heads = [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\nab", OK[:-1], CHUNKED + b"5\r\nab"]
    for wire in heads:
        assert isinstance(await outcome(saying(wire, reset)), httpx.ReadError), wire


async def test_a_stream_gives_what_came_before_it_broke() -> None:
    wire = response(b"x" * 1000, length=2000)
    for end, error in ((close, httpx.RemoteProtocolError), (reset, httpx.ReadError)):
        came = b""
        async with serving(saying(wire, end)) as (_, transport):
            result = await transport.handle_async_request(make_request())
            parts = parts_of(result)
            while len(came) < 1000:
                came += await anext(parts)
            with pytest.raises(error):
                await anext(parts)
            await result.aclose()
        assert came == b"x" * 1000


# Answers that are not HTTP


HEAD = b"HTTP/1.1 200 OK\r\n"

# What the web server sends, and what the error says of it.
NOT_HTTP = [
    (b"\x15\x03\x01\x00\x02\x02F\r\n\r\n", "no status line of HTTP/1.1"),  # TLS
    (b"<html>\r\n<body>\r\n\r\n", "no status line of HTTP/1.1: it begins with b'<html>"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "no status line of HTTP/1.1: it begins with b'SSH"),
    (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "no status line of HTTP/1.1"),
    (b"HTTP/1.1 99 x\r\n\r\n", "illegal status line"),
    (b"HTTP/1.1 2000 x\r\n\r\n", "illegal status line"),
    (b"HTTP/2 200\r\n\r\n", "illegal status line"),
    # A switch that was not asked for.
    (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "the status 101"),
    (HEAD + b"nonsense\r\n\r\n", "illegal header line: bytearray(b'nonsense')"),
    (HEAD + b": x\r\n\r\n", "illegal header line"),
    (HEAD + b"a\x00b: x\r\n\r\n", "illegal header line"),
    (HEAD + b" a: b\r\n\r\n", "continuation line"),
    (HEAD + b"x" * 50_000 + b"\r\n\r\n", "illegal header line"),
    (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok?", "conflicting Content-Length"),
    (HEAD + b"content-length: 2, 3\r\n\r\nok?", "conflicting Content-Length"),
    (HEAD + b"content-length: +2\r\n\r\nok", "bad Content-Length"),
    (HEAD + b"content-length: -2\r\n\r\nok", "bad Content-Length"),
    (HEAD + b"content-length: " + b"9" * 5000 + b"\r\n\r\nok", "bad Content-Length"),
    (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "Transfer-Encoding"),
    (HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    (CHUNKED + b"ok\r\n0\r\n\r\n", "illegal chunk header"),
    (CHUNKED + b"-1\r\n", "illegal chunk header"),
    (CHUNKED + b"f" * 400 + b"\r\nok", "illegal chunk header"),
    (CHUNKED + b"1\r\nok\r\n0\r\n\r\n", "malformed chunk footer"),
    (CHUNKED + b"0" * 300_000, "a line of more than"),
    (CHUNKED + b"0\r\n" + b"a: b\r\n" * 50_000, "too long"),
    (HEAD + b"x: " + b"a" * 300_000 + b"\r\n\r\n", "a head of more than"),
    (HEAD + b"a: b\r\n" * 50_000, "a head of more than"),
    (b"HTTP/1.1 102 Processing\r\n\r\n" * 50_000, "a head of more than"),
    (response(b"", b"x: a\rb"), "illegal header line"),
    *[
        (response(b"", name + b": a" + control), "control bytes in the value")
        for name in (b"x", b"connection")
        for control in (b"\x01", b"\x7f")
    ],
]


async def test_an_answer_that_is_not_http_is_an_error_that_says_why() -> None:
    for wire, reason in NOT_HTTP:
        raised = await outcome(saying(wire), idle_timeout=4)
        assert isinstance(raised, httpx.RemoteProtocolError), wire[:99]
        assert reason in str(raised), wire[:99]
        assert len(str(raised)) <= 300, wire[:99]


async def test_a_whole_response_without_end_is_an_error_and_a_streamed_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = 1 << 20
    monkeypatch.setattr("bridge._messages.MAX_WHOLE", limit)

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(CHUNKED)
        while True:
            peer.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")

    async with serving(script) as (origin, transport):
        with pytest.raises(httpx.RemoteProtocolError, match="more than 1048576 bytes"):
            await send(transport)
        await seen((await origin.peer(0)).gone)
        result = await transport.handle_async_request(make_request())
        size, parts = 0, parts_of(result)
        while size <= 2 * limit:
            size += len(await anext(parts))
        await result.aclose()


# Timeouts


async def test_a_silent_web_server_is_a_read_timeout_after_the_requests_own_timeout() -> None:
    for wire in (b"", b"HTTP/1.1 200 OK\r\n"):
        async with serving(saying(wire)) as (origin, transport):
            with pytest.raises(httpx.ReadTimeout):
                await send(transport, make_request(timeout=0.05))
            await seen((await origin.peer(0)).gone)
