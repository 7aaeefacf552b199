"""Run `python sample_apps/demo.py`: the hello application answers a client of every AWS service, once with a stream.

The exit code is 1 if an answer is not the expected one.
"""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

import httpx
from hello.app import app
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge import Bridge
from bridge.testing import LambdaTransport

WIDTH = min(shutil.get_terminal_size(fallback=(100, 24)).columns, 120)
LABEL = 20

# Bodies are shown up to this many characters, and their whole length with them.
MAX_BODY = 200


class Case(NamedTuple):
    """A service and its set-up, the client's request, and the answer: status, and the first bytes of the body."""

    title: str
    source: Any
    options: dict[str, Any]
    sent: str
    status: int
    body: bytes


JSON, HTML, TEXT, PNG = b'{"method":', b"<!doctype html>", b"3\n2\n1\nHello, world!\n", b"\x89PNG\r\n"

CASES = [
    Case(
        "REST API, stage prod", "rest-api", {"stage": "prod"}, "GET /prod/echo/a%20b?tag=red&tag=dark+blue", 200, JSON
    ),
    Case("HTTP API, payload 1.0", "http-api-v1", {}, "POST /echo/greetings", 200, JSON),
    Case(
        "HTTP API, payload 2.0, stage staging", "http-api", {"stage": "staging"}, "GET /staging/remember/Ada", 303, b""
    ),
    Case("Function URL", "function-url", {}, "GET /", 200, HTML),
    Case("Function URL, binary body", "function-url", {}, "GET /picture", 200, PNG),
    Case("Function URL, streamed", "function-url", {"stream": True}, "GET /countdown", 200, TEXT),
    Case("Load balancer", "alb", {}, "GET /remember/Grace%20Hopper", 303, b""),
    Case("Load balancer, multi-value headers", "alb-multi", {}, "GET /echo/search?tag=a%2Bb&tag=c", 200, JSON),
    Case("Lambda@Edge, viewer request", "edge-viewer", {}, "GET /countdown", 200, TEXT),
    Case("Lambda@Edge, origin request", "edge-origin", {}, "POST /echo/form?draft=1", 200, JSON),
    Case("VPC Lattice, version 1", "lattice-v1", {}, "PUT /echo/orders/17?dry_run=true", 200, JSON),
    Case("VPC Lattice, version 2", "lattice-v2", {}, "GET /echo/orders?status=open&status=paid", 200, JSON),
]


class Witness:
    """ASGI middleware that remembers the scope of the last request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        await self.app(scope, receive, send)


def main(cases: Sequence[Case] = CASES) -> int:
    """Send every request, show what happens, and return the exit code."""
    witness = Witness(app)
    with closing(Bridge(witness)) as handler:
        as_expected = [answer(case, handler, witness) for case in cases]
    print(f"{sum(as_expected)} of {len(as_expected)} requests were answered as expected.")
    return 0 if all(as_expected) else 1


def answer(case: Case, handler: Bridge, witness: Witness) -> bool:
    """Show one request and its answer, and return whether the answer is the expected one."""
    method, target = case.sent.split(" ")
    transport = LambdaTransport(handler, case.source, **case.options)
    body = b"" if method == "GET" else b"Hi!"
    with (
        httpx.Client(transport=transport, base_url="https://hello.example") as client,
        client.stream(method, target, content=body) as response,
    ):
        parts = list(response.iter_raw())
    print(f"{case.title} ".ljust(WIDTH, "-"))
    row("client sent", case.sent)
    row("event", ", ".join(witness.scope["aws.event"]))
    row("app saw", f"path {witness.scope['path']!r}, root_path {witness.scope['root_path']!r}")
    row("", f"client {witness.scope['client']}, scheme {witness.scope['scheme']}")
    row("client got", f"{response.status_code}, {response.headers.get('content-type', 'no content type')}")
    for name in ("location", "set-cookie"):
        if name in response.headers:
            row("", f"{name}: {response.headers[name]}")
    for part in parts if case.options.get("stream") else [b"".join(parts)]:
        row("part" if case.options.get("stream") else "body", shortened(part))
    return report(find_problems(case, witness.scope, response.status_code, b"".join(parts)))


def report(problems: list[str]) -> bool:
    for problem in problems:
        row("NOT AS EXPECTED", problem)
    print()
    return not problems


def row(label: str, text: str) -> None:
    first, rest = f"  {label:{LABEL - 3}} ", " " * LABEL
    print(textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False))


def shortened(body: bytes) -> str:
    text = repr(body)[2:-1] or "(empty)"
    return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]}... ({len(body)} bytes)"


def find_problems(case: Case, scope: Scope, status: int, body: bytes) -> list[str]:
    query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
    comparisons = [
        ("request", f"{scope['method']} {scope['raw_path'].decode()}{query}", case.sent),
        ("status", status, case.status),
        ("body", body[: len(case.body)], case.body),
    ]
    return [f"{name}: Expected {expected!r}, but got {got!r}" for name, got, expected in comparisons if got != expected]


if __name__ == "__main__":
    sys.exit(main())
