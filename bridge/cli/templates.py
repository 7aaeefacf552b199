"""Events that are not HTTP requests, in the shapes that AWS documents: pure functions.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html links to the page of each service.
"""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from bridge.testing.messages import ClientRequest
from bridge.testing.services.websocket import ClientConnection, connect_event, disconnect_event, message_event
from bridge.testing.setup import ACCOUNT, REGION, Setup

__all__ = ["dynamodb", "kinesis", "s3", "schedule", "sns", "sqs", "websocket"]

Event = dict[str, Any]


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _now() -> datetime:
    return datetime.now(UTC)


def _iso(moment: datetime, *, spec: str = "milliseconds") -> str:
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def sqs(bodies: Sequence[str], *, queue: str) -> Event:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    return {"Records": [_sqs_record(body, queue, number) for number, body in enumerate(bodies)]}


def _sqs_record(body: str, queue: str, number: int) -> Event:
    sent = str(int(_now().timestamp() * 1000))
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": sent,
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": sent,
    }
    if queue.endswith(".fifo"):
        attributes |= {
            "SequenceNumber": f"{18849496460467696128 + number}",
            "MessageGroupId": "1",
            "MessageDeduplicationId": "1",
        }
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": _arn("sqs", queue),
        "awsRegion": REGION,
    }


def sns(message: str, *, subject: str | None, topic: str) -> Event:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""
    arn = _arn("sns", topic)
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{arn}:21be56ed-a058-49f5-8c98-aedd2564c486",
                "EventSource": "aws:sns",
                "Sns": {
                    "SignatureVersion": "1",
                    "Timestamp": _iso(_now()),
                    "Signature": "EXAMPLE",
                    "SigningCertUrl": f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService.pem",
                    "MessageId": str(uuid.uuid4()),
                    "Message": message,
                    "MessageAttributes": {},
                    "Type": "Notification",
                    "UnsubscribeUrl": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe",
                    "TopicArn": arn,
                    "Subject": subject,
                },
            }
        ]
    }


def s3(key: str, *, bucket: str, name: str, size: int) -> Event:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html

    The key is encoded as in a URL's query.
    """
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": _iso(_now()),
                "eventName": name,
                "userIdentity": {"principalId": "EXAMPLE"},
                "requestParameters": {"sourceIPAddress": "203.0.113.7"},
                "responseElements": {"x-amz-request-id": "EXAMPLE123456789", "x-amz-id-2": "EXAMPLE"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "uploads",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "EXAMPLE"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        "size": size,
                        "eTag": "0123456789abcdef0123456789abcdef",
                        "sequencer": "0A1B2C3D4E5F678901",
                    },
                },
            }
        ]
    }


def schedule(*, rule: str) -> Event:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html"""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": _iso(_now(), spec="seconds"),
        "region": REGION,
        "resources": [_arn("events", f"rule/{rule}")],
        "detail": {},
    }


def dynamodb(item: Mapping[str, Any], *, table: str, name: str, key: str) -> Event:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""
    image = {field: _attribute(value) for field, value in item.items()}
    change: Event = {
        "ApproximateCreationDateTime": int(_now().timestamp()),
        "Keys": {key: image[key]},
        "SequenceNumber": "111",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if name != "REMOVE":
        change["NewImage"] = image
    if name != "INSERT":
        change["OldImage"] = image
    return {
        "Records": [
            {
                "eventID": uuid.uuid4().hex,
                "eventName": name,
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": REGION,
                "dynamodb": change,
                "eventSourceARN": _arn("dynamodb", f"table/{table}/stream/2026-01-01T00:00:00.000"),
            }
        ]
    }


def _attribute(value: object) -> Event:
    """Return a value in DynamoDB's own notation."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": str(value)}
    if isinstance(value, list):
        return {"L": [_attribute(item) for item in value]}
    if isinstance(value, Mapping):
        return {"M": {field: _attribute(item) for field, item in value.items()}}
    return {"S": str(value)}


def kinesis(data: Sequence[str], *, stream: str) -> Event:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html"""
    arn = _arn("kinesis", f"stream/{stream}")
    return {"Records": [_kinesis_record(text, arn, number) for number, text in enumerate(data)]}


def _kinesis_record(text: str, arn: str, number: int) -> Event:
    sequence = str(49590338271490256608559692538361571095921575989136588898 + number)
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "1",
            "sequenceNumber": sequence,
            "data": b64encode(text.encode()).decode("ascii"),
            "approximateArrivalTimestamp": round(_now().timestamp(), 3),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000006:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/function",
        "awsRegion": REGION,
        "eventSourceARN": arn,
    }


def websocket(kind: str, body: str, *, connection: str, stage: str) -> Event:
    """Return the event of a WebSocket API. `kind`: "connect", "message" or "disconnect"."""
    setup = Setup(trace_id="Root=1-65a1b2c3-0123456789abcdef01234567")
    headers = (("Host", f"a1b2c3d4e5.execute-api.{REGION}.amazonaws.com"), ("Sec-WebSocket-Version", "13"))
    request = ClientRequest(method="GET", target=f"/{stage}", headers=headers)
    client = ClientConnection(id=connection, request=request, stage=stage, connected_at=setup.time)
    if kind == "connect":
        return connect_event(client, setup)
    if kind == "message":
        return message_event(client, setup, body)
    return disconnect_event(client, setup, code=1000, reason="")
