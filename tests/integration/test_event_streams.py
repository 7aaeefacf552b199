"""AWS's own reader of event streams, beside that of LambdaTransport."""

import boto3  # type: ignore[import-untyped]
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]

from bridge.testing.event_stream import EventMessage, EventStreamDecoder
from tests.testing.event_streams import chunk, complete, endpoint, prelude


def test_botocore_decodes_the_same_messages() -> None:
    data = b"".join([chunk(b"one"), chunk(b""), chunk(bytes(range(256)) * 300), complete()])
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    theirs = [EventMessage(dict(found.headers), bytes(found.payload)) for found in buffer]
    assert list(EventStreamDecoder().feed(data)) == theirs


def test_boto3_reads_the_same_stream() -> None:
    parts = [chunk(prelude(statusCode=201)), chunk(b"one"), chunk(b"two"), complete(ErrorCode="Runtime.ExitError")]
    with endpoint(lambda *_: parts) as url:
        client = boto3.client(
            "lambda", endpoint_url=url, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        stream = client.invoke_with_response_stream(FunctionName="function", Payload=b'{"rawPath": "/"}')
        events = list(stream["EventStream"])
    payload = b"".join(found["PayloadChunk"]["Payload"] for found in events[:-1])
    assert payload == prelude(b"onetwo", statusCode=201)
    assert events[-1]["InvokeComplete"]["ErrorCode"] == "Runtime.ExitError"
