"""A batch of records, each of which the application gets on its own, and the partial batch response.

Lambda reads that response only if the event source mapping has ReportBatchItemFailures. Without that, every record of
an invocation that succeeds is done.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from bridge._messages import request_line
from bridge.asgi.tasks import in_own_task, is_cancellation
from bridge.errors import EventFailed
from bridge.sources._event_fields import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bridge._httpx import httpx
    from bridge._types import Event

    Send = Callable[[Event], Awaitable[Any]]
    IsDone = Callable[[str, Event], Awaitable[bool]]

__all__ = ["Batch", "answer_records", "records_of"]

logger = logging.getLogger("bridge")

# Where the identifier of a record is, for each event source that has partial batch responses. A queue's records are
# independent of each other, if it is not a FIFO queue; a stream's come in order.
_IDENTIFIERS = {
    "aws:sqs": ("messageId",),
    "aws:kinesis": ("kinesis", "sequenceNumber"),
    "aws:dynamodb": ("dynamodb", "SequenceNumber"),
}


class Batch(NamedTuple):
    """The events of single records, each with the record's identifier, and whether their order matters."""

    records: list[tuple[str, Event]]
    is_ordered: bool


def records_of(event: Any) -> Batch | None:
    """Return the records of `event`, or None if it cannot be divided.

    That is an event of another service, one without records, or one of a time window, which has a state.
    """
    records = event.get("Records") if is_object(event) else None
    if not is_array(records) or not records or event.get("window") is not None:
        return None
    identified: list[tuple[str, Event]] = []
    for record in records:
        identifier = _identifier(record)
        if identifier is None or record.get("eventSource") != records[0]["eventSource"]:
            return None
        identified.append((identifier, {**event, "Records": [record]}))
    return Batch(identified, _is_ordered(records[0]))


def _identifier(record: Any) -> str | None:
    """Return the identifier of `record` for the partial batch response; None if it has none."""
    source = record.get("eventSource") if is_object(record) else None
    value = record
    for key in _IDENTIFIERS.get(source, ("",)) if isinstance(source, str) else ("",):
        value = value.get(key) if is_object(value) else None
    return value if isinstance(value, str) and value else None


def _is_ordered(record: Mapping[str, Any]) -> bool:
    return record["eventSource"] != "aws:sqs" or str(record.get("eventSourceARN")).endswith(".fifo")


async def answer_records(request: httpx.Request, batch: Batch, send: Send, concurrency: int) -> dict[str, Any]:
    """Send each record on its own, and return the partial batch response. `request`: of the event, for log lines.

    If the order matters, the first failure is the last attempt: that record and all after it are reported. Otherwise up
    to `concurrency` are under way.
    """

    def is_done(identifier: str, event: Event) -> Awaitable[bool]:
        return _is_done(request, identifier, event, send)

    failed = await (_one_by_one(batch, is_done) if batch.is_ordered else _concurrently(batch, is_done, concurrency))
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


async def _one_by_one(batch: Batch, is_done: IsDone) -> list[str]:
    for number, (identifier, event) in enumerate(batch.records):
        if not await is_done(identifier, event):
            return [identifier for identifier, _ in batch.records[number:]]
    return []


async def _concurrently(batch: Batch, is_done: IsDone, concurrency: int) -> list[str]:
    failed: set[int] = set()
    rest = iter(enumerate(batch.records))
    exits: list[BaseException] = []

    async def work() -> None:
        try:
            for number, (identifier, event) in rest:
                if not await is_done(identifier, event):
                    failed.add(number)
        except BaseException as exc:  # An exit would stop the event loop if it left a task, and others get a group.
            if is_cancellation(exc):
                raise
            exits.append(exc)
            workers.cancel_scope.cancel()

    async with anyio.create_task_group() as workers:
        for _ in range(min(concurrency, len(batch.records))):
            workers.start_soon(work)
    if exits:
        raise exits[0]
    return [identifier for number, (identifier, _) in enumerate(batch.records) if number in failed]


async def _is_done(request: httpx.Request, identifier: str, event: Event, send: Send) -> bool:
    """Send one record. Return whether the application has accepted it; its failure is logged."""

    def log(text: str, error: Exception | None = None) -> None:
        logger.error("%s: The record %.200r failed%s", request_line(request), identifier, text, exc_info=error)

    try:
        answer = await in_own_task(lambda: send(event), name="bridge application")
    except EventFailed as exc:
        log(f": {str(exc).removeprefix(f'{request_line(request)}: ')}")
        return False
    except Exception as exc:
        log(".", exc)
        return False
    # An application that answers a batch of one as it answers any batch.
    if is_object(answer) and answer.get("batchItemFailures"):
        log(": the application reports that in batchItemFailures.")
        return False
    return True
