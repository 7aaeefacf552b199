"""The settings of a handler, and the facts about the process that are in environment variables.

An explicit argument beats the environment, the environment beats the default. Names of Lambda Web Adapter have the same
meaning as there; names of our own start with BRIDGE_.
"""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Literal

from bridge._http import is_token
from bridge.settings_base import SettingsBase, flag, from_environment, one_of, or_none, positive, refusal, status_codes

__all__ = [
    "BatchMode",
    "Mode",
    "Settings",
    "StageMode",
    "asks_for_streams",
    "child_environment",
    "escapes_results",
    "function_process",
    "handler_name",
    "in_lambda",
    "initialization_type",
    "logs_json",
    "set_handler_name",
    "set_trace_id",
    "trace_id",
    "warn_of_ineffective_variables",
    "warn_of_other_runtime",
    "warn_of_unknown_variables",
]

BatchMode = Literal["whole", "per-record"]
Mode = Literal["in-process", "proxy"]
StageMode = Literal["root_path", "strip"]

# Patterns are compiled when a setting needs them: most environments set nothing.
# A path prefix in whole segments: "/api", "/api/v1". No query, no fragment, no white space.
_PREFIX = r"(/[^/?#\s]+)+"

# A module and an attribute: "main:app", "shop.web:site.app".
_APP_NAME = r"[^\s.:/]+(\.[^\s.:/]+)*:[^\s.:/]+(\.[^\s.:/]+)*"

# RFC 9110, 8.3.1 and RFC 6838, 4.2; "*" may replace the subtype, or both types before a suffix: "text/*", "*/*+json".
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*"
_MEDIA_TYPE = rf"{_NAME}/(?:\*|(?:\*\+)?{_NAME})|\*/\*\+{_NAME}"

# Where function_process() keeps its record.
_FUNCTION_PROCESS = "_BRIDGE_FUNCTION_PROCESS"


