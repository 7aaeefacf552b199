"""`python -m bridge dev`: its options, and the process itself."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.cli import dev as module_under_test
from bridge.cli import dev_notes
from bridge.cli.dev_output import print_kept
from bridge.local.settings import AnySource, FunctionSettings, Route, SourceSettings, WebSocketSettings
from bridge.testing.messages import ClientRequest, ClientResponse
from tests.cases import every_case
from tests.cli.conftest import Run

SHOP = """
def handler(event, context):
    print("hello from\\x1b[31m", "\\xa0indented")
    return {"statusCode": 200, "body": "it runs"}
"""

Taken = tuple[FunctionSettings, list[AnySource]]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Taken]:
    """Return what the command would run, in place of running it."""
    taken: list[Taken] = []
    monkeypatch.setattr(module_under_test, "_run", lambda function, sources, options: taken.append((function, sources)))
    return taken


def test_the_defaults(run: Run, taken: list[Taken]) -> None:
    assert run("dev", "shop:app").exit_code == 0
    ((function, sources),) = taken
    assert (function.target, function.timeout, function.memory, function.environments) == ("shop:app", 30.0, 512, 4)
    assert "PATH" in function.environ
    assert sources == [SourceSettings(name="function-url", port=3000)]


def test_several_sources_have_ports_of_their_own_and_options_count_where_they_can(run: Run, taken: list[Taken]) -> None:
    arguments = ["--source", "rest-api", "--source", "alb:4000", "--source", "http-api", "--stage", "prod", "--stream"]
    assert run("dev", "shop:app", *arguments).exit_code == 0
    assert taken[0][0].is_streamed
    assert taken[0][1] == [
        SourceSettings(name="rest-api", port=3000, stage="prod", is_streamed=True),
        SourceSettings(name="alb", port=4000),
        SourceSettings(name="http-api", port=4001, stage="prod"),
    ]


def test_a_websocket_api_has_a_stage_a_port_and_routes(run: Run, taken: list[Taken]) -> None:
    arguments = ["--source", "alb", "--source", "websocket", "--route", "join", "--route", "leave", "--route-response"]
    assert run("dev", "shop:app", *arguments).exit_code == 0
    assert run("dev", "shop:app", "--source", "websocket:4000", "--stage", "/prod/").exit_code == 0
    assert [sources for _, sources in taken] == [
        [
            SourceSettings(name="alb", port=3000),
            WebSocketSettings(port=3001, stage="live", route_keys=("join", "leave"), has_route_response=True),
        ],
        [WebSocketSettings(port=4000, stage="prod")],
    ]


@every_case(
    ("arguments", "fact"),
    [
        (["--route", "join"], "give --source websocket"),
        (["--route-response"], "give --source websocket"),
        (["--source", "websocket", "--stream"], "function-url or rest-api"),
        (["--source", "websocket", "--source", "websocket:1"], "websocket is given twice"),
    ],
)
def test_what_a_websocket_api_does_not_have(arguments: list[str], fact: str, run: Run) -> None:
    result = run("dev", "shop:app", *arguments)
    assert result.exit_code == 2
    assert fact in result.output


def test_the_function_gets_what_is_asked_for(
    run: Run, taken: list[Taken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_under_test, "find_spec", lambda name: True)  # awslambdaric need not be here
    (tmp_path / "variables").write_text("# comment\n\nexport A=1\nB = 'two words' \nC=x # comment\n")
    arguments = [
        "--stream",
        "--env-file",
        "variables",
        "--runtime",
        "awslambdaric",
        "--memory",
        "256",
        "--timeout",
        "2.5",
    ]
    arguments += ["--throttle", "--freeze", "--snapstart", "--snapstart-age", "60", "--environments", "2"]
    assert run("dev", "shop:app", *arguments).exit_code == 0
    ((function, sources),) = taken
    assert {name: function.environ[name] for name in "ABC"} == {"A": "1", "B": "two words", "C": "x"}
    assert function.is_streamed
    assert sources[0].is_streamed
    assert (function.runtime, function.memory, function.timeout) == ("awslambdaric", 256, 2.5)
    assert (function.throttles, function.freezes, function.snapstart, function.snapstart_age) == (True, True, True, 60)


def test_a_template_has_it_too_and_options_come_first(run: Run, taken: list[Taken], tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  Shop:\n    Type: AWS::Serverless::Function\n    Properties:\n"
        "      Handler: shop.app\n      Timeout: 7\n      Environment: {Variables: {A: !Ref B, C: d}}\n"
        "      Events: {Http: {Type: HttpApi, Properties: {Path: /x, Method: GET}}}\n"
        "      FunctionUrlConfig: {InvokeMode: RESPONSE_STREAM}\n"
    )
    result = run("dev", "--template", "template.yaml", "--memory", "300")
    assert result.exit_code == 0
    assert "A" in result.output
    ((function, sources),) = taken
    assert (function.name, function.target, function.timeout, function.memory) == ("Shop", "shop.app", 7.0, 300)
    assert function.environ["C"] == "d"
    assert function.is_streamed
    assert sources == [
        SourceSettings(name="function-url", port=3000, is_streamed=True),
        SourceSettings(name="http-api", port=3001, routes=(Route("GET", "/x"),)),
    ]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ([], "MODULE:APP"),
        (["shop:app", "--source", "s3"], "'s3'"),
        (["shop:app", "--source", "alb:x"], "'x'"),
        (["shop:app", "--source", "alb:99999"], "'99999'"),
        (["shop:app", "--source", "alb", "--source", "alb:4"], "twice"),
        (["shop:app", "--source", "alb:3000", "--source", "http-api:3000"], "3000"),
        (["shop:app", "--source", "alb", "--source", "http-api", "--stream"], "function-url or rest-api"),
        (["shop:app", "--source", "alb", "--stage", "prod"], "http-api, http-api-v1, rest-api"),
        (["shop:app", "--concurrency", "2", "--snapstart"], "SnapStart"),
        (["shop:app", "--snapstart-age", "2"], "--snapstart"),
        (["shop:app", "--function", "Shop"], "--template"),
        (["shop:app", "--template", "nothing.yaml"], "nothing.yaml"),
    ],
)
def test_what_cannot_be(arguments: list[str], fact: str, run: Run, taken: list[Taken]) -> None:
    result = run("dev", *arguments)
    assert (result.exit_code, taken) == (2, [])
    assert fact in result.output


def test_without_the_extra_one_line_names_it(run: Run, taken: list[Taken], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "find_spec", lambda name: None)
    result = run("dev", "shop:app")
    assert (result.exit_code, taken) == (2, [])
    assert len(result.output.splitlines()) == 1
    assert "[local]" in result.output


def test_the_process_serves_until_sigterm(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    command = [sys.executable, "-m", "bridge", "dev", "shop:handler", "--port", "0", "--source", "http-api"]
    output: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **output) as process:
        assert process.stdout is not None
        lines: list[str] = []
        try:
            url = _url(process.stdout, lines)
            answer = httpx.get(url, timeout=30, trust_env=False)
            process.send_signal(signal.SIGTERM)
            lines += process.stdout
            process.wait(30)
        finally:
            process.kill()
    assert (answer.status_code, answer.text) == (200, "it runs")
    text = "".join(lines)
    assert "hello from\\x1b[31m \xa0indented" in text
    assert "GET / 200" in text


def _url(output: Any, lines: list[str]) -> str:
    for line in output:
        lines.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
            return found[0]
    raise AssertionError(f"No address was printed: {lines}")


def test_a_response_of_the_service_itself_is_shown_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    request = ClientRequest(method="GET", target="/x\x1b?a=b", headers=())
    print_kept("rest-api", request, ClientResponse(status=403, headers=(), body=b"", reasons=("No stage.",)))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["GET /x\\x1b 403  rest-api, without the function", "  note: No stage."]


def test_a_taken_port_is_an_error(run: Run) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("dev", "shop:app", "--port", port)
    assert result.exit_code == 1
    assert f"Cannot listen on 127.0.0.1, port {port}: " in result.output
    assert "--port NUMBER" in result.output


def test_a_runtime_that_is_not_installed_is_an_error_before_the_start(
    run: Run, taken: list[Taken], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_under_test, "find_spec", lambda name: None if name == "awslambdaric" else True)
    result = run("dev", "shop:app", "--runtime", "awslambdaric")
    assert (result.exit_code, taken) == (2, [])
    assert "pip install awslambdaric" in result.output


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ([], []),
        (["--source", "alb"], []),
        *[(["--source", name], [name, "https"]) for name in ("lattice-v1", "lattice-v2", "edge-viewer", "edge-origin")],
        (["--snapstart", "--snapstart-age", "60"], ["libfaketime", "60 s"]),
        (["--runtime", "awslambdaric"], ["shop:app", "handler = Bridge(app)"]),
    ],
)
def test_what_shows_nowhere_else_is_a_note(
    arguments: list[str], facts: list[str], run: Run, taken: list[Taken], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_notes, "find_library", lambda: None)
    monkeypatch.setattr(module_under_test, "find_spec", lambda name: True)
    result = run("dev", "shop:app", *arguments)
    assert (result.exit_code, len(taken)) == (0, 1)
    assert all(fact in result.output for fact in facts)
    assert ("note:" in result.output) == bool(facts)
