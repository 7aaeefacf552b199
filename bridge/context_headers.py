"""The headers about the invocation: for a web server, which gets no ASGI scope, and for applications that ask for them.

The names are Lambda Web Adapter's. Clients' copies of them are dropped, so that an application can trust them.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from bridge import _http, invocation, settings
from bridge._messages import CONNECTION_ID, PassedEvent, header_pairs, request_line
from bridge.deadline import remaining_seconds
from bridge.sources._event_fields import json_value

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import Event, HeaderPairs

__all__ = [
    "CONTEXT_HEADERS",
    "context_headers",
    "header_json",
    "headers_with_context",
    "without_context_headers",
]

logger = logging.getLogger("bridge")

# The last one is not Lambda Web Adapter's: the API stage, which is taken off the path.
CONTEXT_HEADERS = _http.CONTEXT_HEADERS | {b"x-amzn-trace-id", b"x-forwarded-prefix"}

# The longest value, in bytes. gunicorn refuses header lines over 8,190 bytes, Node all headers together over 16 KiB;
# and the client chooses parts of the request context, such as its path.
MAX_VALUE = 8000

_CONTROLS = bytes([*range(0x20), 0x7F])


def without_context_headers(pairs: HeaderPairs) -> HeaderPairs:
    """Return `pairs` without a client's copies, in any spelling, and without other forged headers."""
    return [pair for pair in pairs if not _http.is_forged(pair[0].lower()) and pair[0].lower() not in CONTEXT_HEADERS]


def _trace_id() -> str:
    """Return the X-Ray trace header of the current invocation; "" if there is none.

    The environment's variable can only be right where there is one invocation at a time.
    """
    return invocation.trace_id.get() or settings.trace_id()


def context_headers(event: Event, context: Any, request: httpx.Request | None = None) -> HeaderPairs:
    """Return the headers about one invocation. A value that is missing or too long has no header.

    `request`: the one that the log names if a value is too long.
    """
    headers: HeaderPairs = [
        (b"x-amzn-request-context", header_json(event.get("requestContext"), request)),
        (b"x-amzn-lambda-context", header_json(None if context is None else lambda_context(context), request)),
        (b"x-amzn-trace-id", _plain(_trace_id())),
        (b"x-amz-tenant-id", _plain(getattr(context, "tenant_id", None))),
    ]
    return [pair for pair in headers if pair[1] and _fits(*pair, request)]


def headers_with_context(request: httpx.Request, *, with_context: bool = True) -> HeaderPairs:
    """Return the headers of `request` with the context headers in place of a client's copies.

    `with_context`: False returns the others alone. The id of a WebSocket connection is one of them.
    """
    scope = request.extensions.get("asgi") or {}
    pairs = without_context_headers(header_pairs(request))
    if CONNECTION_ID in request.extensions:
        pairs.append((_http.CONNECTION_ID_HEADER, request.extensions[CONNECTION_ID]))
    if not with_context:
        return pairs
    # No client has sent an event that is not a request, and it has no request context.
    event = {} if isinstance(request, PassedEvent) else scope.get("aws.event") or {}
    return pairs + context_headers(event, scope.get("aws.context"), request)


def lambda_context(context: Any) -> dict[str, Any]:
    """Return the Lambda context as Lambda Web Adapter writes it. `deadline`: in milliseconds since the epoch.

    A value that the context does not have, or has with another type, is null.
    """
    return {
        "request_id": _text(context, "aws_request_id"),
        "deadline": _deadline(context),
        "invoked_function_arn": _text(context, "invoked_function_arn"),
        "xray_trace_id": _trace_id() or None,
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
    seconds = remaining_seconds(context)
    return None if seconds is None else int((time.time() + seconds) * 1000)


def _client_context(value: Any) -> dict[str, Any] | None:
    """Return awslambdaric's object as a dict: `client`, which is an object too, `custom` and `env`."""
    if value is None:
        return None
    client = getattr(value, "client", None)
    return {
        "client": None if client is None else {name: _text(client, name) for name in _CLIENT},
        "custom": _object(value, "custom"),
        "env": _object(value, "env"),
    }


# The attributes of awslambdaric's object, which has no __dict__.
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


def _object(source: Any, name: str) -> dict[str, Any] | None:
    value = getattr(source, name, None)
    return value if isinstance(value, dict) else None


def _identity(value: Any) -> dict[str, str | None] | None:
    identity = _text(value, "cognito_identity_id")
    pool = _text(value, "cognito_identity_pool_id")
    return {"identity_id": identity, "identity_pool_id": pool} if identity or pool else None


def header_json(value: object, request: httpx.Request | None = None) -> bytes:
    """Return `value` as JSON in ASCII without control bytes; b"" for None and for what JSON cannot hold.

    JSON itself allows DEL.
    """
    if value is None:
        return b""
    try:
        text = json.dumps(value, separators=(",", ":"), default=_of_json)
    except (RecursionError, ValueError):  # deeper than Python recurses, or a number of more digits than it writes
        _log_left_out(request, "with JSON", "its value is nested too deeply, or too large")
        return b""
    return text.replace("\x7f", "\\u007f").encode("ascii")


def _of_json(value: object) -> object:
    """Return a mapping or a sequence as JSON has it, and null for what JSON lacks."""
    try:
        return json_value(value)
    except TypeError:
        return None


def _plain(value: object) -> bytes:
    """Return a header value without control bytes; b"" if `value` is not a string."""
    return value.encode("utf-8", "replace").translate(None, _CONTROLS).strip() if isinstance(value, str) else b""


def _fits(name: bytes, value: bytes, request: httpx.Request | None) -> bool:
    if len(value) <= MAX_VALUE:
        return True
    why = f"its value has {len(value)} bytes, and servers refuse more than about {MAX_VALUE}"
    _log_left_out(request, name.decode("ascii"), why)
    return False


def _log_left_out(request: httpx.Request | None, header: str, why: str) -> None:
    what = "A request" if request is None else request_line(request)
    logger.warning("%s: The header %s was left out: %s.", what, header, why)
