"""The demo: a client of every service; hello and its events; notes in process; templates and images of all samples."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

from bridge import DEFAULT_SOURCES
from bridge.testing.services import ServiceName
from tests.integration.sample_apps import SAMPLE_APPS, Result, event_names, load, read_event, redirect, with_cookies


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SAMPLE_APPS)
    return load("demo.py")


def test_hello_has_an_event_of_every_source() -> None:
    events = [read_event("hello", name) for name in event_names("hello")]
    sources = {next(source.name for source in DEFAULT_SOURCES if source.matches(event)) for event in events}
    # A WebSocket API needs an application that keeps its connections.
    assert sources == {source.name for source in DEFAULT_SOURCES} - {"websocket"}


def test_hello_answers_every_event_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SAMPLE_APPS)
    with closing(load("hello/app.py").handler) as handler:
        results = {name: handler(read_event("hello", name), None) for name in event_names("hello")}
    statuses = {name: int(result.get("statusCode") or result["status"]) for name, result in results.items()}
    assert {name for name, status in statuses.items() if status == 303} == {"alb", "http_api_v2"}
    assert set(statuses.values()) == {200, 303}


def test_the_demo_answers_a_client_of_every_service(demo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert {case.source for case in demo.CASES} == set(get_args(ServiceName))
    assert demo.main() == 0
    output = capsys.readouterr().out
    assert output.endswith("\n12 of 12 requests were answered as expected.\n")
    assert "location: https://hello.example/staging/" in output
    assert output.count("\n  part ") == 4


def test_the_demo_fails_for_an_unexpected_answer(demo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    good, other = demo.CASES[:2]
    assert demo.main([good, other._replace(status=404, body=b"x")]) == 1
    output = capsys.readouterr().out
    assert "NOT AS EXPECTED   status: Expected 404, but got 200" in output
    assert "NOT AS EXPECTED   body: Expected b'x', but got b'{'" in output
    assert output.endswith("\n1 of 2 requests were answered as expected.\n")


NOTES_URL = "https://n1o2t3e4s5.execute-api.eu-west-1.amazonaws.com"
NOTES = [
    {"id": 1, "author": "Ada Lovelace", "text": "The engine weaves <patterns>", "file_name": None},
    {"id": 2, "author": "Grace", "text": "Four dots", "file_name": "four dots.png"},
    {"id": 3, "author": "Alan", "text": "Can it think?", "file_name": None},
]
NOTES_PAGE = f"""<!doctype html>
<title>Notes</title>
<ul><li>Ada Lovelace: The engine weaves &lt;patterns&gt;\
<li>Grace: Four dots (<a href="{NOTES_URL}/notes/2/file">four dots.png</a>)<li>Alan: Can it think?</ul>
<form method="post" action="{NOTES_URL}/notes" enctype="multipart/form-data">
<input name="author" placeholder="Your name" value="Ada Lovelace" required>
<input name="text" placeholder="Your note" required>
<input name="file" type="file">
<button>Add</button>
</form>
"""


def uploaded_file() -> bytes:
    """Return the file in the multipart body of the upload event: a PNG, which is not text."""
    body = base64.b64decode(read_event("notes", "2_upload")["body"])
    start = body.index(b"\x89PNG")
    return body[start : body.index(b"\r\n------notes-boundary-7c1f--", start)]


def notes_story() -> dict[str, Result]:
    """Return the results of the events of notes, in their order."""
    return {
        "1_create_by_form": redirect(f"{NOTES_URL}/", "author=Ada%20Lovelace; HttpOnly; Path=/; SameSite=lax"),
        "2_upload": redirect(f"{NOTES_URL}/", "author=Grace; HttpOnly; Path=/; SameSite=lax"),
        "3_create_by_api": with_cookies("application/json", json.dumps(NOTES[2], separators=(",", ":")), status=201),
        "4_list": with_cookies("text/html; charset=utf-8", NOTES_PAGE),
        "5_list_by_api": with_cookies("application/json", json.dumps(NOTES, separators=(",", ":"))),
        "6_download": {
            "statusCode": 200,
            "headers": {
                "content-disposition": "attachment; filename*=UTF-8''four%20dots.png",
                "content-length": "75",
                "content-type": "application/octet-stream",
            },
            "cookies": [],
            "body": base64.b64encode(uploaded_file()).decode(),
            "isBase64Encoded": True,
        },
    }


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("NOTES_DATABASE", str(tmp_path / "notes.db"))
    with closing(load("notes/app.py").handler) as handler:
        yield handler


def test_notes_answers_its_events_in_their_order(notes: Any) -> None:
    results = {name: notes(read_event("notes", name), None) for name in event_names("notes")}
    assert results == notes_story()
    with closing(load("notes/app.py").handler) as next_environment:
        listed = next_environment(read_event("notes", "5_list_by_api"), None)
    assert json.loads(listed["body"]) == NOTES


def test_notes_has_no_file_for_a_note_without_one(notes: Any) -> None:
    notes(read_event("notes", "1_create_by_form"), None)
    event = read_event("notes", "6_download")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/notes/1/file"
    assert notes(event, None) == with_cookies("application/json", '{"detail":"No such file"}', status=404)


def test_the_templates_pass_cfn_lint() -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), *SAMPLE_APPS.glob("*/template.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_images_have_their_files() -> None:
    for dockerfile in SAMPLE_APPS.glob("*/Dockerfile"):
        copied = " ".join(re.findall(r"^COPY (.+) \S+$", dockerfile.read_text(), re.MULTILINE)).split()
        folder = dockerfile.parent
        expected = {path.name for path in folder.iterdir() if path.suffix in {".py", ".js", ".html", ".txt"}}
        assert set(copied) == {*expected, "*.whl"}, dockerfile
