"""Applications that fail, and responses that are odd, in both modes; and what differs, because a real server is
stricter, or has sent already what a buffer still holds back.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.events import load
from tests.integration.modes import Pair, load_pair

SOURCE = """
import asyncio
from bridge import Bridge

async def answer(send, *headers, status=200, body=b"fine", more=False):
    pairs = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": more})

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await receive()
    path = scope["path"]
    if path == "/raises":
        raise ValueError("no")
    elif path == "/raises behind its answer":
        await answer(send)
        raise ValueError("no")
    elif path == "/is cancelled":
        raise asyncio.CancelledError()
    elif path == "/is silent":
        return
    elif path == "/body first":
        await send({"type": "http.response.body", "body": b"fine"})
    elif path == "/text headers":
        await answer(send, ("x-a", "b"))
    elif path == "/no headers":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
    elif path == "/upper case and repeats":
        await answer(send, (b"X-Abc", b"1"), (b"x-abc", b"2"), (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"))
    elif path == "/hop by hop":
        await answer(send, (b"connection", b"close"), (b"keep-alive", b"1"), (b"transfer-encoding", b"chunked"))
    elif path == "/server's headers":
        await answer(send, (b"date", b"now"), (b"server", b"mine"), (b"via", b"x"))
    elif path == "/bytes in headers":
        await answer(send, (b"x-utf-8", "\\u00e9".encode()), (b"x-latin-1", b"\\xe9"), (b"x-empty", b""))
    elif path == "/a long header":
        await answer(send, (b"x-a", b"z" * 60_000))
    elif path == "/many headers":
        await answer(send, *[(b"x-%d" % number, b"z") for number in range(500)])
    elif path == "/nothing":
        await answer(send, (b"content-length", b"0"), status=204, body=b"")
    elif path == "/a body that may not be":
        await answer(send, status=204)
    elif path == "/not modified":
        await answer(send, (b"etag", b"x"), (b"content-length", b"100"), status=304, body=b"")
    elif path == "/status 599":
        await answer(send, status=599)
    elif path == "/compressed":
        await answer(send, (b"content-encoding", b"gzip"), body=b"\\x1f\\x8b\\xff")
    elif path == "/in parts":
        await answer(send, more=True)
        for part in (b"", b"a", b"", b"b"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})
    elif path == "/waits for the end":
        await answer(send)
        assert (await receive())["type"] == "http.disconnect"

    elif path == "/raises half way":
        await answer(send, more=True)
        raise ValueError("no")
    elif path == "/stops half way":
        await answer(send, more=True)
    elif path == "/unknown message":
        await answer(send, more=True)
        await send({"type": "http.response.surprise"})
    elif path == "/answers twice":
        await answer(send)
        await answer(send)
    elif path == "/control byte":
        await answer(send, (b"x-a", b"a\\x01b"))
    elif path == "/line break":
        await answer(send, (b"x-a", b"a\\r\\nx-b: c"))
    elif path == "/bad name":
        await answer(send, (b"x a", b"b"))
    elif path == "/text status":
        await answer(send, status="200")
    elif path == "/space around":
        await answer(send, (b"x-a", b" a "))
    elif path == "/too long":
        await answer(send, (b"content-length", b"2"))
    elif path == "/too short":
        await answer(send, (b"content-length", b"10"))
    elif path == "/status 600":
        await answer(send, status=600)
    elif path == "/status 199":
        await answer(send, status=199)
    elif path == "/200 kB of headers":
        await answer(send, *[(b"x-%d" % number, b"z" * 10_000) for number in range(20)])
    elif path == "/named by connection":
        await answer(send, (b"connection", b"x-a"), (b"x-a", b"1"), (b"proxy-authenticate", b"Basic"))

handler = Bridge(app)
"""

SAME = {
    "/raises": 500,
    "/raises behind its answer": 200,
    "/is cancelled": 500,
    "/is silent": 500,
    "/body first": 500,
    "/text headers": 200,
    "/no headers": 200,
    "/upper case and repeats": 200,
    "/hop by hop": 200,
    "/server's headers": 200,
    "/bytes in headers": 200,
    "/a long header": 200,
    "/many headers": 200,
    "/nothing": 204,
    "/a body that may not be": 204,
    "/not modified": 304,
    "/status 599": 599,
    "/compressed": 200,
    "/in parts": 200,
    "/waits for the end": 200,
}

# The status codes in process and behind a real server. In each of these the application is broken, or does what no
# server lets pass.
DIFFERENT = {
    # In process the whole answer was held back, and becomes a 500. Here its head is on its way.
    "/raises half way": (500, 502),
    "/stops half way": (500, 502),
    "/unknown message": (500, 502),
    "/answers twice": (500, 200),
    # The server's own checks of a response stand behind its head.
    "/control byte": (500, 502),
    "/line break": (500, 502),
    "/bad name": (500, 502),
    "/text status": (500, 502),
    "/space around": (200, 502),
    "/too long": (200, 502),
    "/too short": (200, 502),
    "/status 600": (600, 502),
    "/status 199": (199, 502),
    "/200 kB of headers": (200, 502),
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with load_pair(tmp_path_factory.mktemp("failures"), SOURCE) as pair:
        yield pair


def event_for(path: str, method: str) -> dict[str, Any]:
    return load("alb_multi", path=path, httpMethod=method)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", SAME)
def test_the_answer_is_the_same(pair: Pair, path: str, method: str) -> None:
    assert pair.answer(event_for(path, method))["statusCode"] == SAME[path]


@pytest.mark.parametrize("path", DIFFERENT)
def test_the_answer_of_a_broken_application_differs_in_a_known_way(pair: Pair, path: str) -> None:
    results = pair.ask(event_for(path, "GET"))
    assert tuple(result["statusCode"] for result in results) == DIFFERENT[path]


def test_hop_by_hop_headers_of_any_kind_end_at_the_socket(pair: Pair) -> None:
    """In process there is no hop to keep them from: those that AWS does not understand go, and no other."""
    in_process, proxied = pair.ask(event_for("/named by connection", "GET"))
    kind = {"content-type": ["text/plain"]}
    assert in_process["multiValueHeaders"] == kind | {"x-a": ["1"], "proxy-authenticate": ["Basic"]}
    assert proxied["multiValueHeaders"] == kind


def test_the_next_request_is_answered_after_every_one_of_them(pair: Pair) -> None:
    for path in (*SAME, *DIFFERENT):
        pair.ask(event_for(path, "GET"))
        assert pair.answer(event_for("/in parts", "GET"))["body"] == "fineab"


def test_the_application_s_traceback_is_on_stderr(pair: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    pair.proxied(event_for("/raises", "GET"), None)
    # stderr is passed on by a thread: what follows is a request whose own lines come later than these.
    lines = ""
    while "ValueError: no" not in lines:
        lines += capfd.readouterr().err
    assert 'raise ValueError("no")' in lines
