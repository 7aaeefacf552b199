"""The init phase that fails: what Lambda is told, what the log has, and that the process ends with 1."""

import socket
from typing import Any

import pytest

from bridge.runtime.arguments import USAGE
from bridge.runtime.log.formats import error_lines
from tests.runtime.applications import APP
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

ERROR_TYPE = "lambda-runtime-function-error-type"

CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"

NO_HANDLER = "Expected 'app.handler' to be an ASGI application, a Bridge, a Proxy, or a function of event and context"

INSTEAD = "Serve that with 'python -m bridge.runtime --proxy -- gunicorn app:handler'"

NO_NAME = (
    "Expected a handler such as 'main:app' or 'main.handler', but got ''. Set the function's handler (the image's "
    "command), or name it on the command line."
)

WSGI = "def handler(environ, start_response): return [b'']"

# Code, its handler, the header with the error's type, the document's type, its message, its stack trace: {} is the
# file of the code.
Fault = tuple[str, str, str, str, str, list[str]]
FAULTS: dict[str, Fault] = {
    "no module": (
        "",
        "nope.handler",
        "Runtime.ImportModuleError",
        "Runtime.ImportModuleError",
        "Unable to import module 'nope': No module named 'nope'",
        [],
    ),
    "no dependency": (
        "def connect():\n    import no_driver\nconnect()",
        "app.handler",
        "Runtime.ImportModuleError",
        "Runtime.ImportModuleError",
        "Unable to import module 'app': No module named 'no_driver'",
        [
            '  File "{}", line 3, in <module>\n    connect()\n',
            '  File "{}", line 2, in connect\n    import no_driver\n',
            "ModuleNotFoundError: No module named 'no_driver'\n",
            CAUSE,
        ],
    ),
    "syntax error": (
        "handler = (",
        "app.handler",
        "Runtime.UserCodeSyntaxError",
        "Runtime.UserCodeSyntaxError",
        "Syntax error in module 'app': '(' was never closed (app.py, line 1)",
        [
            '  File "{}", line 1\n',
            "    handler = (\n              ^\n",
            "SyntaxError: '(' was never closed\n",
            CAUSE,
        ],
    ),
    "exception": (
        "def connect():\n    raise LookupError('no settings')\nconnect()",
        "app.handler",
        "Function.LookupError",
        "LookupError",
        "no settings",
        [
            '  File "{}", line 3, in <module>\n    connect()\n',
            "  File \"{}\", line 2, in connect\n    raise LookupError('no settings')\n",
        ],
    ),
    "exit": (
        "import sys\nsys.exit('no settings')",
        "app.handler",
        "Function.SystemExit",
        "SystemExit",
        "no settings",
        ["  File \"{}\", line 2, in <module>\n    sys.exit('no settings')\n"],
    ),
    "successful exit": (
        "raise SystemExit",
        "app.handler",
        "Function.SystemExit",
        "SystemExit",
        "",
        ['  File "{}", line 1, in <module>\n    raise SystemExit\n'],
    ),
    "no attribute": (
        "",
        "app.handler",
        "Runtime.HandlerNotFound",
        "Runtime.HandlerNotFound",
        "Expected 'handler' in the module 'app' ({}), but it has none. Is the handler 'app.handler' spelt right?",
        [],
    ),
    "no callable": (
        "handler = 5",
        "app.handler",
        "Runtime.HandlerNotFound",
        "Runtime.HandlerNotFound",
        f"{NO_HANDLER}, but it is int, which is no callable.",
        [],
    ),
    "WSGI": (
        WSGI,
        "app.handler",
        "Runtime.HandlerNotFound",
        "Runtime.HandlerNotFound",
        f"{NO_HANDLER}, but it is a WSGI application. {INSTEAD}.",
        [],
    ),
    "built-in module": (
        "",
        "sys.handler",
        "Runtime.BuiltInModuleConflict",
        "Runtime.BuiltInModuleConflict",
        "The module 'sys' has the name of one that is built into Python: rename it.",
        [],
    ),
    "no name": (
        "",
        "",
        "Runtime.MalformedHandlerName",
        "Runtime.MalformedHandlerName",
        NO_NAME,
        [],
    ),
    "setting of a Bridge": (
        f"{APP}\nfrom bridge import Bridge\nhandler = Bridge(app, lifespan='of')",
        "app.handler",
        "Function.ConfigurationError",
        "ConfigurationError",
        "The argument lifespan is 'of'; expected 'auto', 'on' or 'off'.",
        [
            "  File \"{}\", line 16, in <module>\n    handler = Bridge(app, lifespan='of')\n",
        ],
    ),
}


