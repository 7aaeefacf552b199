"""The sample applications in process: every event in their folders; the demo; and the templates of all."""

import base64
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge import DEFAULT_SOURCES
from tests.integration.sample_apps import (
    SAMPLE_APPS,
    Result,
    event_names,
    load,
    read_event,
    redirect,
    run,
    with_cookies,
)


def as_json(value: object) -> str:
    """`value` as Starlette and FastAPI write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def many_valued(content_type: str, body: str) -> Result:
    return {
        "statusCode": 200,
        "multiValueHeaders": {"content-length": [str(len(body))], "content-type": [content_type]},
        "body": body,
        "isBase64Encoded": False,
    }


def at_the_edge(content_type: str, body: str) -> Result:
    return {
        "status": "200",
        "statusDescription": "OK",
        "headers": {"content-type": [{"key": "content-type", "value": content_type}]},
        "body": body,
        "bodyEncoding": "text",
    }


REST_API = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
HTTP_API = "f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com"
LOAD_BALANCER = "hello-123456789.eu-west-1.elb.amazonaws.com"
LATTICE = "hello-0123456789abcdef0.7d67968.vpc-lattice-svcs.eu-west-1.on.aws"
FUNCTION_URL = "https://k1l2m3n4o5p6q7r8s9t0.lambda-url.eu-west-1.on.aws"

CURL = ["user-agent", "curl/8.14.1"]
TRACE = ["x-amzn-trace-id", "Root=1-68c2f1a0-0123456789abcdef01234567"]
CLIENT = ["x-forwarded-for", "203.0.113.7"]
HTTPS = [["x-forwarded-port", "443"], ["x-forwarded-proto", "https"]]
HTTP = [["x-forwarded-port", "80"], ["x-forwarded-proto", "http"]]


def echo(method: str, path: str, *, query: list[list[str]], headers: list[list[str]], **more: str) -> str:
    """The body of hello's echo, whose order of keys this is."""
    seen = {"method": method, "path": path, "root_path": "", "query": query, "headers": headers, "body": ""}
    return as_json(seen | more)


HELLO: dict[str, Result] = {
    "rest_api": many_valued(
        "application/json",
        echo(
            "GET",
            "/prod/echo/a b",
            root_path="/prod",
            query=[["tag", "red"], ["tag", "dark blue"]],
            headers=[["accept", "application/json"], ["host", REST_API], CURL, TRACE, CLIENT, *HTTPS],
        ),
    ),
    "http_api_v1": many_valued(
        "application/json",
        echo(
            "POST",
            "/echo/greetings",
            query=[],
            headers=[
                ["content-length", "17"],
                ["content-type", "application/json"],
                ["host", HTTP_API],
                CURL,
                TRACE,
                CLIENT,
                *HTTPS,
            ],
            body='{"greeting":"hi"}',
        ),
    ),
    "http_api_v2": redirect(f"https://{HTTP_API}/staging/", "name=Ada; HttpOnly; Path=/; SameSite=lax"),
    "function_url": with_cookies(
        "text/html; charset=utf-8",
        "<!doctype html><title>Hello</title><h1>Hello, Ada!</h1><ul>"
        f'<li><a href="{FUNCTION_URL}/echo/anything">Show what you send</a></li>'
        f'<li><a href="{FUNCTION_URL}/remember/Ada">Remember me as Ada</a></li>'
        f'<li><a href="{FUNCTION_URL}/countdown">Count down</a></li></ul>',
    ),
    "alb": {
        "statusCode": 303,
        "statusDescription": "303 See Other",
        "headers": {
            "content-length": "0",
            "location": f"http://{LOAD_BALANCER}/",
            "set-cookie": "name=Grace%20Hopper; HttpOnly; Path=/; SameSite=lax",
        },
        "body": "",
        "isBase64Encoded": False,
    },
    "alb_multi": {
        "statusDescription": "200 OK",
        **many_valued(
            "application/json",
            echo(
                "GET",
                "/echo/search",
                query=[["tag", "a+b"], ["tag", "c"]],
                headers=[["accept", "*/*"], ["host", LOAD_BALANCER], CURL, TRACE, CLIENT, *HTTP],
            ),
        ),
    },
    "lambda_edge_viewer_request": at_the_edge("text/plain; charset=utf-8", "3\n2\n1\nHello, world!\n"),
    "lambda_edge_origin_request": at_the_edge(
        "application/json",
        echo(
            "POST",
            "/echo/form",
            query=[["draft", "1"]],
            headers=[
                ["host", "hello.example.com"],
                CLIENT,
                ["user-agent", "Amazon CloudFront"],
                ["content-type", "application/x-www-form-urlencoded"],
                ["content-length", "33"],
                ["x-tag", "one"],
                ["x-tag", "two"],
            ],
            body="to=world&text=na%C3%AFve+%26+safe",
        ),
    ),
    "vpc_lattice_v1": with_cookies(
        "application/json",
        echo(
            "PUT",
            "/echo/orders/17",
            query=[["dry_run", "true"]],
            headers=[
                ["accept", "*/*"],
                ["content-length", "12"],
                ["content-type", "text/plain"],
                ["host", LATTICE],
                CURL,
                ["x-forwarded-for", "10.0.1.23"],
            ],
            body="Two of each.",
        ),
    ),
    "vpc_lattice_v2": with_cookies(
        "application/json",
        echo(
            "GET",
            "/echo/orders",
            query=[["status", "open"], ["status", "paid"]],
            headers=[["accept", "*/*"], ["host", LATTICE], CURL, ["x-forwarded-for", "10.0.1.23"]],
        ),
    ),
}


