from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.errors import MalformedEvent
from bridge.sources import decode_body, decode_headers, first_header, make_request
from bridge.sources._request import _names
from tests.cases import every_case
from tests.events import BASES, MISSING, load
from tests.sources.exchange import FIELDS, Answer, answer, scope_of

CHUNKED = (b"transfer-encoding", b"chunked")
A_B = (b"a", b"b")


@every_case(
    ("headers", "expected"),
    [
        ({"Accept": "a", "X-B": "b"}, [(b"accept", b"a"), (b"x-b", b"b")]),
        ({"a": ["1"], "b": ["2"]}, [(b"a", b"1"), (b"b", b"2")]),
        ({"a": ["1", "2"], "b": ["3"]}, [(b"a", b"1"), (b"a", b"2"), (b"b", b"3")]),
        ({"a": "1,2", "b": ["3", "4"]}, [(b"a", b"1,2"), (b"b", b"3"), (b"b", b"4")]),
        ({"a": ["1"], "b": "22"}, [(b"a", b"1"), (b"b", b"22")]),
        ({"a": "", "b": [""], "c": []}, [(b"a", b""), (b"b", b"")]),
        ({"a": None, "b": "2"}, [(b"b", b"2")]),
        ({"a": [None, "1"]}, [(b"a", b"1")]),
        ({"a": [], "cookie": [None, None], "Cookie": None}, []),
        ({"FOO": "1", "foo": "2"}, [(b"foo", b"1"), (b"foo", b"2")]),
        # The Kelvin sign and a dotted I are in lower case what no client sent; a letter beyond ASCII has no case.
        ({"coo\u212aie": "1", "X-\u0130d": "2"}, [(b"coo?ie", b"1"), (b"x-?d", b"2")]),
        ({"X-\u00c9": "1"}, [(b"x-\xc9", b"1")]),
        # Control bytes do not lose a header or split it.
        ({"a": "1\x002", "b": "3\r\n4"}, [(b"a", b"1\x002"), (b"b", b"3\r\n4")]),
        ({"a": "\x00"}, [(b"a", b"\x00")]),
        # What a test event written by hand may have.
        ({"a": 5, "b": True}, [(b"a", b"5"), (b"b", b"True")]),
        ({}, []),
        (None, []),
    ],
)
def test_each_value_is_one_pair_with_a_lower_case_name(headers: object, expected: list[tuple[bytes, bytes]]) -> None:
    assert decode_headers(headers) == expected


def test_names_that_a_client_makes_up_without_end_are_decoded_all_the_same() -> None:
    headers = {f"X-Made-Up-{number}": str(number) for number in range(2000)}
    expected = [(f"x-made-up-{number}".encode(), b"%d" % number) for number in range(2000)]
    assert decode_headers(headers) == expected
    assert decode_headers(headers) == expected


@pytest.fixture
def cache() -> Iterator[dict[str, bytes | None]]:
    """Yield the cache of header names, empty."""
    _names.clear()
    yield _names
    _names.clear()


def test_a_long_name_is_not_cached(cache: dict[str, bytes | None]) -> None:
    assert decode_headers({"X" * 65: "1", "Y" * 64: "2"}) == [(b"x" * 65, b"1"), (b"y" * 64, b"2")]
    assert cache == {"Y" * 64: b"y" * 64}


def test_the_cache_of_names_is_bounded_and_changes_no_result(cache: dict[str, bytes | None]) -> None:
    headers = {"Cookie": "a=1", "Host": "c", "cookie": "b=2", "X_Amz_Tenant_Id": "1", "X" * 65: "y"}
    expected = [(b"cookie", b"a=1; b=2"), (b"host", b"c"), (b"x" * 65, b"y")]
    for number in range(1200):
        assert decode_headers({f"X-Made-Up-{number}": "1"}) == [(b"x-made-up-%d" % number, b"1")]
        assert 0 < len(cache) <= 512
        assert decode_headers(headers) == expected


# What an event holds -> the bytes that the client sent.
VALUES = {
    "Srīperumbūdūr": "Srīperumbūdūr".encode(),
    "Torrejón de Ardoz": "Torrejón de Ardoz".encode(),
    "€": "€".encode(),
    "😀": "😀".encode(),
    "\u00a0\u0085": "\u00a0\u0085".encode(),
    "TorrejÃ³n de Ardoz": "Torrejón de Ardoz".encode(),
    "\u00f0\u009f\u0098\u0080": "😀".encode(),
    # Neither the one nor the other: it can only be UTF-8.
    "Ã³ and ó": "Ã³ and ó".encode(),
    "\u00c0\u0080": "\u00c0\u0080".encode(),
    "\u00ed\u00a0\u0080": "\u00ed\u00a0\u0080".encode(),
    # Bytes that were not UTF-8 are lost already, and half a surrogate pair has none.
    "a\ufffdb": b"a\xef\xbf\xbdb",
    "a\ud800b\udc00": b"a\xef\xbf\xbdb\xef\xbf\xbd",
    "\ud83d\ude00": "😀".encode(),
}


