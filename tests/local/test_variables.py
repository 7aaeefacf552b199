"""The environment variables of a function, for each initialization type."""

import re
import sys
from pathlib import Path
from typing import Any

from bridge.local.settings import FunctionSettings
from bridge.local.variables import arn_of, variables
from tests.cases import every_case

COMMON = {
    "A": "b",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_NAME": "shop",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_REGION": "eu-west-1",
    "LAMBDA_TASK_ROOT": str(Path.cwd()),
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "_HANDLER": "shop.app",
}
LOGS = {
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop",
    "AWS_LAMBDA_LOG_STREAM_NAME": r"20\d\d/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}",
}
# Of a shell that is itself in Lambda: another function's.
FOREIGN = {
    "AWS_LAMBDA_MAX_CONCURRENCY": "9",
    "AWS_LAMBDA_LOG_STREAM_NAME": "x",
    "AWS_LAMBDA_METADATA_API": "x",
    "AWS_LAMBDA_METADATA_TOKEN": "x",
    "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": "x",
    "_X_AMZN_TRACE_ID": "x",
}


@every_case(
    ("options", "expected"),
    [
        ({}, {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", **LOGS}),
        ({"snapstart": True}, {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}),
        (
            {"is_streamed": True},
            {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LWA_INVOKE_MODE": "response_stream", **LOGS},
        ),
        (
            {"concurrency": 8},
            {
                "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
                "AWS_LAMBDA_LOG_FORMAT": "JSON",
                "AWS_LAMBDA_MAX_CONCURRENCY": "8",
                **LOGS,
            },
        ),
    ],
)
def test_each_initialization_type_has_its_variables(options: dict[str, Any], expected: dict[str, str]) -> None:
    function = FunctionSettings(target="shop:app", name="shop", environ={"A": "b", **FOREIGN}, **options)
    found = variables(function, "127.0.0.1:9001")
    expected = {**COMMON, **expected}
    stream = found.get("AWS_LAMBDA_LOG_STREAM_NAME")
    if stream is not None:
        assert re.fullmatch(expected.pop("AWS_LAMBDA_LOG_STREAM_NAME"), stream)
        del found["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert found == expected


def test_each_environment_has_a_log_stream() -> None:
    function = FunctionSettings(target="shop:app")
    names = {variables(function, "x")["AWS_LAMBDA_LOG_STREAM_NAME"] for _ in range(2)}
    assert len(names) == 2


def test_the_region_is_that_of_the_shell() -> None:
    function = FunctionSettings(target="shop:app", name="shop", environ={"AWS_DEFAULT_REGION": "us-east-1"})
    found = variables(function, "x")
    assert (found["AWS_REGION"], found["AWS_DEFAULT_REGION"]) == ("us-east-1", "us-east-1")
    assert arn_of(function) == "arn:aws:lambda:us-east-1:123456789012:function:shop"
