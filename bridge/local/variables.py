"""The environment variables of a Lambda function.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

import os.path
import sys
import time
import uuid
from collections.abc import Mapping

from bridge.local.settings import FunctionSettings
from bridge.testing.setup import ACCOUNT, REGION

__all__ = ["arn_of", "command_of", "handler_of", "region_of", "variables"]

# Those of a shell that is itself in Lambda, and what has no meaning here: the gateway starts the runtime itself.
_NOT_PASSED = frozenset(
    [
        *("AWS_LAMBDA_EXEC_WRAPPER", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API"),
        *("AWS_LAMBDA_METADATA_TOKEN", "_LAMBDA_TELEMETRY_LOG_FD", "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"),
        *("LAMBDA_RUNTIME_DIR", "_X_AMZN_TRACE_ID"),
        *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
    ]
)


def handler_of(function: FunctionSettings) -> str:
    """Return the handler in Lambda's form, "module.attribute"."""
    return function.target.replace(":", ".")


def arn_of(function: FunctionSettings) -> str:
    """Return the ARN of the function, without a qualifier."""
    return f"arn:aws:lambda:{region_of(function.environ)}:{ACCOUNT}:function:{function.name}"


def region_of(environ: Mapping[str, str]) -> str:
    """Return the region that a developer has chosen, or one that all deployments here have."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or REGION


def command_of(function: FunctionSettings) -> list[str]:
    """Return the command of the runtime."""
    if function.runtime == "awslambdaric":
        return [sys.executable, "-m", "awslambdaric", handler_of(function)]
    return [sys.executable, "-m", "bridge.runtime", function.target]


def variables(function: FunctionSettings, address: str) -> dict[str, str]:
    """Return the variables of a process. `address`: of its Runtime API."""
    own = {name: value for name, value in function.environ.items() if name not in _NOT_PASSED}
    region = region_of(function.environ)
    python = ".".join(map(str, sys.version_info[:2]))
    return {
        "LANG": "en_US.UTF-8",
        **own,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": _initialization_type(function),
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": os.path.abspath(function.folder),
        "TZ": ":UTC",
        "_HANDLER": handler_of(function),
        **_log_stream(function),
        **_mode(function),
    }


def _log_stream(function: FunctionSettings) -> Mapping[str, str]:
    """Return the names of the logs. Documented: a function with SnapStart does not have them."""
    if function.snapstart:
        return {}
    stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{uuid.uuid4().hex}"
    return {"AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}", "AWS_LAMBDA_LOG_STREAM_NAME": stream}


def _initialization_type(function: FunctionSettings) -> str:
    if function.concurrency > 1:
        return "lambda-managed-instances"
    return "snap-start" if function.snapstart else "on-demand"


def _mode(function: FunctionSettings) -> Mapping[str, str]:
    concurrent = {"AWS_LAMBDA_MAX_CONCURRENCY": str(function.concurrency), "AWS_LAMBDA_LOG_FORMAT": "JSON"}
    streamed = {"AWS_LWA_INVOKE_MODE": "response_stream"} if function.is_streamed else {}
    return streamed | (concurrent if function.concurrency > 1 else {})
