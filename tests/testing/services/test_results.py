"""What the client gets for results as any function may return them, which AWS documents or others measured."""

from typing import Any

from bridge.testing.messages import ClientRequest, Headers
from bridge.testing.services import ServiceName
from tests.cases import every_case
from tests.testing.messages import ID, LONG_ID, TRACE, ask, get, header

Result = dict[str, Any]

OK: Result = {"statusCode": 200, "body": "ok", "isBase64Encoded": False}
LATTICE: Result = {**OK, "headers": {}}
EDGE: Result = {"status": "200", "headers": {}}

NO_OBJECTS: tuple[object, ...] = ("text", 3, True, [], None, b"not JSON")

FAILURES = {"rest-api": 502, "http-api": 500, "http-api-v1": 500}


@every_case(
    ("source", "result"),
    [
        # "Malformed Lambda proxy response": other keys, values that are not lists, results that are not objects.
        ("rest-api", {**OK, "cookies": ["a=1"]}),
        ("rest-api", {**OK, "statusDescription": "200 OK"}),
        ("rest-api", {**OK, "multiValueHeaders": {"a": "1"}}),
        ("rest-api", {"statusCode": "test"}),
        ("rest-api", {"statusCode": 0}),
        ("rest-api", {"statusCode": 200.5}),
        *(("rest-api", result) for result in NO_OBJECTS),
        ("http-api-v1", {"body": "ok"}),
        ("http-api-v1", {}),
        *(("http-api-v1", result) for result in NO_OBJECTS),
        ("http-api-v1", {"statusCode": 0}),
        ("http-api", {"statusCode": 200.5}),
        ("http-api", {"statusCode": 0}),
        ("http-api", {**OK, "body": "!", "isBase64Encoded": True}),
        ("function-url", {**OK, "headers": {"a": "b\r\nc: d"}}),
        ("function-url", {**OK, "headers": {"a b": "c"}}),
        # A load balancer: a field that is null, a value that is not a string, a description of another status, 1 MB.
        ("alb", {**OK, "statusDescription": None}),
        ("alb", {**OK, "body": None}),
        ("alb", {**OK, "headers": None}),
        ("alb", {**OK, "headers": {"a": True}}),
        ("alb", {**OK, "statusDescription": "OK"}),
        ("alb", {**OK, "body": "x" * (1 << 20)}),
        ("alb", {**OK, "headers": {f"x-{number}": "a" * 8000 for number in range(5)}}),
        ("alb", {"body": "ok"}),
        ("alb-multi", {"statusCode": "ok"}),
        ("alb-multi", "text"),
        # VPC Lattice: the three fields that a response must have.
        ("lattice-v1", OK),
        ("lattice-v1", {**LATTICE, "headers": {"set-cookie": ["a=1", "b=2"]}}),
        ("lattice-v2", {"statusCode": 200, "headers": {}}),
        ("lattice-v2", "text"),
        # CloudFront: the status, the headers, the size, the encoding, the body of a 204, a request in its place.
        *(
            (source, {**EDGE, **fields})
            for source in ("edge-viewer", "edge-origin")
            for fields in (
                {"status": 200},
                {"status": "199"},
                {"status": "600"},
                {"headers": {"connection": [{"value": "close"}]}},
                {"headers": {"x-amzn-requestid": [{"value": "1"}]}},
                {"headers": {"x-edge-location": [{"value": "1"}]}},
                {"headers": {"via": [{"value": "1"}]}},
                {"headers": {"x-a": [{"key": "X-B", "value": "1"}]}},
                {"headers": {"x-a": "1"}},
                {"headers": {"x a": [{"value": "1"}]}},
                {"headers": {"": [{"value": "1"}]}},
                {"body": "not base64", "bodyEncoding": "base64"},
                {"body": "x", "bodyEncoding": "utf-8"},
                {"body": "x" * ((1 << 20) + 1)},
            )
        ),
        *((source, {**LATTICE, "statusCode": "2" * 5000}) for source in ("http-api", "alb", "lattice-v2")),
        ("edge-viewer", {"uri": "/", "method": "GET"}),
        ("edge-viewer", {**EDGE, "headers": {"host": [{"value": "a"}]}}),
        ("edge-viewer", {**EDGE, "body": "x" * 40961}),
        ("edge-viewer", {**EDGE, "status": "204", "body": ""}),
        ("edge-origin", {**EDGE, "headers": {"if-none-match": [{"value": "a"}]}}),
        # Lambda's own limit, at every service that has no smaller one.
        *(
            (source, {**LATTICE, "body": "x" * 6_291_556})
            for source in ("rest-api", "http-api", "http-api-v1", "function-url", "lattice-v1", "lattice-v2")
        ),
    ],
)
def test_what_a_service_refuses_is_its_own_error_with_a_reason(source: ServiceName, result: object) -> None:
    response = ask(source, result)
    assert (response.status, len(response.reasons)) == (FAILURES.get(source, 502), 1)


