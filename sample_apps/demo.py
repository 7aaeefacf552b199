"""The hello application answers an event of every source: `python sample_apps/demo.py`.

The exit code is 1 if a source is not answered as expected.
"""

import json
import shutil
import sys
import timeit
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from hello.app import app
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge import Bridge

EVENTS = Path(__file__).parent / "hello" / "events"
WIDTH = min(shutil.get_terminal_size(fallback=(100, 24)).columns, 120)
CALLS, ROUNDS = 20, 5


class Case(NamedTuple):
    """An event of a source, the request that caused it, and the answer: status, fields with headers, start of body."""

    event: str
    source: str
    sent: str
    status: int | str
    fields: list[str]
    body: str


ONE, MANY, COOKIES = ["headers"], ["multiValueHeaders"], ["headers", "cookies"]
JSON, HTML, TEXT = '{"method":', "<!doctype html>", "3\n2\n1\n"

CASES = [
    Case("rest_api", "REST API, stage prod", "GET /prod/echo/a%20b?tag=red&tag=dark+blue", 200, MANY, JSON),
    Case("http_api_v1", "HTTP API, payload 1.0", "POST /echo/greetings", 200, MANY, JSON),
    Case("http_api_v2", "HTTP API, payload 2.0, stage staging", "GET /staging/remember/Ada", 303, COOKIES, ""),
    Case("function_url", "Function URL", "GET /", 200, COOKIES, HTML),
    Case("alb", "Load balancer", "GET /remember/Grace%20Hopper", 303, ONE, ""),
    Case("alb_multi", "Load balancer, multi-value headers", "GET /echo/search?tag=a%2Bb&tag=c", 200, MANY, JSON),
    Case("lambda_edge_viewer_request", "Lambda@Edge, viewer request", "GET /countdown", "200", ONE, TEXT),
    Case("lambda_edge_origin_request", "Lambda@Edge, origin request", "POST /echo/form?draft=1", "200", ONE, JSON),
    Case("vpc_lattice_v1", "VPC Lattice, version 1", "PUT /echo/orders/17?dry_run=true", 200, COOKIES, JSON),
    Case("vpc_lattice_v2", "VPC Lattice, version 2", "GET /echo/orders?status=open&status=paid", 200, COOKIES, JSON),
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
    """Answer every event and show what happened; the exit code."""
    witness = Witness(app)
    with closing(Bridge(witness)) as handler:
        failed = [case for case in cases if not run(case, handler, witness)]
    print(f"{len(cases) - len(failed)} of {len(cases)} sources were answered as expected.")
    return 1 if failed else 0


def run(case: Case, handler: Bridge, witness: Witness) -> bool:
    """Answer one event and show what happened; whether that was as expected."""
    event = json.loads((EVENTS / f"{case.event}.json").read_bytes())
    result = handler(event, None)
    # Only now: the first call pays for what is made once.
    seconds = min(timeit.repeat(lambda: handler(event, None), number=CALLS, repeat=ROUNDS)) / CALLS
    show(case, witness.scope, result, seconds)
    problems = find_problems(case, witness.scope, result)
    for problem in problems:
        row("NOT AS EXPECTED", problem)
    print()
    return not problems


def show(case: Case, scope: Scope, result: dict[str, Any], seconds: float) -> None:
    print(f"{case.source} ".ljust(WIDTH - 10, "-") + f"{seconds * 1e6:7.0f} us")
    row("client sent", case.sent)
    row("app saw", f"path {scope['path']!r}, root_path {scope['root_path']!r}")
    row("", f"client {scope['client']}, scheme {scope['scheme']}")
    row("status", repr(status_of(result)))
    for field in header_fields(result):
        row(field, json.dumps(result[field]))
    row("body", " ".join(result["body"].split()) or "(empty)")


def row(label: str, text: str) -> None:
    line = f"  {label:18} {text}"
    print(line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}...")


def find_problems(case: Case, scope: Scope, result: dict[str, Any]) -> list[str]:
    query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
    comparisons = [
        ("request", f"{scope['method']} {scope['raw_path'].decode()}{query}", case.sent),
        ("status", status_of(result), case.status),
        ("fields", header_fields(result), case.fields),
        ("body", result["body"][: len(case.body)], case.body),
    ]
    return [f"{name}: got {got!r}, not {expected!r}" for name, got, expected in comparisons if got != expected]


def status_of(result: dict[str, Any]) -> Any:
    """Lambda@Edge has a name of its own for it, and a string."""
    return result.get("statusCode", result.get("status"))


def header_fields(result: dict[str, Any]) -> list[str]:
    return [field for field in ("headers", "multiValueHeaders", "cookies") if field in result]


if __name__ == "__main__":
    sys.exit(main())
