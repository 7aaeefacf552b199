"""The application that both bridge and the real server run: it reports its scope, or answers out of a table."""

import json
from collections.abc import Sequence
from typing import Any, TypedDict

from bridge._types import Receive, Scope, Send
from bridge.testing.messages import ClientResponse, by_name
from tests.integration.answers_table import ANSWERS
from tests.integration.wire import body_report

__all__ = ["Report", "app", "report_of"]

_ANSWERS = {answer.target: answer for answer in ANSWERS}


class Report(TypedDict):
    """The request that the application saw, as JSON; bytes are latin-1 text."""

    method: str
    path: str
    raw_path: str
    query_string: str
    root_path: str
    headers: Sequence[tuple[str, str]]
    body: tuple[int, str]
    http_version: str
    scheme: str
    client: str | None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a report, or, at a target in the table of answers, with that answer."""
    body = await _whole(receive)
    answer = _ANSWERS.get(scope["path"].removeprefix(scope["root_path"]))
    if answer is not None:
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers})
        for part in answer.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    report = json.dumps(_report(scope, body)).encode("ascii")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(report))]
    if scope["method"] == "HEAD":  # Nothing else of the response reaches the client.
        headers.append((b"x-report", report))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": report})


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _report(scope: Scope, body: bytes) -> dict[str, Any]:
    client = scope["client"]
    return {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query_string": scope["query_string"].decode("latin-1"),
        "root_path": scope["root_path"],
        "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        "body": body_report(body),
        "http_version": scope["http_version"],
        "scheme": scope["scheme"],
        "client": None if client is None else client[0],
    }


def report_of(response: ClientResponse) -> Report:
    """Return the report out of the response to any method."""
    report: Report = json.loads(response.body or by_name(response.headers)["x-report"][0])
    length, digest = report["body"]
    return {**report, "headers": [(name, value) for name, value in report["headers"]], "body": (length, digest)}