@every_case("name", BASES)
@every_case(("text", "sent"), VALUES.items())
def test_every_source_gives_the_clients_bytes_back(name: str, text: str, sent: bytes) -> None:
    names = ("x-city", "x-forwarded-for", "x-forwarded-host", "cookie", "host")
    if name == "lambda_edge":
        event = load(name, Records__0__cf__request__headers={key: [{"value": text}] for key in names})
    elif name in ("alb_multi", "rest_api", "http_api_v1"):
        event = load(name, multiValueHeaders={key: [text] for key in names}, headers={"x-single": text})
    else:
        event = load(name, headers=dict.fromkeys(names, text))
    if name in ("function_url", "http_api_v2"):
        event["cookies"] = [f"a={text}", text]
    headers = dict(scope_of(event)["headers"])
    assert [headers[key.encode()] for key in names if key != "cookie"] == [sent] * 4
    assert headers[b"cookie"] == (b"a=%b; %b" % (sent, sent) if "cookies" in event else sent)
    assert headers.get(b"x-single", sent) == sent


@every_case(
    "headers",
    [
        {"cookie": ["a=1", "b=2"], "x": ["y"]},
        {"Cookie": ["a=1"], "cookie": ["b=2"], "x": ["y"]},
        {"Cookie": "a=1", "x": "y", "cookie": "b=2"},
    ],
)
def test_several_cookie_headers_become_one(headers: dict[str, Any]) -> None:
    assert decode_headers(headers) == [(b"cookie", b"a=1; b=2"), (b"x", b"y")]


@every_case(
    ("first", "second", "expected"),
    [
        ({"A": ["1", "2"]}, {"A": "2"}, [(b"a", b"1"), (b"a", b"2")]),
        ({"A": ["1"]}, {"a": "2", "B": "3"}, [(b"a", b"1"), (b"b", b"3")]),
        (None, {"A": "1"}, [(b"a", b"1")]),
        ({}, {"A": "1"}, [(b"a", b"1")]),
        ({"A": ["1"]}, None, [(b"a", b"1")]),
        (None, None, []),
    ],
)
def test_the_second_mapping_adds_only_names_that_the_first_lacks(
    first: object, second: object, expected: list[tuple[bytes, bytes]]
) -> None:
    assert decode_headers(first, second) == expected


@every_case("headers", [["a"], "a: b", 1, [{"key": "a", "value": "b"}]])
def test_headers_that_are_no_object_are_malformed(headers: object) -> None:
    with pytest.raises(MalformedEvent, match="Expected headers to be an object"):
        decode_headers(headers)


def test_the_first_header_of_a_name_is_found_or_none() -> None:
    pairs = [(b"a", b"1"), (b"a", b"2"), (b"b", b"\xe9")]
    assert (first_header(pairs, b"a"), first_header(pairs, b"b"), first_header(pairs, b"c")) == ("1", "\u00e9", None)


@every_case(
    ("event", "expected"),
    [
        ({"body": "caf\u00e9 \u20ac"}, "café €".encode()),
        ({"body": "eyJ9", "isBase64Encoded": False}, b"eyJ9"),
        ({"body": "eyJ9", "isBase64Encoded": None}, b"eyJ9"),
        ({"body": "eyJ9"}, b"eyJ9"),
        ({"body": "eyJ9", "isBase64Encoded": True}, b'{"}'),
        ({"body": "AP8=", "isBase64Encoded": True}, b"\x00\xff"),
        ({"body": "", "isBase64Encoded": True}, b""),
        ({"body": None, "isBase64Encoded": True}, b""),
        ({"body": "\ud800"}, b"\xef\xbf\xbd"),
        ({}, b""),
    ],
)
def test_a_body_is_decoded_by_its_flag_and_never_by_its_type(event: dict[str, Any], expected: bytes) -> None:
    assert decode_body({"headers": {"content-type": "image/png"}, **event}) == expected


def test_the_flag_may_have_another_name() -> None:
    assert decode_body({"body": "AP8=", "is_base64_encoded": True}, flag="is_base64_encoded") == b"\x00\xff"


@every_case("body", ["not base64!", "AP8", "AP8=\n", "A===", "caf\u00e9", "AP8=AP8="])
def test_broken_base64_is_malformed_however_little_is_broken(body: str) -> None:
    with pytest.raises(MalformedEvent, match="Expected a base64 body") as caught:
        decode_body({"body": body, "isBase64Encoded": True})
    assert caught.value.status_code == 400


@every_case("body", [{"a": 1}, ["a"], 1, True])
def test_a_body_that_is_no_string_is_malformed(body: object) -> None:
    with pytest.raises(MalformedEvent, match="Expected the body to be a string"):
        decode_body({"body": body})