def without_marks(lines: list[str]) -> list[str]:
    """Without frames of the package, and without the lines of carets, which are not the same in every Python."""
    kept = ["\n".join(row for row in line.split("\n") if row.strip("^~ ")) for line in lines]
    return [line for line in kept if line and "/bridge/" not in line]


def check_log(runtime: Runtime, document: dict[str, Any]) -> None:
    """What Lambda was told, in one line with carriage returns in it, as AWS's own runtime writes it; nothing else."""
    assert runtime.log == "\r".join(error_lines(document)) + "\n"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_code_that_cannot_be_served_is_reported_with_its_own_lines(
    api: RuntimeDouble, fork_runtime: Runtimes, fault: Fault
) -> None:
    code, handler, header, error_type, message, trace = fault
    runtime = fork_runtime(code, _HANDLER=handler)
    report = api.init_error()
    assert runtime.wait() == 1
    file = str(runtime.folder / "app.py")
    document = report.document
    assert report.headers[ERROR_TYPE] == header
    assert (document["errorType"], document["requestId"]) == (error_type, "")
    assert document["errorMessage"] == message.replace("{}", file)
    expected = [line.replace("{}", file) for line in trace]
    assert without_marks(document["stackTrace"]) == without_marks(expected)
    check_log(runtime, document)
    api.wait_until_left()


