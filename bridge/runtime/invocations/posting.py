"""What is posted for an invocation, and what its reply means: the same for every kind of handler."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from bridge.errors import BridgeError
from bridge.runtime.api.vocabulary import ACCEPTED, GONE, error_headers, shown

if TYPE_CHECKING:
    from bridge.runtime.api.http import Pairs, Reply
    from bridge.runtime.api.vocabulary import Invocation

__all__ = ["check_answer", "document_of", "error_answer", "exit_in"]

logger = logging.getLogger("bridge")


def document_of(exc: BaseException, request_id: str = "") -> dict[str, Any]:
    """The document of an error: errorMessage, errorType, stackTrace, requestId."""
    from bridge.runtime.api import errors as reports

    own_type = getattr(exc, "error_type", None) if isinstance(exc, BridgeError) else None
    return reports.error_document(exc, request_id=request_id, error_type=own_type)


def error_answer(invocation: Invocation, exc: BaseException, document: dict[str, Any]) -> tuple[Pairs, bytes]:
    """The headers and the body that fail an invocation."""
    from bridge.runtime.api import errors as reports

    body = reports.encode_document(document)
    headers = [*error_headers(body, reports.error_type_header(document["errorType"])), *invocation.echo]
    cause = reports.xray_cause(exc, _working_directory())
    if cause:
        headers.append((b"lambda-runtime-function-xray-error-cause", cause))
    return headers, body


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # the application is in a folder that it has deleted
        return ""


def exit_in(exc: BaseException) -> SystemExit | KeyboardInterrupt | None:
    """What of it ends the process, be it in a group: it is no failure of one invocation."""
    if isinstance(exc, SystemExit | KeyboardInterrupt):
        return exc
    parts = exc.exceptions if isinstance(exc, BaseExceptionGroup) else ()
    return next((found for part in parts if (found := exit_in(part)) is not None), None)


def check_answer(reply: Reply) -> None:
    """What the API said to an answer. Nothing more can be done for this invocation, and the next one waits."""
    if reply.status == GONE:
        logger.warning("The answer came too late: the invocation is over (%s).", shown(reply))
    elif reply.status != ACCEPTED:
        logger.error("The Runtime API did not take the answer: %s.", shown(reply))