def test_base64_that_is_none_is_an_error_of_a_rest_apis_set_up() -> None:
    response = ask("rest-api", {**OK, "body": "!", "isBase64Encoded": True})
    assert (response.status, response.body) == (500, b'{"message": "Internal server error"}')


JSON, PLAIN = header("content-type", "application/json"), header("content-type", "text/plain; charset=utf-8")
OWN: dict[ServiceName, Headers] = {
    "rest-api": (("x-amzn-RequestId", ID), ("x-amz-apigw-id", LONG_ID), ("X-Amzn-Trace-Id", TRACE)),
    "http-api": header("apigw-requestid", LONG_ID),
    "http-api-v1": header("apigw-requestid", LONG_ID),
    "function-url": (("x-amzn-requestid", ID), ("x-amzn-trace-id", TRACE)),
    "alb": (("server", "awselb/2.0"), ("date", "Wed, 01 Jan 2025 10:00:00 GMT")),
    "edge-viewer": (
        ("via", "1.1 abcdef0123456789.cloudfront.net (CloudFront)"),
        ("x-cache", "LambdaGeneratedResponse from cloudfront"),
    ),
}
OWN["alb-multi"] = OWN["alb"]


@every_case(
    ("source", "result", "headers", "changes"),
    [
        # The type of a response that has none.
        ("rest-api", OK, JSON, 0),
        ("http-api-v1", OK, PLAIN, 0),
        ("http-api", OK, PLAIN, 0),
        ("function-url", OK, JSON, 0),
        ("alb", OK, (), 0),
        ("lattice-v2", LATTICE, (), 0),
        ("edge-viewer", {**EDGE, "body": "ok"}, (), 0),
        # Which of the fields are read, in which order and spelling.
        ("rest-api", {**OK, "headers": {"X-A": "1", "x-b": "2"}, "multiValueHeaders": {"x-a": ["0", "1"]}},
         (*header("x-a", "0", "1"), *header("x-b", "2"), *JSON), 0),
        ("rest-api", {**OK, "headers": {"X-Camel": "1"}}, (*header("X-Camel", "1"), *JSON), 0),
        ("http-api-v1", {**OK, "headers": {"X-A": "1"}, "multiValueHeaders": {"x-a": ["0"]}},
         (*header("x-a", "1", "0"), *PLAIN), 0),
        ("http-api-v1", {**OK, "cookies": ["a=1"]}, PLAIN, 1),
        ("http-api", {**OK, "cookies": ["a=1", "b=2"], "multiValueHeaders": {"x-a": ["0"]}},
         (*header("set-cookie", "a=1", "b=2"), *PLAIN), 1),
        ("function-url", {**OK, "cookies": ["a=1"], "multiValueHeaders": {"x-a": ["0"]}},
         (*header("set-cookie", "a=1"), *JSON), 1),
        ("alb", {**OK, "multiValueHeaders": {"x-a": ["1"]}}, (), 1),
        ("alb-multi", {**OK, "headers": {"x-a": "1"}}, (), 1),
        ("alb-multi", {**OK, "multiValueHeaders": {"x-a": ["1", "2"]}}, header("x-a", "2", "1"), 0),
        ("lattice-v2", {**LATTICE, "cookies": ["a=1"], "multiValueHeaders": {"x-a": ["1"]}}, (), 2),
        ("lattice-v2", {**LATTICE, "headers": {"x-a": ["1", "2"]}}, header("x-a", "1", "2"), 0),
        ("edge-viewer", {**EDGE, "body": "ok", "headers": {"x-a": [{"key": "X-A", "value": "1"}, {"value": "2"}]}},
         header("x-a", "1", "2"), 0),
        # Values that are not text, and null.
        ("rest-api", {**OK, "headers": {"x-a": True, "x-b": 1}},
         (*header("x-a", "true"), *header("x-b", "1"), *JSON), 0),
        ("function-url", {**OK, "headers": None, "cookies": None}, JSON, 0),
        ("rest-api", {**OK, "headers": None, "multiValueHeaders": None}, JSON, 0),
        ("lattice-v1", {**LATTICE, "headers": None}, (), 0),
        # What is changed.
        ("alb", {**OK, "headers": {"location": "../d"}}, header("location", "https://shop.example/d"), 0),
        ("alb", {**OK, "headers": {"Connection": "close", "Keep-Alive": "5"}}, (), 2),
        ("lattice-v1", {**LATTICE, "headers": {"Connection": "close"}}, (), 1),
        ("rest-api", {**OK, "headers": {"WWW-Authenticate": "Basic", "Via": "1.1 a", "content-type": "a/b"}},
         (*header("x-amzn-Remapped-WWW-Authenticate", "Basic"), *header("content-type", "a/b")), 2),
        ("function-url", {**OK, "headers": {"www-authenticate": "Basic", "date": "x"}},
         (*header("x-amzn-Remapped-www-authenticate", "Basic"), *header("date", "x"), *JSON), 1),
        ("http-api", {**OK, "headers": {"www-authenticate": "Basic", "date": "x"}},
         (*header("www-authenticate", "Basic"), *header("date", "x"), *PLAIN), 0),
        ("http-api", {**OK, "headers": {"Content-Length": "10"}}, PLAIN, 1),
        # Text in UTF-8, one character for each byte here.
        ("lattice-v1", {**LATTICE, "headers": {"x-a": "\u00e9"}}, header("x-a", "\u00c3\u00a9"), 0),
        # Base64.
        *((source, {**OK, "body": "b2s=", "isBase64Encoded": True}, headers, 0)
          for source, headers in (("rest-api", JSON), ("http-api", PLAIN), ("function-url", JSON), ("alb", ()))),
        ("rest-api", {"statusCode": 200, "body": "b2s=", "base64Encoded": True}, JSON, 0),
        ("edge-viewer", {**EDGE, "body": "b2s=", "bodyEncoding": "base64"}, (), 0),
    ],
)  # fmt: skip
def test_what_a_service_accepts_becomes_what_its_client_gets(
    source: ServiceName, result: Result, headers: Headers, changes: int
) -> None:
    response = ask(source, result)
    own = OWN.get(source, ())
    length = header("content-length", "2")
    assert (response.status, response.headers, response.body) == (200, (*headers, *own, *length), b"ok")
    assert len(response.reasons) == changes