@pytest.mark.parametrize("name", sorted({*HELLO, *event_names("hello")}))
def test_hello_answers_its_events(name: str) -> None:
    with closing(load("hello/app.py").handler) as handler:
        assert handler(read_event("hello", name), None) == HELLO[name]


def test_hello_has_an_event_of_every_source() -> None:
    events = [read_event("hello", name) for name in event_names("hello")]
    sources = {next(source.name for source in DEFAULT_SOURCES if source.matches(event)) for event in events}
    assert sources == {source.name for source in DEFAULT_SOURCES}


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
    """The file in the multipart body of the upload event: a PNG, which no text encoding would survive."""
    body = base64.b64decode(read_event("notes", "2_upload")["body"])
    start = body.index(b"\x89PNG")
    return body[start : body.index(b"\r\n------notes-boundary-7c1f--", start)]


def notes_story() -> dict[str, Result]:
    """The events of notes, in the order in which they are told, and their results."""
    return {
        "1_create_by_form": redirect(f"{NOTES_URL}/", "author=Ada%20Lovelace; HttpOnly; Path=/; SameSite=lax"),
        "2_upload": redirect(f"{NOTES_URL}/", "author=Grace; HttpOnly; Path=/; SameSite=lax"),
        "3_create_by_api": with_cookies("application/json", as_json(NOTES[2]), status=201),
        "4_list": with_cookies("text/html; charset=utf-8", NOTES_PAGE),
        "5_list_by_api": with_cookies("application/json", as_json(NOTES)),
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


@pytest.fixture(autouse=True)
def _database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_DATABASE", str(tmp_path / "notes.db"))


@pytest.fixture
def notes() -> Iterator[Any]:
    with closing(load("notes/app.py").handler) as handler:
        yield handler


def test_notes_answers_its_events_in_their_order(notes: Any) -> None:
    results = {name: notes(read_event("notes", name), None) for name in event_names("notes")}
    assert results == notes_story()


def test_notes_outlast_the_handler_that_wrote_them() -> None:
    with closing(load("notes/app.py").handler) as handler:
        handler(read_event("notes", "3_create_by_api"), None)
    with closing(load("notes/app.py").handler) as handler:
        listed = handler(read_event("notes", "5_list_by_api"), None)
    assert json.loads(listed["body"]) == [{**NOTES[2], "id": 1}]


def test_notes_has_no_file_for_a_note_without_one(notes: Any) -> None:
    notes(read_event("notes", "1_create_by_form"), None)
    event = read_event("notes", "6_download")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/notes/1/file"
    assert notes(event, None) == with_cookies("application/json", '{"detail":"No such file"}', status=404)


@pytest.mark.parametrize("app", ["background_mail", "chat_stream", "flask_site", "hello", "node_site", "notes"])
def test_the_template_passes_cfn_lint(app: str) -> None:
    cfn_lint = shutil.which("cfn-lint", path=Path(sys.executable).parent)
    assert cfn_lint is not None
    assert run(cfn_lint, str(SAMPLE_APPS / app / "template.yaml")) == (0, "", "")


def test_the_demo_shows_an_answer_to_every_event_of_hello() -> None:
    exit_code, output, errors = run(sys.executable, str(SAMPLE_APPS / "demo.py"))
    assert (exit_code, errors) == (0, "")
    count = len(event_names("hello"))
    assert output.count("client sent") == count
    assert output.endswith(f"\n{count} of {count} sources were answered as expected.\n")


def test_the_demo_fails_for_an_answer_that_is_not_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(SAMPLE_APPS)
    demo = load("demo.py")
    good, other = demo.CASES[:2]
    assert demo.main([good, other._replace(status=404, fields=["headers"])]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "NOT AS EXPECTED" in line] == [
        "  NOT AS EXPECTED    status: got 200, not 404",
        "  NOT AS EXPECTED    fields: got ['multiValueHeaders'], not ['headers']",
    ]
    assert lines[-1] == "1 of 2 sources were answered as expected."
