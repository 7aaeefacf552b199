"""The decoders refuse what the services refuse, and give what was measured: without that a round trip proves nothing.

The cases are results as any function may return them, which AWS documents or others measured.
"""

from binascii import Error as Base64Error
from typing import Any

import pytest

from tests.cases import every_case
from tests.integration import decoders
from tests.integration.decoders import Decoder, Refused
from tests.integration.exchange import ClientRequest, Headers

Result = dict[str, Any]

REQUEST = ClientRequest(method="GET", target="/a/b?c=1", headers=(("Host", "shop.example.com"),))
OK: Result = {"statusCode": 200, "body": "ok", "isBase64Encoded": False}
LATTICE: Result = {**OK, "headers": {}}
EDGE: Result = {"status": "200", "headers": {}}


@every_case(
    ("decode", "result"),
    [
        # "Malformed Lambda proxy response" of other keys, and of values that are not lists.
        (decoders.rest_api, {**OK, "cookies": ["a=1"]}),
        (decoders.rest_api, {**OK, "statusDescription": "200 OK"}),
        (decoders.rest_api, {**OK, "multiValueHeaders": {"a": "1"}}),
        (decoders.rest_api, {"statusCode": "test"}),
        (decoders.rest_api_streamed, {**OK, "statusDescription": "200 OK"}),
        (decoders.http_api_v1, {"body": "ok"}),
        (decoders.http_api_v2, {"statusCode": 200.5}),
        # A load balancer: a field that is null, a value that is not a string, a description of another status, 1 MB.
        (decoders.alb_single, {**OK, "statusDescription": None}),
        (decoders.alb_single, {**OK, "body": None}),
        (decoders.alb_single, {**OK, "headers": {"a": True}}),
        (decoders.alb_single, {**OK, "statusDescription": "OK"}),
        (decoders.alb_single, {**OK, "body": "x" * (1 << 20)}),
        (decoders.alb_multi, {"statusCode": "ok"}),
        # VPC Lattice: the three fields that a response must have.
        (decoders.vpc_lattice_v1, OK),
        (decoders.vpc_lattice_v1, {**LATTICE, "headers": {"set-cookie": ["a=1", "b=2"]}}),
        (decoders.vpc_lattice_v2, {"statusCode": 200, "headers": {}}),
        # CloudFront: the status, the headers, the size, the encoding, the body of a 204.
        *(
            (decode, {**EDGE, **fields})
            for decode in (decoders.edge_viewer, decoders.edge_origin)
            for fields in (
                {"status": 200},
                {"status": "199"},
                {"status": "600"},
                {"headers": {"connection": [{"value": "close"}]}},
                {"headers": {"x-amzn-requestid": [{"value": "1"}]}},
                {"headers": {"x-edge-location": [{"value": "1"}]}},
                {"headers": {"via": [{"value": "1"}]}},
                {"headers": {"x-a": [{"key": "X-B", "value": "1"}]}},
                {"body": "not base64", "bodyEncoding": "base64"},
                {"body": "x", "bodyEncoding": "utf-8"},
                {"body": "x" * ((1 << 20) + 1)},
            )
        ),
        (decoders.edge_viewer, {**EDGE, "headers": {"host": [{"value": "a"}]}}),
        (decoders.edge_viewer, {**EDGE, "body": "x" * 40961}),
        (decoders.edge_viewer, {**EDGE, "status": "204", "body": ""}),
        (decoders.edge_origin, {**EDGE, "headers": {"if-none-match": [{"value": "a"}]}}),
        # Lambda's own limit, at every service that has no smaller one.
        *((decode, {**OK, "body": "x" * 6_291_556}) for decode in (decoders.rest_api, decoders.function_url)),
    ],
)
def test_what_a_service_refuses_is_refused(decode: Decoder, result: Result) -> None:
    with pytest.raises((Refused, Base64Error)):
        decode(result, REQUEST)


def header(name: str, *values: str) -> Headers:
    return tuple((name, value) for value in values)


JSON, PLAIN = header("content-type", "application/json"), header("content-type", "text/plain; charset=utf-8")


@every_case(
    ("decode", "result", "headers"),
    [
        # The type of a response that has none.
        (decoders.rest_api, OK, JSON),
        (decoders.http_api_v1, OK, PLAIN),
        (decoders.http_api_v2, OK, PLAIN),
        (decoders.function_url, OK, JSON),
        (decoders.alb_single, OK, ()),
        (decoders.vpc_lattice_v2, LATTICE, ()),
        # Which of the fields are read, and in which order.
        (decoders.rest_api, {**OK, "headers": {"X-A": "1", "x-b": "2"}, "multiValueHeaders": {"x-a": ["0", "1"]}},
         (*header("x-a", "0", "1"), *header("x-b", "2"), *JSON)),
        (decoders.http_api_v1, {**OK, "headers": {"x-a": "1"}, "multiValueHeaders": {"x-a": ["0"]}},
         (*header("x-a", "1", "0"), *PLAIN)),
        (decoders.http_api_v2, {**OK, "cookies": ["a=1", "b=2"], "multiValueHeaders": {"x-a": ["0"]}},
         (*header("set-cookie", "a=1", "b=2"), *PLAIN)),
        (decoders.function_url, {**OK, "cookies": ["a=1"], "multiValueHeaders": {"x-a": ["0"]}},
         (*header("set-cookie", "a=1"), *JSON)),
        (decoders.alb_single, {**OK, "multiValueHeaders": {"x-a": ["1"]}}, ()),
        (decoders.alb_multi, {**OK, "headers": {"x-a": "1"}}, ()),
        (decoders.alb_multi, {**OK, "multiValueHeaders": {"x-a": ["1", "2"]}}, header("x-a", "2", "1")),
        (decoders.vpc_lattice_v2, {**LATTICE, "cookies": ["a=1"], "multiValueHeaders": {"x-a": ["1"]}}, ()),
        # What is changed.
        (decoders.alb_single, {**OK, "headers": {"location": "../d"}},
         header("location", "https://shop.example.com/d")),
        (decoders.rest_api, {**OK, "headers": {"WWW-Authenticate": "Basic", "Via": "1.1 a", "content-type": "a/b"}},
         (*header("x-amzn-remapped-www-authenticate", "Basic"), *header("content-type", "a/b"))),
        (decoders.http_api_v2, {**OK, "headers": {"www-authenticate": "Basic", "date": "x"}},
         (*header("www-authenticate", "Basic"), *header("date", "x"), *PLAIN)),
        # Text in UTF-8, one character for each byte here.
        (decoders.vpc_lattice_v1, {**LATTICE, "headers": {"x-a": "\u00e9"}}, header("x-a", "\u00c3\u00a9")),
    ],
)  # fmt: skip
def test_what_a_service_accepts_becomes_what_its_client_gets(decode: Decoder, result: Result, headers: Headers) -> None:
    response = decode(result, REQUEST)
    assert (response.status, response.headers, response.body) == (200, (*headers, ("content-length", "2")), b"ok")
