"""The whole scope of each base event, and the whole result of one answer to it."""

from typing import Any

from tests.cases import every_case
from tests.events import BASES, load
from tests.sources.exchange import CONTEXT, JSON_RESPONSE, Answer, answer

SHOP = b"shop.example.com"
API = b"abc123def4.execute-api.eu-west-1.amazonaws.com"
URL = b"abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws"
LATTICE = b"shop-0123456789abcdef0.7d67968.vpc-lattice-svcs.eu-west-1.on.aws"


def request(host: bytes, *accept: bytes, client: str = "203.0.113.9", forwarded: bytes = b"") -> dict[str, Any]:
    """Return the entries of the scope that the event's client and its front end decide."""
    headers = [
        *[(b"accept", value) for value in accept],
        (b"content-length", b"10"),
        (b"content-type", b"application/json"),
        (b"cookie", b"session=abc; theme=dark"),
        (b"host", host),
    ]
    headers += [(b"x-forwarded-for", forwarded)] if forwarded else []
    return {"headers": headers, "client": (client, 0), "server": (host.decode(), 443)}


def through_https(host: bytes, *accept: bytes, forwarded: bytes = b"203.0.113.9") -> dict[str, Any]:
    """Return the same of a front end that tells port, scheme and trace."""
    entries = request(host, *accept, forwarded=forwarded)
    entries["headers"] += [
        (b"x-amzn-trace-id", b"Root=1-65a1b2c3-0123456789abcdef01234567"),
        (b"x-forwarded-port", b"443"),
        (b"x-forwarded-proto", b"https"),
    ]
    return entries


TWO = (b"application/json", b"text/html")
JOINED = (b"application/json,text/html",)
IN_STAGE = {"path": "/prod/orders/café", "raw_path": b"/prod/orders/caf%C3%A9", "root_path": "/prod"}
LAST_TAG = {"query_string": b"tag=b&q=x+y%26z"}
LATTICE_CLIENT: dict[str, Any] = {"client": "10.0.1.9", "forwarded": b"10.0.1.9"}
SCOPES: dict[str, dict[str, Any]] = {
    "alb": through_https(SHOP, b"text/html", forwarded=b"198.51.100.1, 203.0.113.9") | LAST_TAG,
    "alb_multi": through_https(SHOP, *TWO, forwarded=b"198.51.100.1, 203.0.113.9"),
    "function_url": through_https(URL, *JOINED),
    "http_api_v1": through_https(API, *TWO),
    "http_api_v2": through_https(API, *JOINED),
    "lambda_edge": request(SHOP, *TWO),
    "rest_api": through_https(API, *TWO) | IN_STAGE,
    "vpc_lattice_v1": request(LATTICE, *JOINED, **LATTICE_CLIENT) | LAST_TAG,
    "vpc_lattice_v2": request(LATTICE, *TWO, **LATTICE_CLIENT),
}


@every_case("name", BASES)
def test_the_base_event_gives_the_whole_scope(name: str) -> None:
    event, app = load(name), Answer()
    answer(event, app)
    assert app.body == b'{"qty": 2}'
    app.scope["headers"].sort()  # only the order within one name means something (RFC 9110, 5.3)
    expected = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/orders/café",
        "raw_path": b"/orders/caf%C3%A9",
        "query_string": b"tag=a&tag=b&q=x+y%26z",
        "root_path": "",
        "aws.event": event,
        "aws.context": CONTEXT,
        **SCOPES[name],
    }
    assert app.scope == expected | {"headers": sorted(expected["headers"])}


COOKIES = ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"]
ONE_VALUE = {"content-type": "application/json", "content-length": "9", "vary": "accept, cookie"}
ALL_VALUES = {
    "content-type": ["application/json"],
    "content-length": ["9"],
    "vary": ["accept", "cookie"],
    "set-cookie": COOKIES,
}
FOR_CLOUDFRONT = {
    "content-type": [{"key": "content-type", "value": "application/json"}],
    "vary": [{"key": "vary", "value": "accept"}, {"key": "vary", "value": "cookie"}],
    "set-cookie": [{"key": "set-cookie", "value": cookie} for cookie in COOKIES],
}
STATUS = {"statusCode": 201}
DESCRIBED = {"statusCode": 201, "statusDescription": "201 Created"}
BODY = {"body": '{"id": 7}', "isBase64Encoded": False}
PAYLOAD_V2 = {**STATUS, "headers": ONE_VALUE, "cookies": COOKIES, **BODY}
RESULTS: dict[str, dict[str, Any]] = {
    "alb": {**DESCRIBED, **BODY, "headers": {**ONE_VALUE, "set-cookie": COOKIES[0], "set-cookiE": COOKIES[1]}},
    "alb_multi": {**DESCRIBED, **BODY, "multiValueHeaders": ALL_VALUES},
    "function_url": PAYLOAD_V2,
    "http_api_v1": {**STATUS, "multiValueHeaders": ALL_VALUES, **BODY},
    "http_api_v2": PAYLOAD_V2,
    "lambda_edge": {
        "status": "201",
        "statusDescription": "Created",
        "headers": FOR_CLOUDFRONT,
        "body": '{"id": 7}',
        "bodyEncoding": "text",
    },
    "rest_api": {**STATUS, "multiValueHeaders": ALL_VALUES, **BODY},
    "vpc_lattice_v1": {**STATUS, "headers": {**ONE_VALUE, "set-cookie": COOKIES[1]}, **BODY},
    "vpc_lattice_v2": {**STATUS, "headers": {**ONE_VALUE, "set-cookie": COOKIES}, **BODY},
}


@every_case(("name", "result"), RESULTS.items())
def test_the_whole_result_has_every_header_where_its_service_reads_it(name: str, result: dict[str, Any]) -> None:
    assert answer(load(name), Answer(**JSON_RESPONSE)) == result


@every_case(("name", "result"), RESULTS.items())
def test_an_answer_without_headers_or_body_still_has_all_fields(name: str, result: dict[str, Any]) -> None:
    """Without a statusCode API Gateway would make a 200 with a JSON body of the whole result."""
    empty = answer(load(name), Answer())
    assert (empty.get("statusCode"), empty.get("status")) == ((None, "200") if name == "lambda_edge" else (200, None))
    assert [(key, type(value)) for key, value in empty.items()] == [(key, type(value)) for key, value in result.items()]
    assert not any(empty.get(key) for key in ("body", "headers", "multiValueHeaders", "cookies"))
