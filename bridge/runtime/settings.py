"""The settings of the runtime, all from environment variables; those of handlers are in `bridge.settings`."""

import os
import re
from collections.abc import Callable
from typing import Any, Literal

from bridge.deadline import DEADLINE_MARGIN, parse_margin
from bridge.settings_base import SettingsBase, from_environment, one_of, refusal

__all__ = ["ExtensionMode", "InvokeMode", "RuntimeSettings", "StartSettings"]

InvokeMode = Literal["buffered", "response_stream"]
ExtensionMode = Literal["auto", "on", "off"]


def _positive(name: str) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if re.fullmatch(r"[0-9]{1,6}", value.strip()) and int(value) > 0:
            return int(value)
        raise refusal(name, value, "a whole number, 1 or more")

    return parse


def _seconds(value: str) -> float:
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value.strip()):
        return float(value)
    raise refusal("background_limit (BRIDGE_BACKGROUND_LIMIT)", value, "a number of seconds, such as '30'")


def _lower(value: str) -> str:
    return value.strip().lower()


def _descriptor(value: str) -> int | None:
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


class RuntimeSettings(SettingsBase):
    """The settings of the runtime. Frozen; compared by value.

    `handler` (_HANDLER): the handler, unless the command line names one. `task_root` (LAMBDA_TASK_ROOT): the folder of
    the function. `runtime_dir` (LAMBDA_RUNTIME_DIR): the folder of Lambda's own Python runtime, where there is one.

    `invoke_mode` (AWS_LWA_INVOKE_MODE): "buffered", or "response_stream" for a Function URL or REST API whose own
    invoke mode is the same.

    `max_concurrency` (AWS_LAMBDA_MAX_CONCURRENCY): the number of invocations that this environment answers
    concurrently.

    `workers` (BRIDGE_WORKERS): the number of processes that share them, for applications that need more than one CPU.

    `deadline_margin` (BRIDGE_DEADLINE_MARGIN, in milliseconds): how long before its deadline an invocation is given
    up, in seconds.

    `background_limit` (BRIDGE_BACKGROUND_LIMIT): how long work after the response may delay the next invocation, in
    seconds; None means up to the deadline.

    `extension` (BRIDGE_EXTENSION): whether to register the internal extension that makes Lambda send SIGTERM; "auto"
    registers it except under SnapStart, where its connection would have to outlast the snapshot.

    `log_socket` (_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET): the socket for the output of workers, which AWS's own
    runtime uses in the same way.

    Raises ConfigurationError, which names the variable, its value and what is accepted.
    """

    handler: str = from_environment("_HANDLER", default="")
    task_root: str = from_environment("LAMBDA_TASK_ROOT", default="")
    runtime_dir: str = from_environment("LAMBDA_RUNTIME_DIR", default="")
    invoke_mode: InvokeMode = from_environment(
        "AWS_LWA_INVOKE_MODE", parse=_lower, check=one_of("buffered", "response_stream"), default="buffered"
    )
    max_concurrency: int = from_environment(
        "AWS_LAMBDA_MAX_CONCURRENCY", parse=_positive("max_concurrency (AWS_LAMBDA_MAX_CONCURRENCY)"), default=1
    )
    workers: int = from_environment("BRIDGE_WORKERS", parse=_positive("workers (BRIDGE_WORKERS)"), default=1)
    deadline_margin: float = from_environment("BRIDGE_DEADLINE_MARGIN", parse=parse_margin, default=DEADLINE_MARGIN)
    background_limit: float | None = from_environment("BRIDGE_BACKGROUND_LIMIT", parse=_seconds, default=None)
    extension: ExtensionMode = from_environment(
        "BRIDGE_EXTENSION", parse=_lower, check=one_of("auto", "on", "off"), default="auto"
    )
    log_socket: str = from_environment("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", default="")


class StartSettings(SettingsBase):
    """The settings that the runtime needs before it can log or report an error. No value is refused.

    `runtime_api` (AWS_LAMBDA_RUNTIME_API): "host:port"; "" outside of Lambda.

    `runtime_api_proxy` (AWS_LWA_LAMBDA_RUNTIME_API_PROXY): "host:port" of a program between this runtime and the
    Runtime API, such as one that inspects events; "" without one. The registration of an extension never goes there.

    `log_format` (AWS_LAMBDA_LOG_FORMAT), `log_level` (AWS_LAMBDA_LOG_LEVEL) and `telemetry_fd`
    (_LAMBDA_TELEMETRY_LOG_FD): see `bridge.runtime.log.handler.set_up_logging`. The last variable is removed from the
    environment, because child processes must not write to the descriptor.
    """

    runtime_api: str = from_environment("AWS_LAMBDA_RUNTIME_API", default="")
    runtime_api_proxy: str = from_environment("AWS_LWA_LAMBDA_RUNTIME_API_PROXY", default="")
    log_format: str = from_environment("AWS_LAMBDA_LOG_FORMAT", default="")
    log_level: str = from_environment("AWS_LAMBDA_LOG_LEVEL", default="")
    telemetry_fd: int | None = from_environment("_LAMBDA_TELEMETRY_LOG_FD", parse=_descriptor, default=None)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
