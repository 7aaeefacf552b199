"""Run `python sample_apps/demo.py`: the hello application answers an event of every source, and streams one answer.

The exit code is 1 if an answer is not the expected one.
"""

import asyncio
import json
import shutil
import sys
import textwrap
from base64 import b64decode
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from hello.app import app
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge import Bridge

EVENTS = Path(__file__).parent / "hello" / "events"
WIDTH = min(shutil.get_terminal_size(fallback=(100, 24)).columns, 120)
LABEL = 20

# Bodies are shown up to this many characters, and their whole length with them.
MAX_BODY = 200


class Case(NamedTuple):
    """An event, the request that caused it, and the answer: status, fields with headers, the body's first bytes."""

    event: str
    source: str
    sent: str
    status: int | str
    fields: list[str]
    body: bytes


ONE, MANY, COOKIES = ["headers"], ["multiValueHeaders"], ["headers", "cookies"]
JSON, HTML, TEXT, PNG = b'{"method":', b"<!doctype html>", b"3\n2\n1\nHello, world!\n", b"\x89PNG\r\n"

CASES = [
    Case("rest_api", "REST API, stage prod", "GET /prod/echo/a%20b?tag=red&tag=dark+blue", 200, MANY, JSON),
    Case("http_api_v1", "HTTP API, payload 1.0", "POST /echo/greetings", 200, MANY, JSON),
    Case("http_api_v2", "HTTP API, payload 2.0, stage staging", "GET /staging/remember/Ada", 303, COOKIES, b""),
    Case("function_url", "Function URL", "GET /", 200, COOKIES, HTML),
    Case("function_url_picture", "Function URL, binary body", "GET /picture", 200, COOKIES, PNG),
    Case("alb", "Load balancer", "GET /remember/Grace%20Hopper", 303, ONE, b""),
    Case("alb_multi", "Load balancer, multi-value headers", "GET /echo/search?tag=a%2Bb&tag=c", 200, MANY, JSON),
    Case("lambda_edge_viewer_request", "Lambda@Edge, viewer request", "GET /countdown", "200", ONE, TEXT),
    Case("lambda_edge_origin_request", "Lambda@Edge, origin request", "POST /echo/form?draft=1", "200", ONE, JSON),
    Case("vpc_lattice_v1", "VPC Lattice, version 1", "PUT /echo/orders/17?dry_run=true", 200, ONE, JSON),
    Case("vpc_lattice_v2", "VPC Lattice, version 2", "GET /echo/orders?status=open&status=paid", 200, ONE, JSON),
]
STREAMED = Case("function_url_countdown", "Function URL, streamed", "GET /countdown", 200, COOKIES, TEXT)


class Witness:
    """ASGI middleware that remembers the scope of the last request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        await self.app(scope, receive, send)


def main(cases: Sequence[Case] = CASES) -> int:
    """Answer every event, show what happens, and return the exit code."""
    witness = Witness(app)
    with closing(Bridge(witness)) as handler:
        as_expected = [answer(case, handler, witness) for case in cases]
    as_expected.append(asyncio.run(stream(STREAMED, witness)))
    print(f"{sum(as_expected)} of {len(as_expected)} events were answered as expected.")
    return 0 if all(as_expected) else 1


def answer(case: Case, handler: Bridge, witness: Witness) -> bool:
    """Show one event and its result, and return whether the result is the expected one."""
    result = handler(read_event(case), None)
    show_request(case, witness.scope)
    row("status", repr(status_of(result)))
    for field in header_fields(result):
        row(field, json.dumps(result[field]))
    if result.get("isBase64Encoded"):
        row("isBase64Encoded", "true")
    row("body", shortened(result["body"]))
    return report(find_problems(case, witness.scope, result, body_of(result)))


async def stream(case: Case, witness: Witness) -> bool:
    """Show each part of an answer as the application sends it, and return whether it is the expected one."""
    parts = []
    async with Bridge(witness) as handler, handler.stream(read_event(case), None) as response:
        show_request(case, witness.scope)
        row("prelude", json.dumps(response.prelude))
        async for part in response.body:
            row("part", repr(part))
            parts.append(part)
    return report(find_problems(case, witness.scope, response.prelude, b"".join(parts)))


def read_event(case: Case) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{case.event}.json").read_bytes())
    return event


def show_request(case: Case, scope: Scope) -> None:
    print(f"{case.source} ".ljust(WIDTH, "-"))
    row("client sent", case.sent)
    row("app saw", f"path {scope['path']!r}, root_path {scope['root_path']!r}")
    row("", f"client {scope['client']}, scheme {scope['scheme']}")


def report(problems: list[str]) -> bool:
    for problem in problems:
        row("NOT AS EXPECTED", problem)
    print()
    return not problems


def row(label: str, text: str) -> None:
    first, rest = f"  {label:{LABEL - 3}} ", " " * LABEL
    print(textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False))


def shortened(body: str) -> str:
    text = " ".join(body.split()) or "(empty)"
    return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]}... ({len(body)} characters)"


def find_problems(case: Case, scope: Scope, result: dict[str, Any], body: bytes) -> list[str]:
    query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
    comparisons = [
        ("request", f"{scope['method']} {scope['raw_path'].decode()}{query}", case.sent),
        ("status", status_of(result), case.status),
        ("fields", header_fields(result), case.fields),
        ("body", body[: len(case.body)], case.body),
    ]
    return [f"{name}: Expected {expected!r}, but got {got!r}" for name, got, expected in comparisons if got != expected]


def body_of(result: dict[str, Any]) -> bytes:
    body: str = result["body"]
    return b64decode(body) if result.get("isBase64Encoded") else body.encode()


def status_of(result: dict[str, Any]) -> Any:
    """Return the status, for which Lambda@Edge has another name and uses a string."""
    return result.get("statusCode", result.get("status"))


def header_fields(result: dict[str, Any]) -> list[str]:
    return [field for field in ("headers", "multiValueHeaders", "cookies") if field in result]


if __name__ == "__main__":
    sys.exit(main())
