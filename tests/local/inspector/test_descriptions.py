"""What a list says of an invocation."""

import json
from typing import Any

from bridge.local.inspector.descriptions import described
from tests.cases import every_case
from tests.local.inspector.fake_gateway import event_record, record, request


@every_case(
    ("event", "text"),
    [
        ({"Records": [{"eventSource": "aws:sqs"}]}, "aws:sqs"),
        ({"Records": [{"EventSource": "aws:sns"}]}, "aws:sns"),
        ({"source": "aws.events", "detail-type": "Scheduled Event"}, "aws.events Scheduled Event"),
        ({"requestContext": {"eventType": "CONNECT", "routeKey": "$connect"}}, "CONNECT $connect"),
        ({"version": "2.0", "routeKey": "GET /a", "requestContext": {}}, "GET /a"),
        ({"httpMethod": "GET", "path": "/a", "requestContext": {"elb": {}}}, "GET /a"),
        ({"k": "v"}, "Event"),
        ([], "Event"),
        ({"Records": [5], "source": {"a": 1}, "requestContext": [], "path": None}, "Event"),
    ],
)
def test_an_event_has_its_kind_and_size(event: Any, text: str) -> None:
    content = json.dumps(event).encode()
    assert described(event_record(content)) == f"{text}, {len(content)} bytes"


def test_a_long_event_and_one_that_is_not_json_have_their_size_alone() -> None:
    assert described(event_record(b'{"source": "' + b"x" * 30_000 + b'"}')) == "Event, 30,014 bytes"
    assert described(event_record(b'\xff\xfe{\x00"\x00')) == "Event, 6 bytes"


def test_a_request_has_its_path() -> None:
    assert described(record(request("GET", "/a%20b?c=d"))) == "/a%20b?c=d"
