"""A saved test passes against the application that it was made of, and fails against another one."""

import json
from pathlib import Path

import pytest

from bridge.local.inspector.saved_test import saved_test
from bridge.local.invocation import Invocation
from bridge.local.settings import FunctionSettings, SourceSettings
from tests.cases import every_case
from tests.local.inspector.fake_gateway import event_record, record, request

SITE = """
import json

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = (await receive())["body"]
    value = {"path": scope["path"], "query": scope["query_string"].decode(), "sent": body.decode("latin-1")}
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})

def plain(event, context):
    return "done" if event["k"] == "\\u00e4'\\"" else None
"""

SOURCES = SourceSettings(name="function-url"), SourceSettings(name="rest-api", stage="prod")

HOSTILE = 'x"""\n\'; import os #'


def answer_to(path: str, query: str, sent: str) -> bytes:
    return json.dumps({"path": path, "query": query, "sent": sent}).encode()


@every_case(
    ("invocation", "target", "name"),
    [
        (record(request("POST", "/users?x=%27", ("X-A", HOSTILE.replace("\n", ""))), status=201,
                body=answer_to("/users", "x=%27", "")), "site_of_saved:app", "test_post_users"),
        (record(request("PUT", "/prod/%22%22%22%0A/..", body=HOSTILE.encode() + b"\xff"), status=201, source="rest-api",
                body=answer_to('/prod/"""\n/..', "", HOSTILE + "\xff")), "site_of_saved:app", None),
        (event_record('{"k": "\u00e4\'\\""}'.encode()), "site_of_saved:plain", "test_event"),
    ],
)  # fmt: skip
def test_it_passes_until_the_answer_is_another(
    invocation: Invocation, target: str, name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site_of_saved.py").write_text(SITE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    saved = saved_test(invocation, FunctionSettings(target=target), SOURCES)
    assert name in (None, saved.name)
    (tmp_path / f"{saved.name}.json").write_text(saved.event, encoding="utf-8")
    run(saved.code, saved.name, tmp_path)
    with pytest.raises(AssertionError):
        run(saved.code.replace("201", "200").replace("'done'", "'other'"), saved.name, tmp_path)


def run(code: str, name: str, folder: Path) -> None:
    namespace: dict[str, object] = {"__file__": str(folder / f"{name}.py")}
    exec(compile(code, f"{name}.py", "exec"), namespace)
    function = namespace[name]
    assert callable(function)
    function()
