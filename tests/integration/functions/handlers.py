"""Lambda handler functions, a plain one and an async one, which do what the event asks for."""

import asyncio
import logging
import os
import threading
from typing import Any

from bridge.invocation import request_id, trace_id

SLOTS = 8

_all_threads = threading.Barrier(SLOTS)
_all_tasks = asyncio.Barrier(SLOTS)


def plain(event: dict[str, Any], context: Any) -> object:
    if event.get("meets"):
        _all_threads.wait()
    return _result(event, context)


async def asynchronous(event: dict[str, Any], context: Any) -> object:
    if event.get("meets"):
        await _all_tasks.wait()
    return _result(event, context)


def _result(event: dict[str, Any], context: Any) -> object:
    if "fails" in event:
        raise LookupError(event["fails"])
    if "size" in event:
        return "x" * event["size"]
    logging.getLogger("handlers").warning("working for %s", event["name"])
    return {
        "name": event["name"],
        "process": os.getpid(),
        "thread": threading.get_ident(),
        "id": context.aws_request_id,
        "custom": context.client_context and context.client_context.custom,
        "tenant": context.tenant_id,
        "current": [request_id.get(), trace_id.get()],
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }
