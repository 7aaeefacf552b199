"""The encoding of InvokeWithResponseStream's answer: the other side of `bridge.testing.event_stream`.

https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
"""

from __future__ import annotations

import json
from struct import pack
from zlib import crc32

from bridge.local.invocation import Failure

__all__ = ["complete", "payload_chunk"]

_STRING = 7


def payload_chunk(payload: bytes) -> bytes:
    """Return the message for a part of the response."""
    return _message("PayloadChunk", "application/octet-stream", payload)


def complete(failure: Failure | None, log_result: str = "") -> bytes:
    """Return the last message."""
    report = {"LogResult": log_result} if log_result else {}
    if failure is not None:
        report |= {"ErrorCode": failure.error_type, "ErrorDetails": failure.to_json().decode("utf-8", "replace")}
    return _message("InvokeComplete", "application/json", json.dumps(report).encode())


def _message(kind: str, content_type: str, payload: bytes) -> bytes:
    texts = {":message-type": "event", ":event-type": kind, ":content-type": content_type}
    headers = b"".join(_header(name, value) for name, value in texts.items())
    lengths = pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = lengths + pack(">I", crc32(lengths))
    return head + headers + payload + pack(">I", crc32(head + headers + payload))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return bytes([len(key)]) + key + bytes([_STRING]) + pack(">H", len(text)) + text
