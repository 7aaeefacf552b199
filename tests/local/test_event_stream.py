"""The event stream, read by the decoder of bridge.testing. botocore reads it in tests of the whole gateway."""

import json

from bridge.local.event_stream import complete, payload_chunk
from bridge.local.invocation import Failure
from bridge.testing.event_stream import EventStreamDecoder


def test_a_stream_is_what_decoders_read() -> None:
    stream = payload_chunk(b"hello") + payload_chunk(b"") + complete(Failure("Sandbox.Timedout", "late"), "bG9n")
    messages = list(EventStreamDecoder().feed(stream))
    kinds = [message.headers[":event-type"] for message in messages]
    assert kinds == ["PayloadChunk", "PayloadChunk", "InvokeComplete"]
    assert messages[0].payload == b"hello"
    report = json.loads(messages[2].payload)
    assert (report["ErrorCode"], report["LogResult"]) == ("Sandbox.Timedout", "bG9n")
    assert json.loads(report["ErrorDetails"]) == {"errorType": "Sandbox.Timedout", "errorMessage": "late"}