def test_a_startup_that_fails_is_reported_with_the_applications_own_lines(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    code = """
def connect():
    raise ConnectionError("no database")

async def app(scope, receive, send):
    await receive()
    connect()
"""
    runtime = fork_runtime(code, "app:app")
    report = api.init_error()
    assert runtime.wait() == 1
    file = runtime.folder / "app.py"
    assert report.headers[ERROR_TYPE] == "Function.StartupFailed"
    assert report.document["errorMessage"] == (
        "Expected the application to answer 'lifespan.startup', but it raised ConnectionError: no database."
    )
    trace = "".join(report.document["stackTrace"])
    assert f'  File "{file}", line 7, in app\n    connect()\n' in trace
    assert f'  File "{file}", line 3, in connect\n    raise ConnectionError("no database")\n' in trace
    assert "ConnectionError: no database\n" in trace
    check_log(runtime, report.document)


def test_a_startup_that_says_that_it_failed_is_reported_with_its_message(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    code = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""
    runtime = fork_runtime(code, "app:app")
    assert api.init_error().document["errorMessage"] == "The application's startup failed: no database"
    assert runtime.wait() == 1


SETTINGS = {
    "AWS_LWA_INVOKE_MODE": ("stream", "'buffered' or 'response_stream'"),
    "AWS_LAMBDA_MAX_CONCURRENCY": ("0", "a whole number, 1 or more"),
    "BRIDGE_WORKERS": ("many", "a whole number, 1 or more"),
    "BRIDGE_DEADLINE_MARGIN": ("250ms", "a number of milliseconds, such as '250'"),
    "BRIDGE_BACKGROUND_LIMIT": ("-1", "a number of seconds, such as '30'"),
    "BRIDGE_EXTENSION": ("maybe", "'auto', 'on' or 'off'"),
    "BRIDGE_ROOT_PATH": ("shop", "a path of whole segments that starts with a slash, such as '/api'"),
}


@pytest.mark.parametrize("variable", SETTINGS)
def test_a_variable_that_makes_no_sense_is_reported_by_its_name(
    api: RuntimeDouble, fork_runtime: Runtimes, variable: str
) -> None:
    value, accepted = SETTINGS[variable]
    environ: dict[str, Any] = {variable: value}
    runtime = fork_runtime(APP, "app:app", **environ)
    report = api.init_error()
    assert runtime.wait() == 1
    assert report.headers[ERROR_TYPE] == "Function.ConfigurationError"
    assert (report.document["errorType"], report.document["stackTrace"]) == ("ConfigurationError", [])
    message = report.document["errorMessage"]
    assert message.startswith("The setting ")
    assert message.endswith(f"({variable}) is {value!r}; expected {accepted}.")
    check_log(runtime, report.document)


def test_arguments_that_make_no_sense_are_reported_with_the_usage(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = fork_runtime(APP, "app:app", "--reload")
    report = api.init_error()
    assert runtime.wait() == 1
    assert report.document == {
        "errorMessage": f"Expected one handler, but got 'app:app --reload'.\n{USAGE}",
        "errorType": "ConfigurationError",
        "requestId": "",
        "stackTrace": [],
    }
    check_log(runtime, report.document)


def test_a_web_server_that_cannot_be_started_is_reported(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = fork_runtime("", "--proxy", "--", "./no-such-server")
    report = api.init_error()
    assert runtime.wait() == 1
    assert report.headers[ERROR_TYPE] == "Function.OriginNotStarted"
    assert "no-such-server" in report.document["errorMessage"]


def test_where_the_log_is_json_so_is_the_error(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = fork_runtime("raise LookupError('no settings')", "app:app", AWS_LAMBDA_LOG_FORMAT="JSON")
    document = api.init_error().document
    assert runtime.wait() == 1
    assert '"level": "ERROR"' in runtime.log or '"level":"ERROR"' in runtime.log
    assert document["errorMessage"] in runtime.log
    assert runtime.log.count("\n") == 1


# Without anybody to tell.


def test_an_error_that_cannot_be_reported_is_logged_all_the_same(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        runtime = fork_runtime(
            "raise LookupError('no settings')", "app:app", AWS_LAMBDA_RUNTIME_API=address, BRIDGE_EXTENSION="off"
        )
        assert runtime.wait() == 1
    assert runtime.log.startswith("[ERROR] LookupError: no settings\r")
    assert "The error could not be reported to Lambda: The Runtime API is gone: " in runtime.log


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:http", ":9001"])
def test_an_address_that_is_none_is_said_to_be_none(api: RuntimeDouble, fork_runtime: Runtimes, address: str) -> None:
    runtime = fork_runtime(APP, "app:app", AWS_LAMBDA_RUNTIME_API=address)
    assert runtime.wait() == 1
    said = f"Expected AWS_LAMBDA_RUNTIME_API to be 'host:port', but got '{address}'."
    first, second = runtime.log.removesuffix("\n").split("\n")
    assert first.startswith(f"[ERROR] RuntimeApiGone: {said}")
    assert second.endswith(f"The error could not be reported to Lambda: {said}")


def test_a_report_that_is_refused_is_logged(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    """As where the emulator takes no second one."""
    api.invoke(1)
    first = fork_runtime("def handler(event, context): return event", "app.handler")
    api.wait_for_request("/2018-06-01/runtime/invocation/next", 2)
    second = fork_runtime("raise LookupError('no settings')", "app:app", BRIDGE_EXTENSION="off")
    assert second.wait() == 1
    assert (
        "The error could not be reported to Lambda: Expected 202 for the report of an error, but got 403" in second.log
    )
    (violation,) = api.take_violations()
    assert violation.endswith("the init phase is over")
    assert first.is_running