@every_case(
    ("source", "result", "status", "body"),
    [
        ("rest-api", {}, 200, b""),
        ("rest-api", {"headers": {}}, 200, b""),
        ("rest-api", {"statusCode": "201"}, 201, b""),
        ("http-api", {"statusCode": "201"}, 201, b""),
        ("function-url", {"statusCode": "418"}, 418, b""),
        ("function-url", {"statusCode": 200, "body": {"a": [1]}}, 200, b'{"a":[1]}'),
        # A result that is the body itself.
        ("http-api", {}, 200, b"{}"),
        ("http-api", {"a": 1}, 200, b'{"a": 1}'),
        ("http-api", "text \u00e9", 200, "text \u00e9".encode()),
        ("http-api", [3, True], 200, b"[3, true]"),
        ("http-api", None, 200, b"null"),
        ("http-api", b"{not JSON", 200, b"{not JSON"),
        ("function-url", {}, 200, b"{}"),
        ("function-url", {"hello": "world"}, 200, b'{"hello":"world"}'),
        ("function-url", "hello", 200, b"hello"),
        ("function-url", 3.1, 200, b"3.1"),
        ("function-url", ["hello", 3, True], 200, b'["hello",3,true]'),
    ],
)  # fmt: skip
def test_a_result_without_the_usual_fields(source: ServiceName, result: object, status: int, body: bytes) -> None:
    response = ask(source, result)
    assert (response.status, response.body, response.reasons) == (status, body, ())
    if "statusCode" not in (result if isinstance(result, dict) else {}):
        assert ("content-type", "application/json") in response.headers


@every_case(
    ("accept", "binary", "body", "changes"),
    [
        ("image/png", ("image/png",), b"ok", 0),
        ("image/png;q=0.5, */*", ("image/png",), b"ok", 0),
        ("text/html, image/png", ("image/png",), b"b2s=", 1),
        ("image/*", ("image/png",), b"b2s=", 1),
        ("text/html", ("*/*",), b"ok", 0),
    ],
)
def test_a_rest_api_decodes_base64_if_the_first_accepted_type_is_binary(
    accept: str, binary: tuple[str, ...], body: bytes, changes: int
) -> None:
    result = {"statusCode": 200, "body": "b2s=", "isBase64Encoded": True}
    response = ask("rest-api", result, get("/", ("Accept", accept)), binary_media_types=binary)
    assert (response.body, len(response.reasons)) == (body, changes)


@every_case(
    ("request_", "result", "body", "changes"),
    [
        (get(method="HEAD"), {**OK, "body": "", "headers": {"content-length": "2"}}, b"", 0),
        (get(method="HEAD"), OK, b"", 1),
        (get(), {**OK, "statusCode": 204}, b"", 1),
        (get(), {**OK, "statusCode": 304, "body": ""}, b"", 0),
    ],
)
def test_a_response_without_a_body_has_no_other_length(
    request_: ClientRequest, result: Result, body: bytes, changes: int
) -> None:
    response = ask("http-api", result, request_)
    lengths = [value for name, value in response.headers if name == "content-length"]
    assert lengths == list(filter(None, [result.get("headers", {}).get("content-length")]))
    assert (response.body, len(response.reasons)) == (body, changes)


def test_a_result_where_the_service_streams_is_not_what_it_was_meant_to_be() -> None:
    envelope = ask("function-url", OK, is_streamed=True)
    assert envelope.body == b'{"statusCode":200,"body":"ok","isBase64Encoded":false}'
    assert (envelope.status, len(envelope.reasons)) == (200, 1)
    refused = ask("rest-api", OK, is_streamed=True)
    assert (refused.status, refused.body, len(refused.reasons)) == (500, b'{"message": "Internal server error"}', 1)
