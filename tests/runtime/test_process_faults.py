"""The init phase that fails: what Lambda is told, what the log has, and that the process ends with 1."""

import socket
from typing import Any

import pytest

from bridge.runtime.log.formats import error_lines
from tests.runtime.applications import APP
from tests.runtime.double import NEXT, RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

ERROR_TYPE = "lambda-runtime-function-error-type"

STARTUP_FAILS = """
async def app(scope, receive, send):
    await receive()
    raise ConnectionError("no database")
"""

# Code, its handler, the header with the error's type, a fact of the message, and the lines of the function's own in
# the stack trace, in order.
Fault = tuple[str, str, str, str, list[str]]

FAULTS: list[Fault] = [
    ("", "nope.handler", "Runtime.ImportModuleError", "No module named 'nope'", []),
    (
        "def connect():\n    raise LookupError('no settings')\nconnect()",
        "app.handler",
        "Function.LookupError",
        "no settings",
        ["line 3, in <module>\n    connect()", "line 2, in connect\n    raise LookupError('no settings')"],
    ),
    (
        f"{APP}\nfrom bridge import Bridge\nhandler = Bridge(app, lifespan='of')",
        "app.handler",
        "Function.ConfigurationError",
        "lifespan",
        ["line 16, in <module>"],
    ),
    (STARTUP_FAILS, "app.app", "Function.StartupFailed", "no database", ["line 4, in app"]),
]


def check_log(runtime: Runtime, document: dict[str, Any]) -> None:
    """Check that the log has only the document, in one line with carriage returns, as AWS's runtime writes it."""
    assert runtime.log == "\r".join(error_lines(document)) + "\n"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[2]}, {fault[3]}")
def test_code_that_cannot_be_served_is_reported_with_its_own_lines(
    api: RuntimeDouble, fork_runtime: Runtimes, fault: Fault
) -> None:
    code, handler, error_type, fact, lines = fault
    runtime = fork_runtime(code, _HANDLER=handler)
    report = api.init_error()
    assert runtime.wait() == 1
    document = report.document
    assert report.headers[ERROR_TYPE] == error_type
    assert document["errorType"] in (error_type, error_type.removeprefix("Function."))
    assert fact in document["errorMessage"]
    trace = "".join(document["stackTrace"])
    own = [part.partition(", ")[2] for part in trace.split(f'  File "{runtime.folder}/app.py"')[1:]]
    assert [line for line, wanted in zip(own, lines, strict=True) if not line.startswith(wanted)] == []
    check_log(runtime, document)
    api.wait_until_left()


def test_an_invalid_variable_is_reported_by_its_name(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = fork_runtime(APP, "app:app", AWS_LAMBDA_MAX_CONCURRENCY="none")
    report = api.init_error()
    assert runtime.wait() == 1
    assert report.headers[ERROR_TYPE] == "Function.ConfigurationError"
    assert (report.document["errorType"], report.document["stackTrace"]) == ("ConfigurationError", [])
    assert "(AWS_LAMBDA_MAX_CONCURRENCY) is 'none'; expected " in report.document["errorMessage"]
    check_log(runtime, report.document)


def test_where_the_log_is_json_so_is_the_error(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = fork_runtime("raise LookupError('no settings')", "app:app", AWS_LAMBDA_LOG_FORMAT="JSON")
    document = api.init_error().document
    assert runtime.wait() == 1
    assert '"level": "ERROR"' in runtime.log
    assert document["errorMessage"] in runtime.log
    assert runtime.log.count("\n") == 1


# What cannot be reported.


def test_an_error_that_cannot_be_reported_is_logged_all_the_same(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        code = "raise LookupError('no settings')"
        runtime = fork_runtime(code, "app:app", AWS_LAMBDA_RUNTIME_API=address, BRIDGE_EXTENSION="off")
        assert runtime.wait() == 1
    first, second, _ = runtime.log.split("\n")
    assert first.startswith("[ERROR] LookupError: no settings")
    assert "could not be reported" in second
    assert "The Runtime API is gone" in second


def test_an_address_that_is_invalid_is_named(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = fork_runtime(APP, "app:app", AWS_LAMBDA_RUNTIME_API="nonsense")
    assert runtime.wait() == 1
    assert runtime.log.count("AWS_LWA_LAMBDA_RUNTIME_API_PROXY to be 'host:port', but got 'nonsense'") == 2


def test_a_report_that_is_refused_is_logged(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    """As where the emulator takes no second one."""
    api.invoke(1)
    first = fork_runtime("def handler(event, context): return event", "app.handler")
    api.wait_for_request(NEXT, 2)
    second = fork_runtime("raise LookupError('no settings')", "app:app", BRIDGE_EXTENSION="off")
    assert second.wait() == 1
    line = second.wait_for_log("could not be reported")
    assert "success" in line
    assert "403" in line
    (violation,) = api.take_violations()
    assert violation.endswith("the init phase is over")
    assert first.is_running
