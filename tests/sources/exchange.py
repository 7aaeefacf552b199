"""One event through Bridge, with an application that keeps what it was given and answers what it was told to."""

from base64 import b64decode
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from bridge import Bridge, Settings
from bridge._types import Message, Receive, Scope, Send

__all__ = ["CONTEXT", "FIELDS", "JSON_RESPONSE", "Answer", "answer", "as_client", "expected_scope", "scope_of"]

CONTEXT: Final = object()

# Where each base event keeps the parts of its request, as `load` takes them.
FIELDS: Final[dict[str, dict[str, str]]] = {
    "alb": {"method": "httpMethod", "path": "path", "body": "body", "base64": "isBase64Encoded"},
    "alb_multi": {"method": "httpMethod", "path": "path", "body": "body", "base64": "isBase64Encoded"},
    "function_url": {
        "method": "requestContext__http__method",
        "path": "rawPath",
        "body": "body",
        "base64": "isBase64Encoded",
    },
    "http_api_v1": {"method": "httpMethod", "path": "path", "body": "body", "base64": "isBase64Encoded"},
    "http_api_v2": {
        "method": "requestContext__http__method",
        "path": "rawPath",
        "body": "body",
        "base64": "isBase64Encoded",
    },
    "lambda_edge": {
        "method": "Records__0__cf__request__method",
        "path": "Records__0__cf__request__uri",
        "body": "Records__0__cf__request__body__data",
    },
    "rest_api": {"method": "httpMethod", "path": "path", "body": "body", "base64": "isBase64Encoded"},
    "vpc_lattice_v1": {"method": "method", "path": "raw_path", "body": "body", "base64": "is_base64_encoded"},
    "vpc_lattice_v2": {"method": "method", "path": "path", "body": "body", "base64": "isBase64Encoded"},
}


@dataclass
class Answer:
    """An application with one answer. `scope` and `body`: what it was last given; `scope` is empty before that."""

    status: int = 200
    headers: Iterable[tuple[bytes, bytes]] = ()
    content: bytes = b""
    scope: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.body = dict(scope), b""
        message: Message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            self.body += message["body"]
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.content})


# Everything that sources treat differently: repeats, cookies with a comma, names in any case.
JSON_RESPONSE: Final[dict[str, Any]] = {
    "status": 201,
    "headers": [
        (b"Content-Type", b"application/json"),
        (b"content-length", b"9"),
        (b"Vary", b"accept"),
        (b"vary", b"cookie"),
        (b"set-cookie", b"a=1; Path=/"),
        (b"Set-Cookie", b"b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
    ],
    "content": b'{"id": 7}',
}


def answer(event: dict[str, Any], app: Answer | None = None, settings: Settings | None = None) -> dict[str, Any]:
    """Return the result of one invocation."""
    with closing(Bridge(app or Answer(), lifespan="off", settings=settings)) as handler:
        return handler(event, CONTEXT)


def scope_of(event: dict[str, Any], settings: Settings | None = None) -> dict[str, Any]:
    """Return the scope that the application sees for `event`."""
    app = Answer()
    answer(event, app, settings)
    assert app.scope, "the application was not called"
    return app.scope


def expected_scope(event: dict[str, Any], **entries: object) -> dict[str, object]:
    """Return the scope of the request that the base events describe, with other `entries` where a source differs."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/orders/café",
        "raw_path": b"/orders/caf%C3%A9",
        "query_string": b"tag=a&tag=b&q=x+y%26z",
        "root_path": "",
        "aws.event": event,
        "aws.context": CONTEXT,
        **entries,
    }


def as_client(result: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the status, sorted header pairs and body that AWS makes from a result of any source."""
    if "bodyEncoding" in result:
        pairs = [(item["key"].lower(), item["value"]) for items in result["headers"].values() for item in items]
        return int(result["status"]), sorted(pairs), _bytes(result["body"], result["bodyEncoding"] == "base64")
    pairs = [(name.lower(), value) for name, value in result.get("headers", {}).items()]
    pairs += [(name, value) for name, values in result.get("multiValueHeaders", {}).items() for value in values]
    pairs += [("set-cookie", value) for value in result.get("cookies", [])]
    return result["statusCode"], sorted(pairs), _bytes(result["body"], result["isBase64Encoded"])


def _bytes(body: str, is_base64: bool) -> bytes:
    return b64decode(body, validate=True) if is_base64 else body.encode("utf-8")