def in_lambda(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is a Lambda execution environment, in or after its init phase."""
    return bool(environ.get("AWS_LAMBDA_RUNTIME_API"))


def function_process(own: int, environ: MutableMapping[str, str] = os.environ) -> int:
    """Return the id of the process that runs the function in this environment: the first one that gave its `own` id.

    That is recorded in a variable, which helper processes inherit. A record of another Runtime API does not count.
    """
    address = environ.get("AWS_LAMBDA_RUNTIME_API", "")
    pid, _, recorded = environ.get(_FUNCTION_PROCESS, "").partition("@")
    if recorded == address and pid.isdigit():
        return int(pid)
    environ[_FUNCTION_PROCESS] = f"{own}@{address}"
    return own


def initialization_type(environ: Mapping[str, str] = os.environ) -> str:
    """Return the way this environment was made: "on-demand", "provisioned-concurrency", "snap-start" and so on."""
    return environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")


def escapes_results(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether AWS's runtime client writes results in ASCII, with six bytes for "\u00e9" and twelve for an emoji.

    From Python 3.12 on it writes UTF-8: `Encoder` in awslambdaric's lambda_runtime_marshaller.py.
    """
    version = re.fullmatch(r"AWS_Lambda_python3\.(\d+)", environ.get("AWS_EXECUTION_ENV", ""), re.ASCII)
    return in_lambda(environ) and (version is None or int(version[1]) < 12)


def asks_for_streams(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the function's invoke mode is response_stream, which not every runtime supports."""
    return environ.get("AWS_LWA_INVOKE_MODE", "").strip().lower() == "response_stream"


def trace_id(environ: Mapping[str, str] = os.environ) -> str:
    """Return the X-Ray trace header of the current invocation; "" if there is none."""
    return environ.get("_X_AMZN_TRACE_ID", "")


def set_trace_id(value: str) -> None:
    """Set the trace header where X-Ray's libraries look for it; "" removes it."""
    if value:
        os.environ["_X_AMZN_TRACE_ID"] = value
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def logs_json(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the function's log is in JSON."""
    return environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def handler_name(environ: Mapping[str, str] = os.environ) -> str:
    """Return the handler's name as "module:attribute": "shop.web:handler" for "shop/web.handler"; "" without one."""
    name = environ.get("_HANDLER", "")
    module, colon, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    return f"{module.replace('/', '.')}:{attribute}" if colon else ""


def set_handler_name(name: str) -> None:
    """Set the handler's name in Lambda's variable, for a runtime whose command line names another handler."""
    os.environ["_HANDLER"] = name


def child_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for a web server that this process starts.

    The server is not a Lambda runtime. Without the Runtime API and BRIDGE_MODE, a handler that is made when the server
    imports the same module starts nothing, instead of the next server.
    """
    return {name: value for name, value in environ.items() if name not in ("AWS_LAMBDA_RUNTIME_API", "BRIDGE_MODE")}


# What the names of variables for this package and for Lambda Web Adapter begin with, and some that were misspelt.
_OURS = ("BRIDGE_", "AWS_LWA", "READINESS_CHECK", "REMOVE_BASE", "ASYNC_INIT")


def warn_of_unknown_variables(environ: Mapping[str, str] = os.environ) -> None:
    """Log each variable that looks like one of ours, but means nothing here, once in a process."""
    if any(name.upper().startswith(_OURS) for name in environ):
        from bridge.settings_variables import warn_of  # most functions set none

        warn_of(name for name in environ if name.upper().startswith(_OURS))


def warn_of_ineffective_variables(settings: "Settings", environ: Mapping[str, str] = os.environ) -> None:
    """Log each variable of ours that has no effect without another setting, once in a process."""
    if any(name.startswith("BRIDGE_") for name in environ):
        from bridge.settings_variables import warn_of_needs

        warn_of_needs(environ, settings.values())


def warn_of_other_runtime(environ: Mapping[str, str] = os.environ) -> None:
    """Log each variable of ours that only our own runtime reads, once in a process. This is for any other runtime."""
    if any(name.startswith(_OURS) for name in environ):
        from bridge import settings_variables

        settings_variables.warn_of_other_runtime(environ)


def _split(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _prefix(name: str, value: object) -> str:
    """Return `value` without the slash at its end. "" and "/" both mean no prefix."""
    if value is None or value in ("", "/"):
        return ""
    if isinstance(value, str) and re.fullmatch(_PREFIX, prefix := value.removesuffix("/")):
        return prefix
    raise refusal(name, value, "a path of whole segments that starts with a slash, such as '/api'")


def _path(name: str, value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str) and re.fullmatch(r"/(?!/)[^?#\s]*", value):
        return value
    raise refusal(name, value, "a path that starts with one slash, such as '/events'")


def _own_prefix(name: str, value: object) -> str:
    prefix = _prefix(name, value)
    if prefix or value == "/":
        from bridge.path_guard import canonical_path  # only a path that is set needs it

        if canonical_path(prefix) == "/":
            raise refusal(name, value, "a path that is not the root, because clients reach none under it")
    return prefix


def _app_name(name: str, value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str) and re.fullmatch(_APP_NAME, value):
        return value
    raise refusal(name, value, "a module and a name in it, such as 'main:app'")


def _header_name(name: str, value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str) and value.isascii() and is_token(value.encode("ascii")):
        return value.lower()
    raise refusal(name, value, "the name of a header")


def _media_types(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise refusal(name, values, "a sequence of media types, such as ['application/x-ndjson']")
    values = tuple(values)
    for value in values:
        if not isinstance(value, str) or not re.fullmatch(_MEDIA_TYPE, value):
            raise refusal(name, value, "'type/subtype', 'type/*' or '*/*+suffix', without parameters")
    return tuple(value.lower() for value in values)


class Settings(SettingsBase):
    """The settings for the conversion of events and responses. Frozen; compared by value.

    `base_path` (AWS_LWA_REMOVE_BASE_PATH): a prefix, in whole segments, that the event's path has and the application
    must not see: with "/api", "/api/users" arrives as "/users", and "/apiary" is unchanged. It is removed once. The
    path in the event of an HTTP API begins with its stage, if that has a name: the prefix may begin there or after it.

    `root_path` (BRIDGE_ROOT_PATH): the prefix under which clients reach the application when the event does not tell,
    such as the API mapping of an HTTP API's custom domain with payload 2.0. It becomes the scope's `root_path`, and
    `path` includes it; a path that begins with it already, after an API stage too, is left as it is.

    `stage` (BRIDGE_STAGE): "root_path" puts the API stage in `root_path` and `path`, so that `request.url` is the URL
    that the client used; "strip" leaves it out of both, for applications that do not know `root_path`.

    `text_media_types` (BRIDGE_TEXT_MEDIA_TYPES, separated by commas): more media types whose bodies are text, such as
    "application/x-ndjson", "chemical/*" or "*/*+toml". What is not text is sent to AWS as base64; a body that is not
    UTF-8 always is.

    `mode` (BRIDGE_MODE): "in-process", or "proxy", with which `Bridge(app)` serves the application with uvicorn in a
    child process and forwards to it, for an application that misbehaves in process.

    `app` (BRIDGE_APP): the name of the application for that child process, such as "main:app". By default it is the
    name under which the handler's module holds the application.

    `authorization_source` (AWS_LWA_AUTHORIZATION_SOURCE): the request header whose value becomes `authorization`, in
    place of what was there. API Gateway keeps the client's own Authorization header to itself.

    `trust_forwarded_host` (BRIDGE_TRUST_FORWARDED_HOST, "true" or "false"): whether x-forwarded-host takes the place of
    the Host header, for a proxy in front of AWS, such as CloudFront before a Function URL, that always sets it. Of
    several values the last one counts. Without such a proxy, a client may write into it what it likes.

    `error_status_codes` (AWS_LWA_ERROR_STATUS_CODES, such as "500,502-504"): responses with one of these raise
    ErrorStatus and so fail the invocation, for callers that are not browsers and only check that.

    `pass_through_path` (AWS_LWA_PASS_THROUGH_PATH): where the application gets events that are not HTTP requests, each
    as the body of a POST: "/events" by default. A path that is set is closed to clients: their requests for it, in any
    spelling, get a 403, unless `open_pass_through_path` (BRIDGE_OPEN_PASS_THROUGH_PATH, "true" or "false") is true.

    `websocket_path` (BRIDGE_WEBSOCKET_PATH): the prefix of the paths where the application gets the events of a
    WebSocket API: "/websocket" by default. One that is set is closed to clients with all that is under it, unless
    `open_websocket_path` (BRIDGE_OPEN_WEBSOCKET_PATH, "true" or "false") is true.

    `batch` (BRIDGE_BATCH): "whole", or "per-record", with which the application gets each record of an event of SQS,
    Kinesis or DynamoDB on its own, and the result is the partial batch response. The event source mapping then needs
    ReportBatchItemFailures, or Lambda deletes the records that failed. `batch_concurrency`
    (BRIDGE_BATCH_CONCURRENCY): how many records are under way together, if their order does not matter: 10 by default.

    `compression` (AWS_LWA_ENABLE_COMPRESSION, "true" or "false"): whether text is compressed for clients that accept
    it, in whole responses and in streamed ones: with gzip, and with br and zstd if the extra `compression` is there.

    `access_log` (BRIDGE_ACCESS_LOG, "true" or "false"): whether the logger "bridge.access" gets one line per request.

    `context_headers` (BRIDGE_CONTEXT_HEADERS, "true" or "false"): whether the application gets the headers
    x-amzn-request-context, x-amzn-lambda-context, x-amzn-trace-id and x-amz-tenant-id, as Lambda Web Adapter sends
    them. By default a web server gets them, and an application in this process, which has the scope, does not.

    Raises ConfigurationError, which names the setting, its value and what is accepted.
    """

    base_path: str = from_environment(
        "AWS_LWA_REMOVE_BASE_PATH", deprecated=("REMOVE_BASE_PATH",), check=_prefix, default=""
    )
    root_path: str = from_environment("BRIDGE_ROOT_PATH", check=_prefix, default="")
    stage: StageMode = from_environment("BRIDGE_STAGE", check=one_of("root_path", "strip"), default="root_path")
    text_media_types: tuple[str, ...] = from_environment(
        "BRIDGE_TEXT_MEDIA_TYPES", parse=_split, check=_media_types, default=()
    )
    mode: Mode = from_environment("BRIDGE_MODE", check=one_of("in-process", "proxy"), default="in-process")
    app: str = from_environment("BRIDGE_APP", check=_app_name, default="")
    authorization_source: str = from_environment("AWS_LWA_AUTHORIZATION_SOURCE", check=_header_name, default="")
    trust_forwarded_host: bool = from_environment("BRIDGE_TRUST_FORWARDED_HOST", check=flag, default=False)
    error_status_codes: frozenset[int] = from_environment(
        "AWS_LWA_ERROR_STATUS_CODES", check=status_codes, default=frozenset()
    )
    pass_through_path: str = from_environment("AWS_LWA_PASS_THROUGH_PATH", check=_path, default="")
    open_pass_through_path: bool = from_environment("BRIDGE_OPEN_PASS_THROUGH_PATH", check=flag, default=False)
    websocket_path: str = from_environment("BRIDGE_WEBSOCKET_PATH", check=_own_prefix, default="")
    open_websocket_path: bool = from_environment("BRIDGE_OPEN_WEBSOCKET_PATH", check=flag, default=False)
    batch: BatchMode = from_environment("BRIDGE_BATCH", check=one_of("whole", "per-record"), default="whole")
    batch_concurrency: int = from_environment("BRIDGE_BATCH_CONCURRENCY", check=positive, default=10)
    access_log: bool = from_environment("BRIDGE_ACCESS_LOG", check=flag, default=False)
    compression: bool = from_environment("AWS_LWA_ENABLE_COMPRESSION", check=flag, default=False)
    context_headers: bool | None = from_environment("BRIDGE_CONTEXT_HEADERS", check=or_none(flag), default=None)
