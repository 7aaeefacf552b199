"""What `invoke` prints, and its exit status."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import templates
from tests.cases import every_case
from tests.cli.conftest import Run, WriteEvent, WriteModule
from tests.logged import assert_logged

APP = """
from decimal import Decimal

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    status, body = 200, b'{"path": "%s"}' % scope["raw_path"]
    headers = [(b"content-type", b"application/json")]
    if scope["path"] == "/fail":
        status = 500
    if scope["path"] == "/raise":
        raise ValueError("no database")
    if scope["path"] == "/events":
        body = b'{"batchItemFailures": []}'
    if scope["path"] == "/control":
        headers, body = [(b"content-type", b"text/plain")], b"\\x1b[31mred"
    if scope["path"] == "/binary":
        headers, body = [(b"content-type", b"image/png")], b"\\x89PNG"
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

def function(event, context):
    return {"statusCode": 201, "body": f"{context.get_remaining_time_in_millis() <= 30000}"}

def broken(event, context):
    raise KeyError("id")

def unclear(event, context):
    return {"statusCode": 200, "body": {1, 2}}

def exits(event, context):
    raise SystemExit(0)

def encoded(event, context):
    print("printed")
    return {"statusCode": Decimal("200"), "headers": {"x-place": "caf\u00e9"}, "body": "\u00e9".encode()}

def deep(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "[" * 100_000}

class Unreadable(Exception):
    def __str__(self):
        raise ValueError("no text")

def unreadable(event, context):
    raise Unreadable

