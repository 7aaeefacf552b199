"""What Lambda says of this environment, and the settings of the runtime. As `bridge.settings` for the handler's."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from bridge.deadline import DEADLINE_MARGIN, parse_margin
from bridge.runtime.context import Function
from bridge.settings import from_environment, refusal

__all__ = ["ExtensionMode", "InvokeMode", "LogSettings", "RuntimeSettings", "function", "log_settings", "runtime_api"]

InvokeMode = Literal["buffered", "response_stream"]
ExtensionMode = Literal["auto", "on", "off"]


def _whole(name: str, least: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if re.fullmatch(r"[0-9]{1,6}", value.strip()) and int(value) >= least:
            return int(value)
        raise refusal(name, value, f"a whole number, {least} or more")

    return parse


def _seconds(name: str, unit: float, accepted: str) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value.strip()):
            return float(value) * unit
        raise refusal(name, value, accepted)

    return parse


def _lower(value: str) -> str:
    return value.strip().lower()


@dataclass(frozen=True, kw_only=True)
class RuntimeSettings:
    """Everything that `python -m bridge.runtime` reads of its environment. Frozen; compared by value.

    `handler` (_HANDLER): what to serve, if the command line does not say. `task_root` (LAMBDA_TASK_ROOT): the
    function's folder. `runtime_dir` (LAMBDA_RUNTIME_DIR): that of Lambda's Python, in images and environments with it.

    `invoke_mode` (AWS_LWA_INVOKE_MODE): "buffered", or "response_stream" for a Function URL or REST API whose own
    invoke mode is the same.

    `max_concurrency` (AWS_LAMBDA_MAX_CONCURRENCY): how many invocations this environment answers at once.

    `workers` (BRIDGE_WORKERS): how many processes share them, for applications that need more than one CPU.

    `deadline_margin` (BRIDGE_DEADLINE_MARGIN, there in milliseconds): how long before its deadline an invocation is
    given up, in seconds.

    `background_limit` (BRIDGE_BACKGROUND_LIMIT): how long work after the response may hold the next invocation up, in
    seconds; None is up to the deadline.

    `extension` (BRIDGE_EXTENSION): whether to register the internal extension that makes Lambda send SIGTERM; "auto"
    is everywhere but under SnapStart, where its connection would have to outlast the snapshot.

    `log_socket` (_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET): takes the output of workers, as that of AWS's own runtime.

    Raises ConfigurationError, which names the variable, its value and what is accepted.
    """

    handler: str = from_environment("_HANDLER", default="")
    task_root: str = from_environment("LAMBDA_TASK_ROOT", default="")
    runtime_dir: str = from_environment("LAMBDA_RUNTIME_DIR", default="")
    invoke_mode: InvokeMode = from_environment("AWS_LWA_INVOKE_MODE", parse=_lower, default="buffered")
    max_concurrency: int = from_environment(
        "AWS_LAMBDA_MAX_CONCURRENCY", parse=_whole("max_concurrency (AWS_LAMBDA_MAX_CONCURRENCY)", 1), default=1
    )
    workers: int = from_environment("BRIDGE_WORKERS", parse=_whole("workers (BRIDGE_WORKERS)", 1), default=1)
    deadline_margin: float = from_environment("BRIDGE_DEADLINE_MARGIN", parse=parse_margin, default=DEADLINE_MARGIN)
    background_limit: float | None = from_environment(
        "BRIDGE_BACKGROUND_LIMIT",
        parse=_seconds("background_limit (BRIDGE_BACKGROUND_LIMIT)", 1.0, "a number of seconds, such as '30'"),
    )
    extension: ExtensionMode = from_environment("BRIDGE_EXTENSION", parse=_lower, default="auto")
    log_socket: str = from_environment("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", default="")

    def __post_init__(self) -> None:
        if self.invoke_mode not in get_args(InvokeMode):
            raise refusal("invoke_mode (AWS_LWA_INVOKE_MODE)", self.invoke_mode, "'buffered' or 'response_stream'")
        if self.extension not in get_args(ExtensionMode):
            raise refusal("extension (BRIDGE_EXTENSION)", self.extension, "'auto', 'on' or 'off'")


def function() -> Function:
    """What Lambda says of the function, for the context."""
    get = os.environ.get
    return Function(
        name=get("AWS_LAMBDA_FUNCTION_NAME"),
        version=get("AWS_LAMBDA_FUNCTION_VERSION"),
        memory_limit_in_mb=get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        log_group_name=get("AWS_LAMBDA_LOG_GROUP_NAME"),
        log_stream_name=get("AWS_LAMBDA_LOG_STREAM_NAME"),
    )


class LogSettings(NamedTuple):
    """What AWS's own runtime reads, too: "JSON" or else text, the root logger's level, the descriptor for frames."""

    log_format: str
    log_level: str
    telemetry_fd: int | None


def log_settings() -> LogSettings:
    """These are wanted first, and none of them can be wrong. No child process is to see the descriptor."""
    descriptor = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
    return LogSettings(
        os.environ.get("AWS_LAMBDA_LOG_FORMAT", ""),
        os.environ.get("AWS_LAMBDA_LOG_LEVEL", ""),
        int(descriptor) if descriptor.isdecimal() else None,
    )


def runtime_api() -> str:
    """ "host:port" of the Runtime API; "" outside of Lambda."""
    return os.environ.get("AWS_LAMBDA_RUNTIME_API", "")