@every_case(
    ("headers", "body", "expected"),
    [
        ([], b"", []),
        ([], b"abc", [(b"content-length", b"3")]),
        ([(b"content-length", b"4")], b"abc", [(b"content-length", b"3")]),
        ([(b"content-length", b"3"), (b"content-length", b"3")], b"abc", [(b"content-length", b"3")]),
        ([(b"content-length", b"3"), (b"a", b"b"), (b"content-length", b"4")], b"", [(b"content-length", b"0"), A_B]),
        ([(b"content-length", b"0")], b"", [(b"content-length", b"0")]),
        ([(b"content-length", b"x")], b"", [(b"content-length", b"0")]),
        ([CHUNKED], b"abc", [(b"content-length", b"3")]),
        ([CHUNKED, (b"content-length", b"9")], b"abc", [(b"content-length", b"3")]),
        # As many headers are dropped as there are lengths too many.
        ([CHUNKED, (b"content-length", b"9"), (b"content-length", b"3")], b"abc", [(b"content-length", b"3")]),
        ([CHUNKED], b"", []),
        # Only a server may set these, and the client is none.
        ([(b"x-amzn-request-context", b"{}"), (b"a", b"b")], b"", [(b"a", b"b")]),
        ([(b"x-amzn-lambda-context", b"{}")], b"", []),
        ([(b"x-amz-tenant-id", b"1")], b"", []),
        ([(b"x-amzn-trace-id", b"Root=1")], b"", [(b"x-amzn-trace-id", b"Root=1")]),
    ],
)
def test_a_request_has_one_true_length_and_no_header_that_only_a_server_may_set(
    headers: list[tuple[bytes, bytes]], body: bytes, expected: list[tuple[bytes, bytes]]
) -> None:
    request = make_request(method="POST", path="/", headers=headers, body=body)
    assert [(name.lower(), value) for name, value in request.headers.raw] == expected


@every_case(
    "name",
    [
        "x-amzn-request-context",
        "X-Amz-Tenant-Id",
        "x_amzn_request_context",
        "X_Amzn_Lambda_Context",
        "x_amz_tenant_id",
        # CGI and WSGI cannot tell a mixed spelling apart either.
        "x-amzn_request-context",
        "x_amz-tenant-id",
    ],
)
@every_case("value", ["{}", ["{}"], ["{}", "[]"]])
def test_a_header_that_only_a_server_may_set_is_dropped_in_every_spelling(name: str, value: object) -> None:
    for _ in range(2):  # what the first time teaches must not let the second one through
        assert decode_headers({"a": "b", name: value, "c": "d"}) == [(b"a", b"b"), (b"c", b"d")]
    assert decode_headers({"a": ["b"]}, {"a": "b", name: value}) == [(b"a", b"b")]


def test_a_request_of_nothing_but_a_path_is_whole() -> None:
    request = make_request(method=None, path="/a b", headers=[])
    assert (request.method, request.extensions["target"], request.content) == ("GET", b"/a%20b", b"")
    scope = request.extensions["asgi"]
    assert (scope["scheme"], scope["server"], scope["client"]) == ("https", None, None)
    assert (scope["http_version"], scope["root_path"]) == ("1.1", "")


@every_case("name", BASES)
@every_case(
    ("sent", "method"),
    [("PATCH", "PATCH"), ("get", "get"), ("pAtCh", "pAtCh"), ("M-SEARCH", "M-SEARCH"), (None, "GET")],
)
def test_every_source_passes_the_method_as_sent(name: str, sent: str | None, method: str) -> None:
    assert scope_of(load(name, **{FIELDS[name]["method"]: sent}))["method"] == method


@every_case("name", [name for name in BASES if name != "lambda_edge"])
def test_every_source_reads_text_as_utf_8_and_corrects_the_length(name: str) -> None:
    app = Answer()
    answer(load(name, **{FIELDS[name]["body"]: "caf\u00e9", FIELDS[name]["base64"]: False}), app)
    lengths = [value for key, value in app.scope["headers"] if key == b"content-length"]
    assert (app.body, lengths) == ("café".encode(), [b"5"])


@every_case("name", BASES)
def test_every_source_reads_base64_and_corrects_the_length(name: str) -> None:
    body = bytes(range(256))
    overrides: dict[str, Any] = {FIELDS[name]["body"]: b64encode(body).decode()}
    if name != "lambda_edge":
        overrides[FIELDS[name]["base64"]] = True
    app = Answer()
    answer(load(name, **overrides), app)
    lengths = [value for key, value in app.scope["headers"] if key == b"content-length"]
    assert (app.body, lengths) == (body, [b"256"])


@every_case("name", [name for name in BASES if name != "lambda_edge"])
@every_case("body", [None, MISSING, ""])
def test_no_body_is_an_empty_one_whatever_the_flag(name: str, body: object) -> None:
    app = Answer()
    answer(load(name, **{FIELDS[name]["body"]: body, FIELDS[name]["base64"]: True}), app)
    lengths = [value for key, value in app.scope["headers"] if key == b"content-length"]
    assert app.body == b""
    assert lengths == ([] if name == "rest_api" else [b"0"])
