"""Events of queues and streams with as many records as a test needs, after the shapes that AWS documents."""

from typing import Any

__all__ = ["CUSTOM", "SCHEDULE", "failures", "queue", "stream", "table"]

Event = dict[str, Any]

CUSTOM: Event = {"task": "caf\u00e9", "count": 2}

SCHEDULE: Event = {
    "version": "0",
    "id": "53dc4d37",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "resources": ["arn:aws:events:eu-west-1:123456789012:rule/nightly"],
    "detail": {},
}


def queue(*identifiers: str, fifo: bool = False) -> Event:
    """Return an event of SQS."""
    arn = "arn:aws:sqs:eu-west-1:123456789012:orders" + (".fifo" if fifo else "")
    about = {"eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "eu-west-1", "attributes": {}}
    return {"Records": [{"messageId": name, "body": f"body of {name}", **about} for name in identifiers]}


def stream(*identifiers: str) -> Event:
    """Return an event of Kinesis."""
    about = {"eventSource": "aws:kinesis", "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"}
    return {"Records": [{"kinesis": {"sequenceNumber": name, "data": "aGk="}, **about} for name in identifiers]}


def table(*identifiers: str) -> Event:
    """Return an event of a DynamoDB stream."""
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026"
    about = {"eventSource": "aws:dynamodb", "eventName": "INSERT", "eventSourceARN": arn}
    return {"Records": [{"dynamodb": {"SequenceNumber": name, "Keys": {}}, **about} for name in identifiers]}


def failures(*identifiers: str) -> Event:
    """Return the partial batch response that reports `identifiers`."""
    return {"batchItemFailures": [{"itemIdentifier": name} for name in identifiers]}
