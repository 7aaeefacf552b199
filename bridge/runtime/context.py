"""The Lambda context: the second argument of a handler function, and `scope["aws.context"]` of an application.

It has everything that awslambdaric's has: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from bridge.errors import ContextNotDecoded
from bridge.settings_base import SettingsBase, from_environment

__all__ = [
    "Client",
    "ClientContext",
    "CognitoIdentity",
    "Function",
    "LambdaContext",
    "parse_client_context",
    "parse_identity",
]

# In milliseconds: the longest timeout that a function can have, for an invocation whose deadline is not known.
MAX_TIMEOUT_MS = 900_000

# The fields of a caller's trace context (https://www.w3.org/TR/trace-context/) that are passed on, if they are text.
_W3C_FIELDS = ("traceparent", "tracestate", "baggage")

# Attributes, in the order in which `repr` shows them.
_CONTEXT = (
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "function_name",
    "memory_limit_in_mb",
    "function_version",
    "invoked_function_arn",
    "client_context",
    "identity",
    "tenant_id",
)
_IDENTITY = ("cognito_identity_id", "cognito_identity_pool_id")
_CLIENT_CONTEXT = ("custom", "env", "client")
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class Function(SettingsBase):
    """The function of this environment, by default as Lambda's variables describe it; None for what is not known."""

    name: str | None = from_environment("AWS_LAMBDA_FUNCTION_NAME", default=None)
    version: str | None = from_environment("AWS_LAMBDA_FUNCTION_VERSION", default=None)
    memory_limit_in_mb: str | None = from_environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", default=None)
    log_group_name: str | None = from_environment("AWS_LAMBDA_LOG_GROUP_NAME", default=None)
    log_stream_name: str | None = from_environment("AWS_LAMBDA_LOG_STREAM_NAME", default=None)


class Client:
    """The mobile application that invoked the function."""

    __slots__ = _CLIENT

    def __init__(self, values: dict[str, Any]) -> None:
        get = values.get
        self.installation_id: Any = get("installation_id")
        self.app_title: Any = get("app_title")
        self.app_version_name: Any = get("app_version_name")
        self.app_version_code: Any = get("app_version_code")
        self.app_package_name: Any = get("app_package_name")

    def __repr__(self) -> str:
        return _repr(self, _CLIENT)


class ClientContext:
    """The client context of the caller. `custom` and `env` are any JSON values of its own."""

    __slots__ = _CLIENT_CONTEXT

    def __init__(self, values: dict[str, Any]) -> None:
        self.custom: Any = values.get("custom")
        self.env: Any = values.get("env")
        client = values.get("client")
        self.client = None if client is None else Client(_object(client, "The client of the client context"))

    def __repr__(self) -> str:
        return _repr(self, _CLIENT_CONTEXT)


class CognitoIdentity:
    """The Amazon Cognito identity of the caller; its attributes are None without one."""

    __slots__ = _IDENTITY

    def __init__(self, values: dict[str, Any] | None) -> None:
        self.cognito_identity_id: Any = values.get("cognitoIdentityId") if values else None
        self.cognito_identity_pool_id: Any = values.get("cognitoIdentityPoolId") if values else None

    def __repr__(self) -> str:
        return _repr(self, _IDENTITY)


class LambdaContext:
    """The context of one invocation. The application may change its attributes.

    `deadline_ms`: in milliseconds since the epoch; 0 if it is not known. `client_context` and `identity`: from
    `parse_client_context` and `parse_identity`.

    Raises ContextNotDecoded for a client context whose `client` is not an object.
    """

    _w3c: dict[str, str] | None = None

    def __init__(
        self,
        *,
        aws_request_id: str,
        deadline_ms: int,
        invoked_function_arn: str | None,
        client_context: dict[str, Any] | None,
        identity: dict[str, Any] | None,
        tenant_id: str | None,
        function: Function,
    ) -> None:
        self.aws_request_id = aws_request_id
        self.log_group_name = function.log_group_name
        self.log_stream_name = function.log_stream_name
        self.function_name = function.name
        self.memory_limit_in_mb = function.memory_limit_in_mb
        self.function_version = function.version
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = tenant_id
        self.client_context: ClientContext | None = None
        if client_context is not None:
            self.client_context = ClientContext(client_context)
            self._w3c = _w3c_fields(client_context)
        self.identity = CognitoIdentity(identity)
        self._epoch_deadline_time_in_ms = deadline_ms or int(time.time() * 1000) + MAX_TIMEOUT_MS

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation; 0 after that."""
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """Return `traceparent`, `tracestate` and `baggage` of the caller's trace context."""
        return dict(self._w3c or {})

    def log(self, msg: object) -> None:
        """Write a message to the log as it is, without the level and the layout of the logging module."""
        for handler in logging.getLogger().handlers:
            sink = getattr(handler, "log_sink", None)
            if sink is not None:
                sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        return _repr(self, _CONTEXT)


def _repr(value: object, names: tuple[str, ...]) -> str:
    return f"{type(value).__name__}([{','.join(f'{name}={getattr(value, name)}' for name in names)}])"


def _w3c_fields(client_context: dict[str, Any]) -> dict[str, str]:
    given = client_context.get("w3c")
    if not isinstance(given, dict):
        return {}
    return {name: given[name] for name in _W3C_FIELDS if isinstance(given.get(name), str)}


def parse_client_context(header: str | bytes | None) -> dict[str, Any] | None:
    """Parse `Lambda-Runtime-Client-Context`, JSON of the caller; None for an empty one. Raises ContextNotDecoded."""
    return _parse(header, "The client context")


def parse_identity(header: str | bytes | None) -> dict[str, Any] | None:
    """Parse `Lambda-Runtime-Cognito-Identity`, JSON; None for an empty one. Raises ContextNotDecoded."""
    return _parse(header, "The Cognito identity")


def _parse(header: str | bytes | None, what: str) -> dict[str, Any] | None:
    if not header:
        return None
    try:
        value = json.loads(header)
    except (ValueError, RecursionError) as exc:
        raise ContextNotDecoded(f"{what} of the invocation is not JSON: {exc}") from None
    return None if value is None else _object(value, what)


def _object(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ContextNotDecoded(f"Expected {what[0].lower()}{what[1:]} to be a JSON object, but got {value!r:.100}.")
