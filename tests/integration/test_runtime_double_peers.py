"""The double of Lambda's APIs serves AWS's own runtime client, and reports no violation of it."""

from typing import Any

import pytest

from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

HANDLER = """
import snapshot_restore_py

def handler(event, context):
    if event == "fail":
        raise LookupError("no such page")
    if event == "bytes":
        return b"bytes"
    return {
        "event": event,
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "client": context.client_context and context.client_context.custom,
        "identity": context.identity.cognito_identity_id,
        "tenant": context.tenant_id,
        "remaining": context.get_remaining_time_in_millis() > 0,
    }
"""

SNAPSTART = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}

with_snapstart = pytest.mark.parametrize("api_options", [{"snapstart": True}])


def start(start_runtime: Runtimes, code: str = HANDLER, **environ: Any) -> Runtime:
    return start_runtime(code, "app.handler", client="awslambdaric", **environ)


def test_results_and_errors(api: RuntimeDouble, start_runtime: Runtimes) -> None:
    start(start_runtime)
    result = api.invoke(
        {"a": 1}, client_context={"custom": {"b": "2"}}, identity={"cognitoIdentityId": "i"}, tenant_id="blue"
    )
    answer = result.answer()
    assert (answer.kind, answer.status, answer.is_streamed) == ("response", 202, False)
    assert answer.json == {
        "event": {"a": 1},
        "id": result.request_id,
        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:shop",
        "client": {"b": "2"},
        "identity": "i",
        "tenant": "blue",
        "remaining": True,
    }
    error = api.invoke("fail").answer()
    assert error.kind == "error"
    assert (error.error["errorType"], error.error["errorMessage"]) == ("LookupError", "no such page")
    assert api.invoke("bytes").answer().body == b"bytes"
    large = api.invoke("x" * 6_000_000, chunk_size=100_000).answer()
    assert large.json["event"] == "x" * 6_000_000


def test_an_error_while_the_module_is_imported(api: RuntimeDouble, start_runtime: Runtimes) -> None:
    runtime = start(start_runtime, "raise LookupError('no settings')")
    report = api.init_error()
    assert report.document["errorMessage"] == "no settings"
    assert report.headers["lambda-runtime-function-error-type"] == report.document["errorType"]
    assert runtime.wait() == 1


@with_snapstart
def test_a_snapshot(api: RuntimeDouble, start_runtime: Runtimes) -> None:
    code = HANDLER + "\nsnapshot_restore_py.register_before_snapshot(print, 'before', flush=True)"
    code += "\nsnapshot_restore_py.register_after_restore(print, 'after', flush=True)"
    runtime = start(start_runtime, code, **SNAPSTART)
    assert api.wait_for_snapshot() == 0
    runtime.wait_for_log("before")
    assert "after" not in runtime.log
    api.restore()
    assert api.invoke(1).answer().json["event"] == 1
    runtime.wait_for_log("after")


@with_snapstart
@pytest.mark.parametrize(
    ("hook", "error_type", "code"),
    [
        ("register_before_snapshot", "Runtime.BeforeSnapshotError", 64),
        ("register_after_restore", "Runtime.AfterRestoreError", 65),
    ],
)
def test_an_error_around_a_snapshot(
    api: RuntimeDouble, start_runtime: Runtimes, hook: str, error_type: str, code: int
) -> None:
    runtime = start(start_runtime, f"{HANDLER}\nsnapshot_restore_py.{hook}(int, 'no number')", **SNAPSTART)
    if code == 64:
        report = api.init_error()
    else:
        api.restore()
        report = api.restore_error()
    assert report.headers["lambda-runtime-function-error-type"] == error_type
    assert runtime.wait() == code


def test_several_concurrently(api: RuntimeDouble, start_runtime: Runtimes) -> None:
    start(start_runtime, AWS_LAMBDA_MAX_CONCURRENCY="2")
    api.wait_for_polls(2)
    invocations = [api.invoke(number, invocation_id=f"i-{number}") for number in range(4)]
    assert [each.answer().json["event"] for each in invocations] == [0, 1, 2, 3]
