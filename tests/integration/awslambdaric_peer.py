"""AWS's own runtime client for Python, as a peer: its log, its context, and its reports of errors."""

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from awslambdaric import bootstrap  # type: ignore[import-untyped]
from awslambdaric.lambda_runtime_log_utils import LogFormat  # type: ignore[import-untyped]
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller  # type: ignore[import-untyped]

__all__ = ["failure_of", "log_of", "make_context", "report_error", "result_of"]


@contextmanager
def log_of(
    monkeypatch: pytest.MonkeyPatch,
    *,
    log_format: str,
    log_level: str,
    telemetry_fd: int | None,
    request_id: str = "",
    tenant_id: str = "",
) -> Iterator[None]:
    """Set up its handler alone on the root logger. Owns the descriptor."""
    root = logging.getLogger()
    level = root.level
    with monkeypatch.context() as patch, _sink(bootstrap, telemetry_fd) as sink:
        patch.setattr(logging.Formatter, "converter", logging.Formatter.converter)  # it sets another, for everybody
        patch.setattr(bootstrap, "_GLOBAL_AWS_REQUEST_ID", request_id or None)
        patch.setattr(bootstrap, "_GLOBAL_TENANT_ID", tenant_id or None)
        root.handlers.clear()
        bootstrap._setup_logging(LogFormat.from_str(log_format), log_level, sink)
        yield
    root.handlers.clear()
    root.setLevel(level)


def _sink(module: ModuleType, telemetry_fd: int | None) -> Any:
    return module.StandardLogSink() if telemetry_fd is None else module.FramedTelemetryLogSink(telemetry_fd)


def report_error(
    monkeypatch: pytest.MonkeyPatch, document: dict[str, Any], *, log_format: str, telemetry_fd: int | None
) -> None:
    """Have it log the document of an error. Owns the descriptor."""
    monkeypatch.setenv("AWS_LAMBDA_LOG_FORMAT", log_format)
    spec = importlib.util.spec_from_file_location("awslambdaric.bootstrap", bootstrap.__file__)
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)  # it looks at the format when it is imported
    with _sink(again, telemetry_fd) as sink:
        again.log_error(document, sink)


def failure_of(handler: Callable[[], object]) -> tuple[str, str]:
    """Return its report of a handler that raises: the document of the error, and its cause for X-Ray. Both are JSON."""
    posted: list[tuple[str, str]] = []
    client = SimpleNamespace(
        marshaller=LambdaMarshaller(),
        post_invocation_error=lambda _, document, cause, __: posted.append((document, cause)),
    )
    sink = SimpleNamespace(log_error=lambda lines: None)
    bootstrap.handle_event_request(
        client,
        lambda event, context: handler(),
        "id-1",
        "{}",
        "application/json",
        None,
        None,
        "arn",
        0,
        None,
        sink,
    )
    (failure,) = posted
    return failure


def result_of(result: object) -> bytes:
    """Return what it posts for a result, with the Python of AWS_EXECUTION_ENV."""
    encoded: str = LambdaMarshaller().marshal_response(result)[0]
    return encoded.encode("utf-8")


def make_context(client_context: str | None, identity: str | None, *, deadline_ms: int, tenant_id: str | None) -> Any:
    """Return the context that it makes of an invocation's headers. Raises whatever it raises."""
    return bootstrap.create_lambda_context(client_context, identity, deadline_ms, "id-1", "arn", tenant_id)
