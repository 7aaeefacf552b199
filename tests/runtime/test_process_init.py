"""The init phase of `python -m bridge.runtime`: what it serves."""

from pathlib import Path

import pytest

from tests.events import MakeEvent
from tests.proxy.programs import free_port
from tests.runtime.applications import APP
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes


def test_an_application_is_started_before_the_first_invocation_is_asked_for(
    api: RuntimeDouble, start_runtime: Runtimes, make_event: MakeEvent
) -> None:
    runtime = start_runtime(APP, "app:app")
    api.wait_for_polls(1)
    assert runtime.wait_for_lines(1) == ["startup"]
    assert api.invoke(make_event(path="/shop")).answer().json == {
        "statusCode": 200,
        "headers": {},
        "cookies": [],
        "body": "open/shop",
        "isBase64Encoded": False,
    }
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log == "startup\nshutdown\n"


@pytest.mark.parametrize(
    "code",
    [
        "handler = app",
        "from bridge import Bridge\nhandler = Bridge(app)",
        "import asyncio, bridge\nasync def make(): return bridge.Bridge(app)\nhandler = asyncio.run(make())",
    ],
    ids=["application", "Bridge", "Bridge of an event loop that is over"],
)
def test_an_application_is_served_with_and_without_a_bridge_around_it(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, code: str
) -> None:
    runtime = fork_runtime(f"{APP}\n{code}", "app.handler")
    api.wait_for_polls(1)
    assert runtime.wait_for_lines(1) == ["startup"]
    assert api.invoke(make_event()).answer().json["body"] == "open/"
    assert runtime.log == "startup\n"


@pytest.mark.parametrize(
    "code",
    [
        "def handler(event, context): return [event, context.function_name]",
        "async def handler(event, context): return [event, context.function_name]",
        "async def work(event, context): return [event, context.function_name]\nhandler = lambda *args: work(*args)",
    ],
    ids=["plain", "async", "plain around async"],
)
def test_a_function_is_served(api: RuntimeDouble, fork_runtime: Runtimes, code: str) -> None:
    fork_runtime(code, "app.handler")
    assert api.invoke({"a": 1}).answer().json == [{"a": 1}, "shop"]


@pytest.mark.parametrize("wrapper", ["functools.partial(bridge)", "lambda event, context: bridge(event, context)"])
def test_a_decorated_handler_is_served_and_the_log_says_that_it_cannot_stream(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, wrapper: str
) -> None:
    code = f"{APP}\nimport functools\nfrom bridge import Bridge\nbridge = Bridge(app)\nhandler = {wrapper}"
    runtime = fork_runtime(code, "app.handler", AWS_LWA_INVOKE_MODE="response_stream")
    api.wait_for_polls(1)
    warning, startup = runtime.wait_for_lines(2)
    assert (all(fact in warning for fact in ("[WARNING]", "response_stream", "function")), startup) == (True, "startup")
    assert api.invoke(make_event()).answer().json["body"] == "open/"
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log.endswith("\nshutdown\n")


def test_a_variable_that_means_nothing_is_a_warning_also_without_a_handler_of_ours(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    runtime = fork_runtime("def handler(event, context): return event", "app.handler", BRIDGE_WORKER="2")
    assert api.invoke({"a": 1}).answer().json == {"a": 1}
    (line,) = runtime.wait_for_lines(1)
    assert "BRIDGE_WORKER is set" in line
    assert "Did you mean BRIDGE_WORKERS?" in line


@pytest.mark.parametrize(
    ("arguments", "handler"),
    [([], "web/app.handler"), (["web.app:handler"], "other.handler")],
    ids=["variable", "line"],
)
def test_the_command_line_names_the_handler_or_else_lambdas_variable_does(
    api: RuntimeDouble, fork_runtime: Runtimes, tmp_path: Path, arguments: list[str], handler: str
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/app.py").write_text("def handler(event, context): return event")
    fork_runtime(tmp_path, *arguments, _HANDLER=handler)
    assert api.invoke(1).answer().json == 1


def test_modules_come_from_the_functions_folder_wherever_the_process_is_started(
    api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path
) -> None:
    task, elsewhere = tmp_path / "task", tmp_path / "elsewhere"
    for folder in (task, elsewhere):
        folder.mkdir()
        (folder / "app.py").write_text("def handler(event, context): return __file__")
    start_runtime(elsewhere, "app.handler", LAMBDA_TASK_ROOT=str(task))
    assert api.invoke(1).answer().json == str(task / "app.py")


SERVER = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"fine")

    def log_message(self, *args):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_a_web_server_is_started_forwarded_to_and_ended(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    runtime = fork_runtime(SERVER, "--proxy", "--", "python3", "app.py", AWS_LWA_PORT=str(free_port()))
    assert api.invoke(make_event()).answer().json["body"] == "fine"
    runtime.terminate()
    assert runtime.wait() == 0  # with nothing left that holds its output
    assert runtime.log == ""


def test_the_usage_is_shown_on_demand_and_where_there_is_no_lambda(start_runtime: Runtimes) -> None:
    runtimes = [start_runtime("", argument, AWS_LAMBDA_RUNTIME_API="") for argument in ("--help", "app:app", "--what")]
    assert [runtime.wait() for runtime in runtimes] == [0, 2, 2]
    usage = runtimes[0].log
    assert usage.startswith("usage: python -m bridge.runtime [module:attribute]\n")
    for runtime in runtimes[1:]:
        expected = f"AWS_LAMBDA_RUNTIME_API is not set: expected to be started by Lambda or an emulator.\n{usage}"
        assert runtime.log == expected


def test_a_proxy_of_the_runtime_api_gets_its_calls_and_never_those_of_the_extension(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    with RuntimeDouble() as proxy:
        runtime = fork_runtime(
            "def handler(event, context): return event",
            "app.handler",
            AWS_LWA_LAMBDA_RUNTIME_API_PROXY=proxy.address,
        )
        assert proxy.invoke({"a": 1}).answer().json == {"a": 1}
        assert (len(api.extensions), proxy.extensions) == (1, [])
        assert [request.path for request in api.requests if "runtime" in request.path] == []
        assert runtime.log == ""
        runtime.terminate()
        assert runtime.wait() == 0


def test_an_error_of_the_init_phase_goes_through_the_proxy(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    with RuntimeDouble() as proxy:
        runtime = fork_runtime("1 / 0", "app.handler", AWS_LWA_LAMBDA_RUNTIME_API_PROXY=proxy.address)
        assert runtime.wait() == 1
        assert proxy.init_error().document["errorType"] == "ZeroDivisionError"
        assert [request.path for request in api.requests if "runtime" in request.path] == []
