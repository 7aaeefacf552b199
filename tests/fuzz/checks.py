"""What must be true of every scope and every result, whatever the event was."""

import hashlib
import json
import re
from typing import Any
from urllib.parse import unquote

from bridge._types import Receive, Scope, Send
from bridge.handler import Handler
from bridge.testing.messages import ClientResponse, by_name
from tests.sources.exchange import as_client

__all__ = ["MARKER", "Echo", "check_result", "check_scope", "comparable", "echo_of", "streamed"]

# The header that tells one request from all others. The application answers with it.
MARKER = "x-marker"

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_TARGET = re.compile(rb"/[\x21-\x22\x24-\x3e\x40-\x7e]*")
_QUERY = re.compile(rb"[\x21-\x7e]*")

# The headers that an application trusts, in any spelling that CGI cannot tell from another.
_OF_SERVERS = {b"x-amzn-request-context", b"x-amzn-lambda-context", b"x-amz-tenant-id"}


class Echo:
    """An ASGI application that answers with the request's marker and a digest of its body, and keeps its scope."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.scope: Scope | None = None
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        self.scope, self.body = scope, body
        marker = MARKER.encode()
        headers = [(b"content-type", b"text/plain"), *(pair for pair in scope["headers"] if pair[0] == marker)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": echo_of(body)})


def echo_of(body: bytes) -> bytes:
    """Return the body of the response to a request with `body`: short, because services limit a result's size."""
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


def check_scope(scope: Scope, body: bytes) -> None:
    """Assert that an application can trust the form of this scope (ASGI HTTP specification, Connection Scope)."""
    assert _TOKEN.fullmatch(scope["method"].encode("ascii"))
    assert scope["method"] != "CONNECT"
    if scope["method"] == "OPTIONS" and scope["raw_path"] == b"*":  # RFC 9112, 3.2.4
        return
    assert scope["path"].startswith("/")
    assert scope["path"].startswith(scope["root_path"])
    assert scope["root_path"].startswith("/") or scope["root_path"] == ""
    assert scope["path"].encode("utf-8") is not None
    assert _TARGET.fullmatch(scope["raw_path"]), scope["raw_path"]
    assert unquote(scope["raw_path"].decode("ascii")) == scope["path"]
    assert _QUERY.fullmatch(scope["query_string"])
    assert scope["scheme"] in ("http", "https")
    assert scope["http_version"] in ("1.0", "1.1", "2", "3")
    for address in (scope["client"], scope["server"]):
        assert address is None or (type(address[0]) is str and type(address[1]) is int)
    _check_request_headers(scope["headers"], body)


def _check_request_headers(pairs: list[tuple[bytes, bytes]], body: bytes) -> None:
    for name, value in pairs:
        assert _TOKEN.fullmatch(name), name
        assert name == name.lower()
        assert _VALUE.fullmatch(value), value
        assert name.replace(b"_", b"-") not in _OF_SERVERS
    assert [value for name, value in pairs if name == b"transfer-encoding"] == []
    lengths = [value for name, value in pairs if name == b"content-length"]
    assert lengths in ([], [b"%d" % len(body)])
    assert lengths or not body
    assert sum(name == b"cookie" for name, _ in pairs) < 2


def check_result(result: dict[str, Any]) -> ClientResponse:
    """Return what the client gets. Assert that Lambda and the service accept the result, and that no header splits."""
    as_json = json.dumps(result, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert json.loads(as_json) == result
    status, pairs, body = as_client(result)
    for name, value in pairs:
        assert _TOKEN.fullmatch(name.encode("ascii")), name
        assert _VALUE.fullmatch(value.encode("utf-8")), value
    assert [value for name, value in pairs if name == "content-length"] in ([], [str(len(body))]) or not body
    assert status not in (204, 304) or body == b""
    return ClientResponse(status, tuple(pairs), body)


async def streamed(handler: Handler, event: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return a streamed response as a result without its body, and its body. Raises what its body raises."""
    async with handler.stream(event, None) as response:
        body = b"".join([part async for part in response.body])
        return {**response.prelude, "body": "", "isBase64Encoded": False}, body


def comparable(response: ClientResponse) -> tuple[int, dict[str, str], bytes]:
    """Return a response without the differences between buffered and streamed results.

    A stream has no content-length, and sources join repeated headers or not. Tables test the order of their values.
    """
    grouped = by_name(response.headers).items()
    headers = {name: ", ".join(sorted(", ".join(values).split(", "))) for name, values in grouped}
    headers.pop("content-length", None)
    return response.status, headers, response.body
