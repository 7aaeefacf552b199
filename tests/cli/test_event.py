"""The events that are printed: those of HTTP requests are the transport's, which has tests of its own."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from bridge import Bridge
from bridge.cli import templates
from bridge.cli.outcomes import service_name
from bridge.testing.services import ServiceName
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.cli.conftest import Run


def printed(run: Run, *arguments: str, stdin: str | bytes = "") -> dict[str, Any]:
    result = run("event", *arguments, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    event: dict[str, Any] = json.loads(result.stdout)
    return event


@pytest.mark.parametrize("source", get_args(ServiceName))
def test_every_service_prints_an_event_that_the_handler_takes_for_that_service(run: Run, source: ServiceName) -> None:
    event = printed(run, source, "get", "https://shop.example.com/a%20b?x=1", "-H", "X-Tag: one")
    assert service_name(event) == source
    handler = Bridge(sending(START, part(b"ok")))
    assert handler(event, None)["body"] == "ok"
    handler.close()


def test_the_options_of_the_request_are_in_the_event(run: Run) -> None:
    url = "https://shop.example.com/shop/a"
    options = ["--domain", "shop.example.com", "--base-path-mapping", "shop", "--authorizer", '{"principalId": "me"}']
    event = printed(run, "rest-api", "POST", url, *options, "-H", "Accept: text/html", "-d", "a=1", "-d", "b=2")
    context = event["requestContext"]
    assert (context["domainName"], context["authorizer"]) == ("shop.example.com", {"principalId": "me"})
    assert (event["path"], event["body"], event["isBase64Encoded"]) == ("/shop/a", "YT0xJmI9Mg==", True)
    assert event["headers"]["Accept"] == "text/html"
    assert event["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_the_stage_begins_the_path(run: Run) -> None:
    event = printed(run, "http-api", "GET", "https://x/prod/a", "--stage", "prod")
    assert (event["rawPath"], event["requestContext"]["stage"]) == ("/prod/a", "prod")


def test_headers_are_those_that_curl_sends(run: Run) -> None:
    given = ["Accept: text/html", "X-Place: caf\u00e9", "X-Bytes: \udcff", "X-Empty;", "Content-Type:"]
    options = [part for text in given for part in ("-H", text)]
    headers = printed(run, "alb-multi", "POST", "https://x/", "-d", "a", *options)["multiValueHeaders"]
    sent = {name: headers.get(name) for name in ("accept", "x-place", "x-bytes", "x-empty", "content-type")}
    assert sent == {
        "accept": ["text/html"],
        "x-place": ["caf\u00e9"],
        "x-bytes": ["\ufffd"],
        "x-empty": [""],
        "content-type": None,
    }


@every_case(
    ("arguments", "stdin", "body"),
    [
        (["-d", "@form.txt"], b"", "a=1b=2"),
        (["--data-binary", "@form.txt"], b"", "a=1\r\nb=2\n"),
        (["--data-binary", "@-"], b"from\nstdin", "from\nstdin"),
        (["--data-binary", "caf\u00e9"], b"", "caf\u00e9"),
    ],
)
def test_a_body_is_read_as_curl_reads_it(
    run: Run, tmp_path: Path, arguments: list[str], stdin: bytes, body: str
) -> None:
    (tmp_path / "form.txt").write_bytes(b"a=1\r\nb=2\n")
    event = printed(run, "alb", "POST", "http://x/", *arguments, "-H", "content-type: text/plain", stdin=stdin)
    assert (event["body"], event["isBase64Encoded"]) == (body, False)
    assert event["headers"]["content-type"] == "text/plain"


@every_case(
    ("arguments", "status", "fact"),
    [
        (["alb", "TRACE", "http://x/"], 1, "405"),
        (["http-api", "GET", "https://x/a", "--stage", "prod"], 1, "'/prod'"),
        (["rest-api", "BREW", "https://x/"], 1, "BREW"),
        (["alb", "GET", "http://x/", "--stage", "prod"], 2, "--stage"),
        (["http-api", "GET", "https://x/", "--base-path-mapping", "shop"], 2, "domain"),
        (["http-api", "GET", "https://x/", "--authorizer", "{"], 2, "authorizer"),
        (["alb", "GET", "http://x/", "-H", "nothing"], 2, "'nothing'"),
        (["alb", "GET", "http://x/", "-d", "@missing"], 2, "'missing'"),
        (["alb", "GET", "http://x/", "-d", "a", "--data-binary", "b"], 2, "--data-binary"),
        (["alb", "GET"], 2, "URL"),
        (["alb", "GET", "/a"], 2, "'/a'"),
        (["alb", "GET", "/path"], 2, "https://"),
        (["alb", "GET", "shop.example/path"], 2, "https://"),
        (["alb", "G T", "https://x/"], 2, "method"),
        (["alb", "GET", "https://x/", "-H", "a: b\nc"], 2, "header value"),
        (["rest-api", "GET", "https://x/", "--authorizer", "5"], 2, "mapping"),
        (["dynamodb", "[]"], 2, "ITEM"),
        (["dynamodb", "{}"], 2, "'id'"),
        (["pigeon"], 2, "pigeon"),
    ],
)
def test_what_makes_no_event_says_why(run: Run, arguments: list[str], status: int, fact: str) -> None:
    result = run("event", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert fact in result.stderr


@every_case(
    ("arguments", "values"),
    [
        (["sqs", "a", "b"], ["aws:sqs", "a"]),
        (["sqs", "--queue", "orders.fifo"], ["aws:sqs", "hello"]),
        (["sns", "hi", "--subject", "news"], ["aws:sns", None]),
        (["s3", "a b.txt", "--bucket", "in"], ["aws:s3", None]),
        (["dynamodb", '{"id": "1", "n": 2, "tags": ["a", true, null], "m": {"x": 1.5}}'], ["aws:dynamodb", None]),
        (["kinesis", "x"], ["aws:kinesis", None]),
    ],
)
def test_an_event_of_records_names_its_source(run: Run, arguments: list[str], values: list[Any]) -> None:
    record = printed(run, *arguments)["Records"][0]
    assert [record.get("eventSource", record.get("EventSource")), record.get("body")] == values


def test_values_are_in_the_notation_of_their_service() -> None:
    item = {"id": "1", "n": 2, "tags": ["a", True, None], "m": {"x": 1.5}}
    change = templates.dynamodb(item, table="orders", name="MODIFY", key="id")["Records"][0]["dynamodb"]
    image = {
        "id": {"S": "1"},
        "n": {"N": "2"},
        "tags": {"L": [{"S": "a"}, {"BOOL": True}, {"NULL": True}]},
        "m": {"M": {"x": {"N": "1.5"}}},
    }
    assert (change["NewImage"], change["OldImage"], change["Keys"]) == (image, image, {"id": {"S": "1"}})
    record = templates.s3("a b+c/d.txt", bucket="in", name="ObjectCreated:Put", size=1)["Records"][0]
    assert record["s3"]["object"]["key"] == "a+b%2Bc/d.txt"
    assert templates.kinesis(["hi"], stream="orders")["Records"][0]["kinesis"]["data"] == "aGk="


@pytest.mark.parametrize("kind", ["connect", "message", "disconnect"])
def test_a_websocket_event_has_what_its_kind_has(run: Run, kind: str) -> None:
    event = printed(run, "websocket", kind, "hi", "--connection", "abc=")
    context = event["requestContext"]
    assert (context["eventType"], context["connectionId"]) == (kind.upper(), "abc=")
    assert ("headers" in event, event.get("body")) == (kind != "message", "hi" if kind == "message" else None)


def test_a_schedule_names_its_rule(run: Run) -> None:
    event = printed(run, "schedule", "--rule", "nightly")
    assert event["resources"] == ["arn:aws:events:eu-west-1:123456789012:rule/nightly"]
