"""What cannot be framed safely never reaches a web server: uvicorn with each of its parsers."""

from contextlib import aclosing

import pytest

from bridge._httpx import httpx
from bridge._messages import EventRequest
from bridge._types import HeaderPairs, Receive, Scope, Send
from bridge.proxy.transport import SocketTransport
from tests.apps import START, part, sending
from tests.integration.servers import HOST, BackgroundServer

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

# A request in the body, or after the end of a target, a method, a header.
SMUGGLED = b"POST /hooks/restored HTTP/1.1\r\nhost: e\r\nx-amz-tenant-id: victim\r\ncontent-length: 0\r\n\r\n"
TEXT = f" HTTP/1.1\r\nhost: e\r\n\r\n{SMUGGLED.decode()}"

OWN: HeaderPairs = [(b"host", b"app.test")]

REFUSED: list[tuple[str, bytes, HeaderPairs]] = [
    ("CONNECT", b"/x", OWN),
    ("CONNECT", b"app.test:443", OWN),
    ("connect", b"/x", OWN),
    ("GET /" + TEXT, b"/", OWN),
    ("GET\t", b"/", OWN),
    ("GET", b"/" + TEXT.encode(), OWN),
    ("GET", b"/\tx", OWN),
    ("GET", b"x", OWN),
    ("GET", b"http://other.test/", OWN),
    ("GET", b"*", OWN),
    ("GET", b"/", [*OWN, (b"host", b"b.test")]),
    ("GET", b"/", [*OWN, (b"x", b"1\r\n\r\n" + SMUGGLED)]),
    ("GET", b"/", [*OWN, (b"x: 1\r\n\r\n" + SMUGGLED, b"1")]),
    ("POST", b"/", [*OWN, (b"content-length", b"0")]),
    ("POST", b"/", [*OWN, (b"content-length", b"%d" % len(SMUGGLED)), (b"content-length", b"0")]),
    ("POST", b"/", [*OWN, (b"content-length", b"+%d" % len(SMUGGLED))]),
]

# These are sent, without what could frame the body in another way.
HARMLESS: list[HeaderPairs] = [
    [*OWN, (b"transfer-encoding", b"chunked")],
    [*OWN, (b"transfer_encoding", b"chunked"), (b"content_length", b"0")],
    [*OWN, (b"connection", b"upgrade, host, content-length"), (b"upgrade", b"h2c"), (b"http2-settings", b"AAMAAABk")],
    [*OWN, (b"connection", b"close"), (b"te", b"trailers"), (b"trailer", b"x")],
]


@pytest.mark.parametrize("parser", ["h11", "httptools"])
async def test_no_request_but_the_clients_own_reaches_the_server(parser: str) -> None:
    seen: list[tuple[str, bytes, int]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        seen.append((scope["method"], scope["raw_path"], len(body + message["body"])))
        await sending(START, part(b"ok"))(scope, receive, send)

    with BackgroundServer(app, http=parser) as server:
        async with aclosing(SocketTransport(host=HOST, port=server.port, idle_timeout=4)) as transport:
            for method, target, headers in REFUSED:
                with pytest.raises(httpx.LocalProtocolError):
                    await transport.handle_async_request(EventRequest(method, target, headers, SMUGGLED, {}))
            for headers in HARMLESS:
                response = await transport.handle_async_request(EventRequest("POST", b"/own", headers, SMUGGLED, {}))
                assert (response.status_code, await response.aread()) == (200, b"ok")
    assert seen == [("POST", b"/own", len(SMUGGLED))] * len(HARMLESS)
