"""What a web server is told about the invocation: headers, because it has no scope to look into.

The names are Lambda Web Adapter's. Clients' copies of all of them are dropped, so that a server can trust them.
"""

from __future__ import annotations

import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any

from bridge import invocation, settings

if TYPE_CHECKING:
    from bridge._types import Event, HeaderPairs

__all__ = ["CONTEXT_HEADERS", "context_headers", "header_json", "trace_id", "without_context_headers"]

logger = logging.getLogger("bridge")

CONTEXT_HEADERS = frozenset(
    {
        b"x-amzn-request-context",
        b"x-amzn-lambda-context",
        b"x-amzn-trace-id",
        b"x-amz-tenant-id",
        b"x-forwarded-prefix",  # not Lambda Web Adapter's: the API stage, which the path comes without
    }
)

# To CGI and WSGI a hyphen and an underscore are the same, and to PHP a dot too.
_SEPARATORS = bytes.maketrans(b"_.", b"--")

# How long one value may be, in bytes. gunicorn refuses header lines over 8,190 bytes, Node all headers together over
# 16 KiB; and parts of the request context, such as its path, are the client's own text.
MAX_VALUE = 8000

_CONTROLS = bytes([*range(0x20), 0x7F])


def without_context_headers(pairs: HeaderPairs) -> HeaderPairs:
    """`pairs` without a client's copies, in any spelling."""
    return [pair for pair in pairs if pair[0].lower().translate(_SEPARATORS) not in CONTEXT_HEADERS]


def trace_id() -> str:
    """The X-Ray trace header of the current invocation; "" if there is none.

    Where many go on at once the environment's variable could only be that of one.
    """
    return invocation.trace_id.get() or settings.trace_id()


def context_headers(event: Event, context: Any) -> HeaderPairs:
    """The headers about one invocation. A value that is not there has no header; one that is too long is left out."""
    headers: HeaderPairs = [
        (b"x-amzn-request-context", _json_or_nothing(event.get("requestContext"))),
        (b"x-amzn-lambda-context", b"" if context is None else header_json(lambda_context(context))),
        (b"x-amzn-trace-id", _plain(trace_id())),
        (b"x-amz-tenant-id", _plain(getattr(context, "tenant_id", None))),
    ]
    return [pair for pair in headers if pair[1] and _fits(*pair)]


def lambda_context(context: Any) -> dict[str, Any]:
    """The Lambda context as Lambda Web Adapter writes it. `deadline`: in milliseconds since the epoch.

    What the context does not have, or has with a type that is not its own, is null.
    """
    return {
        "request_id": _text(context, "aws_request_id"),
        "deadline": _deadline(context),
        "invoked_function_arn": _text(context, "invoked_function_arn"),
        "xray_trace_id": trace_id() or None,
        "client_context": _client_context(getattr(context, "client_context", None)),
        "identity": _identity(getattr(context, "identity", None)),
        "tenant_id": _text(context, "tenant_id"),
        "env_config": {
            "function_name": _text(context, "function_name"),
            "memory": _number(getattr(context, "memory_limit_in_mb", None)),
            "version": _text(context, "function_version"),
            "log_stream": _text(context, "log_stream_name"),
            "log_group": _text(context, "log_group_name"),
        },
    }


def _text(source: Any, name: str) -> str | None:
    value = getattr(source, name, None)
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None


def _deadline(context: Any) -> int | None:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    milliseconds = remaining() if callable(remaining) else None
    if isinstance(milliseconds, int | float) and math.isfinite(milliseconds):
        return int(time.time() * 1000 + milliseconds)
    return None


def _client_context(value: Any) -> dict[str, Any] | None:
    """awslambdaric makes objects of what a mobile client sent: `client`, an object itself, `custom` and `env`."""
    if value is None:
        return None
    client = getattr(value, "client", None)
    return {
        "client": None if client is None else {name: _text(client, name) for name in _CLIENT},
        "custom": _object(value, "custom"),
        "env": _object(value, "env"),
    }


# What awslambdaric's object has, which has no __dict__.
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


def _object(source: Any, name: str) -> dict[str, Any] | None:
    value = getattr(source, name, None)
    return value if isinstance(value, dict) else None


def _identity(value: Any) -> dict[str, str | None] | None:
    identity = _text(value, "cognito_identity_id")
    pool = _text(value, "cognito_identity_pool_id")
    return {"identity_id": identity, "identity_pool_id": pool} if identity or pool else None


def _json_or_nothing(value: object) -> bytes:
    return b"" if value is None else header_json(value)


def header_json(value: object) -> bytes:
    """JSON in ASCII that no control byte gets into, DEL included, which JSON itself lets pass."""
    text = json.dumps(value, separators=(",", ":"), default=lambda _: None)
    return text.replace("\x7f", "\\u007f").encode("ascii")


def _plain(value: object) -> bytes:
    """A header value without control bytes; b"" for what is no text."""
    return value.encode("utf-8", "replace").translate(None, _CONTROLS).strip() if isinstance(value, str) else b""


def _fits(name: bytes, value: bytes) -> bool:
    if len(value) <= MAX_VALUE:
        return True
    logger.warning(
        "The header %s was left out: its value has %d bytes, and servers refuse more than about %d.",
        name.decode("ascii"),
        len(value),
        MAX_VALUE,
    )
    return False
