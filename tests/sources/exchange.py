"""One event through Bridge, with an application that keeps what it was given and answers what it was told to."""

from base64 import b64decode
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from bridge import Bridge, Settings
from bridge._types import Message, Receive, Scope, Send

__all__ = ["CONTEXT", "FIELDS", "JSON_RESPONSE", "Answer", "answer", "as_client", "scope_of"]

CONTEXT: Final = object()

# Where each base event keeps the parts of its request, as `load` takes them.
_PAYLOAD_V1 = {"method": "httpMethod", "path": "path", "body": "body", "base64": "isBase64Encoded"}
_PAYLOAD_V2 = {**_PAYLOAD_V1, "method": "requestContext__http__method", "path": "rawPath"}
_LATTICE = {**_PAYLOAD_V1, "method": "method"}
_EDGE = {"method": "method", "path": "uri", "body": "body__data"}
FIELDS: Final[dict[str, dict[str, str]]] = {
    "alb": _PAYLOAD_V1,
    "alb_multi": _PAYLOAD_V1,
    "function_url": _PAYLOAD_V2,
    "http_api_v1": _PAYLOAD_V1,
    "http_api_v2": _PAYLOAD_V2,
    "lambda_edge": {part: f"Records__0__cf__request__{key}" for part, key in _EDGE.items()},
    "rest_api": _PAYLOAD_V1,
    "vpc_lattice_v1": {**_LATTICE, "path": "raw_path", "base64": "is_base64_encoded"},
    "vpc_lattice_v2": _LATTICE,
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


def as_client(result: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the status, sorted header pairs and body that AWS makes from a result of any source."""
    if "status" in result:
        pairs = [(item["key"].lower(), item["value"]) for items in result["headers"].values() for item in items]
        return (
            int(result["status"]),
            sorted(pairs),
            _bytes(result.get("body", ""), result.get("bodyEncoding") == "base64"),
        )
    headers = [*result.get("headers", {}).items(), *result.get("multiValueHeaders", {}).items()]
    pairs = [
        (name.lower(), value)
        for name, values in headers
        for value in (values if isinstance(values, list) else [values])
    ]
    pairs += [("set-cookie", value) for value in result.get("cookies", [])]
    return result["statusCode"], sorted(pairs), _bytes(result["body"], result["isBase64Encoded"])


def _bytes(body: str, is_base64: bool) -> bytes:
    return b64decode(body, validate=True) if is_base64 else body.encode("utf-8")
