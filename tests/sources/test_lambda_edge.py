import logging
from typing import Any

import pytest

from tests.cases import every_case
from tests.events import load
from tests.logged import assert_logged
from tests.sources.exchange import Answer, answer, as_client, scope_of


def edge(event_type: str = "viewer-request", **overrides: Any) -> dict[str, Any]:
    """Return the base event with overrides within its request."""
    overrides = {f"Records__0__cf__request__{key}": value for key, value in overrides.items()}
    return load("lambda_edge", Records__0__cf__config__eventType=event_type, **overrides)


def test_a_binary_body_is_base64_by_its_body_encoding() -> None:
    app = Answer(headers=[(b"content-type", b"image/png")], content=b"\x89PNG")
    assert answer(load("lambda_edge"), app) == {
        "status": "200",
        "statusDescription": "OK",
        "headers": {"content-type": [{"key": "content-type", "value": "image/png"}]},
        "body": "iVBORw==",
        "bodyEncoding": "base64",
    }


def test_a_status_without_a_name_has_an_empty_description() -> None:
    result = answer(load("lambda_edge"), Answer(status=599))
    assert (result["status"], result["statusDescription"]) == ("599", "")


@every_case(("proto", "scheme"), [("http", "http"), ("https", "https"), ("gopher", "https")])
def test_the_scheme_is_cloudfronts_own_header(proto: str, scheme: str) -> None:
    header = [{"key": "CloudFront-Forwarded-Proto", "value": proto}]
    overrides: dict[str, Any] = {"headers__cloudfront-forwarded-proto": header}
    scope = scope_of(edge("origin-request", **overrides))
    assert (scope["scheme"], scope["server"]) == (scheme, ("shop.example.com", 80 if scheme == "http" else 443))
    # In a viewer request, the client may have sent it.
    assert scope_of(edge("viewer-request", **overrides))["scheme"] == "https"


def test_what_a_client_says_it_was_forwarded_from_tells_nothing() -> None:
    sent = {"proto": "http", "port": "8443"}
    overrides: dict[str, Any] = {
        f"headers__x-forwarded-{key}": [{"key": key, "value": value}] for key, value in sent.items()
    }
    scope = scope_of(edge(**overrides))
    assert (scope["scheme"], scope["server"]) == ("https", ("shop.example.com", 443))
    assert dict(scope["headers"])[b"x-forwarded-port"] == b"8443"


@every_case(("version", "expected"), [("1.0", "1.0"), ("1.1", "1.1"), ("2.0", "2"), (None, "1.1")])
def test_the_http_version_is_the_events_where_it_has_one(version: str | None, expected: str) -> None:
    assert scope_of(edge(httpVersion=version))["http_version"] == expected


def test_an_item_without_a_key_still_counts() -> None:
    assert scope_of(edge(headers={"x-a": [{"value": "1"}, {"key": "X-A", "value": "2"}]}, body=None))["headers"] == [
        (b"x-a", b"1"),
        (b"x-a", b"2"),
    ]


@every_case(
    ("body", "expected"),
    [
        ({"data": "eyJxdHkiOiAyfQ==", "encoding": "base64"}, b'{"qty": 2}'),
        ({"data": "caf\u00e9", "encoding": "text"}, "café".encode()),
        ({"data": "", "encoding": "base64", "inputTruncated": False}, b""),
        ({}, b""),
        (None, b""),
    ],
)
def test_the_body_is_decoded_by_its_encoding(body: object, expected: bytes) -> None:
    app = Answer()
    answer(edge(body=body), app)
    assert app.body == expected


def test_a_body_that_cloudfront_cut_short_gives_the_client_a_413(caplog: pytest.LogCaptureFixture) -> None:
    app = Answer()
    result = answer(edge(body__inputTruncated=True), app)
    assert not app.scope
    assert (result["status"], result["bodyEncoding"]) == ("413", "text")
    (record,) = caplog.records
    assert (record.levelno, "inputTruncated" in record.getMessage()) == (logging.ERROR, True)


