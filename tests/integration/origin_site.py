"""The site that every web server under Proxy serves in these tests: as ASGI, as WSGI and, in node_site.mjs, in Node.

`/echo` gives the body back, `/parts` a body in parts, `/cookies` two cookies, `/large` 6 MB, `/status/CODE` that
status, `/missing` a 404. `/gate` stays half-way through its body until another request posts to it. The response
to every other path is a report on the request.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, NamedTuple

from bridge._types import Receive, Scope, Send

__all__ = ["COOKIES", "LARGE", "MOST", "PARTS", "asgi", "wsgi"]

COOKIES = ("session=def; Path=/; HttpOnly", "theme=dark; Path=/")
LARGE = bytes(range(256)) * (6 * 1024 * 4)  # 6 MB
MOST = 780_000  # of it, as a load balancer takes results of 1 MB, in which binary bodies are in base64
PARTS = tuple(f"part {number}, café\n".encode() for number in range(5))
_GATE = (b"closed\n", b"open\n")

Pairs = list[tuple[str, str]]
StartResponse = Callable[[str, Pairs], object]


class Answer(NamedTuple):
    """`parts` without a content-length among `headers` are sent as they come."""

    status: int
    headers: Pairs
    parts: Iterable[bytes]


def _answer(method: str, target: str, headers: Pairs, body: bytes) -> Answer:
    path = target.partition("?")[0]
    if path == "/echo":
        types = [pair for pair in headers if pair[0] == "content-type"]
        return _whole(200, types, body, method)
    if path == "/parts":
        return Answer(200, [("content-type", "text/plain; charset=utf-8")], PARTS)
    if path == "/cookies":
        return _whole(200, [("set-cookie", cookie) for cookie in COOKIES], b"", method)
    if path == "/large":
        return _whole(200, [("content-type", "application/octet-stream")], LARGE, method)
    if path.startswith("/status/"):
        return Answer(int(path.removeprefix("/status/")), [("etag", '"1"')], ())
    if path == "/missing":
        return _whole(404, [("content-type", "text/plain")], b"There is no such page.", method)
    report = {
        "method": method,
        "target": target,
        "headers": _joined(headers),
        "body": body.decode("latin-1"),
    }
    return _whole(200, [("content-type", "application/json")], json.dumps(report).encode("ascii"), method)


def _whole(status: int, headers: Pairs, body: bytes, method: str) -> Answer:
    return Answer(status, [*headers, ("content-length", str(len(body)))], (body,) if method != "HEAD" else ())


def _joined(headers: Pairs) -> dict[str, str]:
    """Return one value for each name, as CGI has it."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


_asgi_gate = asyncio.Event()
_wsgi_gate = threading.Event()


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """The site as an ASGI application."""
    if scope["type"] != "http":
        return
    body = b"".join([part async for part in _parts_of(receive)])
    query = scope["query_string"].decode("ascii")
    path = scope["raw_path"].decode("ascii")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    if path == "/gate":
        await _pass_gate(scope["method"], send)
        return
    answer = _answer(scope["method"], f"{path}?{query}" if query else path, headers, body)
    await _send_head(answer.status, answer.headers, send)
    for part in answer.parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def _parts_of(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _send_head(status: int, headers: Pairs, send: Send) -> None:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def _pass_gate(method: str, send: Send) -> None:
    await _send_head(200, [("content-type", "text/plain")], send)
    if method == "POST":
        _asgi_gate.set()
    else:
        await send({"type": "http.response.body", "body": _GATE[0], "more_body": True})
        await _asgi_gate.wait()
        _asgi_gate.clear()
        await send({"type": "http.response.body", "body": _GATE[1], "more_body": True})
    await send({"type": "http.response.body"})


def wsgi(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """The same as a WSGI application; gunicorn has the request-target in RAW_URI."""
    method, target = environ["REQUEST_METHOD"], environ["RAW_URI"]
    if target == "/gate":
        start_response("200 OK", [("content-type", "text/plain")])
        return _wsgi_gate_parts(method)
    body = environ["wsgi.input"].read()
    answer = _answer(method, target, _cgi_headers(environ), body)
    start_response(f"{answer.status} Whatever", answer.headers)
    return answer.parts


def _wsgi_gate_parts(method: str) -> Iterator[bytes]:
    if method == "POST":
        _wsgi_gate.set()
        return
    yield _GATE[0]
    _wsgi_gate.wait()
    _wsgi_gate.clear()
    yield _GATE[1]


def _cgi_headers(environ: dict[str, Any]) -> Pairs:
    named = [(key.removeprefix("HTTP_"), value) for key, value in environ.items() if key.startswith("HTTP_")]
    named += [(key, environ[key]) for key in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(key)]
    return [(key.lower().replace("_", "-"), value) for key, value in named]