nothing = 5
"""


def url_event(path: str = "/") -> dict[str, object]:
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"}
    context = {"domainName": "a.lambda-url.eu-west-1.on.aws", "http": http}
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "x"},
        "requestContext": context,
    }


def test_a_response_is_shown_readably(run: Run, module: WriteModule, event_file: WriteEvent) -> None:
    result = run("invoke", f"{module(APP)}:app", event_file(url_event("/a%20b")))
    first, status, *rest = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert first.startswith("GET /a%20b  (function-url, event.json, ")
    assert status == "200 OK"
    assert "content-type: application/json" in rest
    assert rest[-4:] == ["{", '  "path": "/a%20b"', "}", ""]


@every_case(
    ("attribute", "path", "exit_code", "facts"),
    [
        ("app", "/fail", 1, ["500 Internal Server Error"]),
        ("app", "/raise", 1, ["500 Internal Server Error"]),
        ("app", "/binary", 0, ["(4 bytes that are not text)"]),
        ("app", "/control", 0, ["\\x1b[31mred"]),
        ("function", "/", 0, ["201 Created", "True"]),
        ("broken", "/", 1, ["KeyError: 'id'"]),
        ("unclear", "/", 1, ["GET /", "TypeError", "JSON"]),
        ("exits", "/", 1, ["SystemExit: 0"]),
        ("encoded", "/", 0, ["200 OK", "x-place: caf\u00e9", "\n\u00e9\n"]),
        ("deep", "/", 0, ["[[[[", "80000 more characters"]),
        ("unreadable", "/", 1, ["Unreadable: (its message cannot be read: ValueError)"]),
    ],
)
def test_the_exit_status_tells_whether_an_event_failed(
    run: Run, module: WriteModule, event_file: WriteEvent, attribute: str, path: str, exit_code: int, facts: list[str]
) -> None:
    result = run("invoke", f"{module(APP)}:{attribute}", event_file(url_event(path)))
    assert result.exit_code == exit_code
    assert [fact for fact in facts if fact not in result.stdout] == []
    assert "\x1b" not in result.stdout


def test_a_path_that_is_closed_to_clients_is_named_and_logged_once(
    run: Run, module: WriteModule, event_file: WriteEvent, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("AWS_LWA_PASS_THROUGH_PATH", "/internal")
    result = run("invoke", f"{module(APP)}:app", event_file(url_event("/internal")))
    assert result.stdout.startswith("GET /internal ")
    assert "403 Forbidden" in result.stdout
    assert_logged(caplog, ("WARNING", "GET /internal: "))


def test_json_has_one_object_a_line_for_files_folders_and_stdin(
    run: Run, module: WriteModule, event_file: WriteEvent
) -> None:
    event_file(url_event("/1"), "folder/a.json")
    event_file(url_event("/binary"), "folder/b.json")
    event_file(templates.sqs(["x"], queue="orders"), "queue.json")
    lines = "\n".join(json.dumps(url_event(path)) for path in ("/3", "/4"))
    result = run("invoke", f"{module(APP)}:app", "folder", "queue.json", "-", "--json", stdin=lines)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [each["event"] for each in found] == ["folder/a.json", "folder/b.json", "queue.json", "stdin:1", "stdin:2"]
    assert [each.get("status") for each in found] == [200, 200, None, 200, 200]
    assert [each.get("body") for each in found[:2]] == ['{"path": "/1"}', "iVBORw=="]
    assert found[1]["isBase64Encoded"] is True
    assert found[2]["result"] == {"batchItemFailures": []}
    assert ["content-type", "application/json"] in found[0]["headers"]


def test_what_the_function_prints_is_not_in_the_json(run: Run, module: WriteModule, event_file: WriteEvent) -> None:
    result = run("invoke", f"{module('print(1)' + APP)}:encoded", event_file(url_event()), "--json")
    found = json.loads(result.stdout)
    assert (found["status"], found["body"], ["x-place", "caf\u00e9"] in found["headers"]) == (200, "\u00e9", True)
    assert result.stderr == "1\nprinted\n"


@every_case(
    ("text", "count"),
    [
        ("\ufeff" + json.dumps(url_event()), 1),
        ('{"a": "x\u2028y"}\r\n{"a": 2}\r\n', 2),
        ('{"Records": [{"cf": {"request": {}}}]}', 1),
        ('{"Records": [{"cf": {"config": null, "request": {}}}]}', 1),
    ],
)
def test_an_event_is_read_from_a_file_and_from_stdin(
    run: Run, module: WriteModule, event_file: WriteEvent, text: str, count: int
) -> None:
    name = module(APP)
    for result in (
        run("invoke", f"{name}:function", event_file(text), "--json"),
        run("invoke", f"{name}:function", "-", "--json", stdin=text.encode()),
    ):
        assert len(result.stdout.splitlines()) == count, result.output


def test_an_error_is_in_the_json(run: Run, module: WriteModule, event_file: WriteEvent) -> None:
    result = run("invoke", f"{module(APP)}:broken", event_file(url_event()), "--json")
    assert json.loads(result.stdout)["error"] == {"type": "KeyError", "message": "'id'"}


def test_the_source_tells_how_the_result_is_read(run: Run, module: WriteModule, event_file: WriteEvent) -> None:
    result = run("invoke", f"{module(APP)}:function", event_file({"custom": 1}), "--source", "alb", "--json")
    found = json.loads(result.stdout)
    assert (found["source"], found["status"]) == ("alb", 201)


def test_times_prints_a_summary(run: Run, module: WriteModule, event_file: WriteEvent) -> None:
    result = run(
        "invoke",
        f"{module(APP)}:app",
        event_file(url_event()),
        event_file(url_event("/fail"), "b.json"),
        "--times",
        "30",
    )
    first, second = result.stdout.splitlines()
    assert result.exit_code == 1
    assert first == "60 invocations: 30 x 200, 30 x 500"
    assert [word.split()[0] for word in second.removeprefix("ms: ").split(", ")] == ["first", "median", "p95", "max"]


@every_case(
    ("arguments", "fact"),
    [
        ([], "MODULE:APP"),
        (["shop:app"], "EVENT.json"),
        (["no_such_module:app", "event.json"], "no_such_module"),
        (["{module}:missing", "event.json"], "'missing'"),
        (["{module}:nothing", "event.json"], "5"),
        (["{module}:app", "missing.json"], "'missing.json'"),
        (["{module}:app", "broken.json"], "'broken.json'"),
        (["{module}:app", "empty.json"], "empty"),
        (["{module}:app", "nan.json"], "NaN"),
        (["{module}:app", "deep.json"], "'deep.json'"),
        (["{module}:app", "-"], "'stdin' cannot be read"),
        (["{module}:app", "nothing"], "'nothing'"),
        (["{module}:app", "event.json", "--times", "0"], "--times"),
        (["{module}:app", "event.json", "--timeout", "0"], "--timeout"),
        (["{module}:app", "event.json", "--source", "pigeon"], "pigeon"),
    ],
)
def test_a_wrong_use_is_told_from_a_failure(
    run: Run, module: WriteModule, event_file: WriteEvent, tmp_path: Path, arguments: list[str], fact: str
) -> None:
    event_file(url_event())
    event_file("{", "broken.json")
    event_file("", "empty.json")
    event_file('{"a": NaN}', "nan.json")
    event_file("[" * 100_000, "deep.json")
    (tmp_path / "nothing").mkdir(exist_ok=True)
    name = module(APP)
    result = run("invoke", *(argument.format(module=name) for argument in arguments), stdin=b"\xff")
    assert (result.exit_code, result.stdout) == (2, "")
    assert fact in result.stderr


def test_a_module_that_fails_shows_its_own_traceback(run: Run, module: WriteModule, event_file: WriteEvent) -> None:
    result = run("invoke", f"{module('import no_such_package')}:app", event_file(url_event()))
    assert result.exit_code == 1
    assert isinstance(result.exception, ModuleNotFoundError)


def test_a_module_that_ends_the_process_is_a_failure(run: Run, module: WriteModule, event_file: WriteEvent) -> None:
    result = run("invoke", f"{module('raise SystemExit(0)')}:app", event_file(url_event()))
    assert (result.exit_code, "SystemExit: 0" in result.stderr) == (1, True)


SLOW = """
import threading

def thread(event, context):
    threading.Thread(target=threading.Event().wait, name="poller").start()
    return {"statusCode": 500}

def function(event, context):
    forever = threading.Event()
    forever.wait()
"""


def test_the_timeout_ends_the_process_and_says_where_it_stood(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "event.json").write_text(json.dumps(url_event()))
    command = [sys.executable, "-m", "bridge", "invoke", "slow:function", "event.json", "--timeout", "0.05"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "event.json: the function timed out after 0.05 s" in done.stderr
    assert "forever.wait()" in done.stderr


def test_threads_of_the_function_do_not_keep_the_process(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "event.json").write_text(json.dumps(url_event()))
    command = [sys.executable, "-m", "bridge", "invoke", "slow:thread", "event.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "500 Internal Server Error" in done.stdout) == (1, True)
    assert "'poller'" in done.stderr