REFUSED = [
    *("connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("trailer", "transfer-encoding", "upgrade", "x-accel-buffering", "x-accel-charset", "x-accel-limit-rate"),
    *("x-accel-redirect", "x-amz-cf-id", "x-amz-cf-pop", "x-amzn-auth", "x-amzn-cf-billing", "x-amzn-cf-id"),
    *("x-amzn-cf-xff", "x-amzn-errortype", "x-amzn-fle-profile", "x-amzn-header-count", "x-amzn-header-order"),
    *("x-amzn-lambda-integration-tag", "x-amzn-requestid", "x-cache", "x-edge-location", "x-forwarded-proto"),
    *("x-real-ip", "content-length", "via"),
]


@every_case("header", REFUSED)
@every_case("event_type", ["viewer-request", "origin-request"])
def test_a_header_that_cloudfront_refuses_is_dropped(event_type: str, header: str) -> None:
    app = Answer(headers=[(header.title().encode(), b"0"), (b"etag", b'"1"')])
    assert answer(edge(event_type), app)["headers"] == {"etag": [{"key": "etag", "value": '"1"'}]}


@every_case("header", ["x-cache-status", "x-amz-meta-owner", "x-forwarded-host", "server", "warning"])
def test_a_header_that_only_resembles_a_refused_one_is_kept(header: str) -> None:
    result = answer(load("lambda_edge"), Answer(headers=[(header.encode(), b"0")]))
    assert result["headers"] == {header: [{"key": header, "value": "0"}]}


@every_case("header", ["if-none-match", "accept-encoding", "if-modified-since", "if-range", "host"])
def test_each_event_has_read_only_headers_of_its_own(header: str) -> None:
    app = Answer(headers=[(header.encode(), b"0")])
    refusing, accepting = ("viewer", "origin") if header == "host" else ("origin", "viewer")
    assert as_client(answer(edge(f"{refusing}-request"), app))[1] == []
    assert as_client(answer(edge(f"{accepting}-request"), app))[1] == [(header, "0")]


def test_dropped_headers_are_logged_but_not_one_that_servers_always_send(caplog: pytest.LogCaptureFixture) -> None:
    headers = [(b"content-length", b"0"), (b"x-cache", b"Hit"), (b"etag", b"1"), (b"via", b"1.1 app")]
    answer(load("lambda_edge"), Answer(headers=headers))
    assert_logged(caplog, ("WARNING", "POST /orders/caf%C3%A9: ", "x-cache, via"))
    caplog.clear()
    answer(load("lambda_edge"), Answer(headers=headers[:1]))
    assert_logged(caplog)


@every_case("event_type", ["viewer-request", "origin-request"])
@every_case(("status", "result"), [(199, "500"), (200, "200"), (599, "599"), (600, "500"), (100, "500"), (103, "500")])
def test_a_status_that_cloudfront_refuses_is_a_500(
    event_type: str, status: int, result: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert answer(edge(event_type), Answer(status=status))["status"] == result
    assert_logged(caplog, *([] if result == str(status) else [("ERROR", "200 to 599", str(status))]))


def test_a_204_has_no_value_for_its_body() -> None:
    assert answer(edge(), Answer(status=204, content=b"x")) == {
        "status": "204",
        "statusDescription": "No Content",
        "headers": {},
    }


TEXT, DATA = (b"content-type", b"text/plain"), (b"content-type", b"image/png")


@every_case(("event_type", "limit"), [("viewer-request", 40 << 10), ("origin-request", 1 << 20), ("anything", 1 << 20)])
@every_case("header", [TEXT, DATA])
def test_the_size_of_a_response_is_that_of_its_body_and_its_headers(
    event_type: str, limit: int, header: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    largest = limit - sum(map(len, header))
    assert answer(edge(event_type), Answer(headers=[header], content=b"x" * largest))["status"] == "200"
    result = answer(edge(event_type), Answer(headers=[header], content=b"x" * (largest + 1)))
    assert result["status"] == "500"
    assert f"{limit + 1} bytes with its headers, and CloudFront takes {limit}" in result["body"]
    assert_logged(caplog, ("ERROR", "POST /orders", str(limit + 1), str(limit)))


def test_headers_alone_can_be_too_large(caplog: pytest.LogCaptureFixture) -> None:
    headers = [(b"x-%d" % number, b"\xc3\xa9" * 10) for number in range(2000)]
    assert answer(edge(), Answer(headers=headers))["status"] == "500"
    assert_logged(caplog, ("ERROR", "40960"))
