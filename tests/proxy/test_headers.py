"""Which headers go over the socket, both ways, and how long a response says it is."""

import pytest

from bridge._httpx import httpx
from bridge._types import HeaderPairs
from bridge.proxy.headers import request_headers, response_headers, response_length

HOST = (b"host", b"app.test")

HOP_BY_HOP = [
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
]

CONTROLS = [bytes([code]) for code in (*range(0x09), *range(0x0A, 0x20), 0x7F)]


def sent(*pairs: tuple[bytes, bytes]) -> HeaderPairs:
    """What a request with a Host and these headers goes out with, without that Host."""
    first, *rest = request_headers([HOST, *pairs], host="127.0.0.1:8080")
    assert first == HOST
    return rest


def received(*pairs: tuple[bytes, bytes]) -> HeaderPairs:
    return response_headers(list(pairs))


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_hop_by_hop_headers_go_nowhere(name: bytes) -> None:
    pairs = ((b"a", b"1"), (name, b"x"), (name.title(), b"y"), (b"b", b"2"))
    assert sent(*pairs) == [(b"a", b"1"), (b"b", b"2")]
    assert received(*pairs) == [(b"a", b"1"), (b"b", b"2")]


@pytest.mark.parametrize(
    "value", [b"x-one, X-Two", b"close,x-one,x-two", b" x-two ,, X-ONE\t", b"keep-alive, x-one, x-two, x-none"]
)
def test_headers_that_connection_names_go_nowhere(value: bytes) -> None:
    pairs = ((b"x-one", b"1"), (b"x-two", b"2"), (b"connection", value), (b"x-one", b"3"), (b"x-twofold", b"4"))
    assert sent(*pairs) == [(b"x-twofold", b"4")]
    assert received(*pairs) == [(b"x-twofold", b"4")]


def test_several_connection_headers_count_together() -> None:
    pairs = ((b"connection", b"x-one"), (b"x-one", b"1"), (b"x-two", b"2"), (b"connection", b"x-two"), (b"x", b"3"))
    assert sent(*pairs) == [(b"x", b"3")]
    assert received(*pairs) == [(b"x", b"3")]


@pytest.mark.parametrize("name", [b"content-length", b"Content-Length", b"host", b"HOST"])
def test_connection_cannot_name_what_a_message_is_framed_and_addressed_by(name: bytes) -> None:
    assert sent((b"connection", name), (b"content-length", b"2")) == [(b"content-length", b"2")]
    assert received((b"connection", name), (b"content-length", b"2"), HOST) == [(b"content-length", b"2"), HOST]


def test_the_clients_host_stays_where_it_was() -> None:
    pairs = [(b"accept", b"*/*"), HOST, (b"x", b"1")]
    assert request_headers(pairs, host="127.0.0.1") == pairs


def test_an_empty_host_is_a_host() -> None:
    assert request_headers([(b"host", b"")], host="127.0.0.1") == [(b"host", b"")]


def test_a_request_without_host_gets_one_in_front() -> None:
    assert request_headers([(b"x", b"1")], host="127.0.0.1:81") == [(b"host", b"127.0.0.1:81"), (b"x", b"1")]


@pytest.mark.parametrize("second", [b"app.test", b"evil.test", b""])
def test_a_request_with_several_hosts_may_not_be_sent(second: bytes) -> None:
    with pytest.raises(httpx.LocalProtocolError, match=r"^The request has 2 Host headers\.$"):
        request_headers([HOST, (b"Host", second)], host="127.0.0.1")


def test_a_response_may_have_host_headers_and_gets_none() -> None:
    assert received(HOST, HOST) == [HOST, HOST]
    assert received() == []


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("name", [b"x", b"host", b"connection", b"te"])
def test_no_value_with_a_control_byte_passes(name: bytes, control: bytes) -> None:
    for value in (b"a" + control + b"b", control, control + b"a", b"a" + control, b" " + control + b" "):
        with pytest.raises(httpx.LocalProtocolError, match="control bytes in the value of b'" + name.decode()):
            request_headers([(name, value)], host="127.0.0.1")
        with pytest.raises(httpx.RemoteProtocolError, match="control bytes in the value of b'" + name.decode()):
            response_headers([(name, value)])


def test_every_other_byte_of_a_value_passes() -> None:
    value = b"a" + bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)]) + b"z"
    assert sent((b"x", value)) == [(b"x", value)]
    assert received((b"x", value)) == [(b"x", value)]


@pytest.mark.parametrize("value", [b" a b ", b"\ta b\t", b"a b \t ", b"\t \ta b"])
def test_blanks_around_a_value_are_no_part_of_it(value: bytes) -> None:
    assert sent((b"x", value)) == [(b"x", b"a b")]
    assert received((b"x", value)) == [(b"x", b"a b")]


def test_bytes_that_are_blanks_in_other_encodings_are_a_part_of_a_value() -> None:
    assert sent((b"x", b"\x85a\xa0")) == [(b"x", b"\x85a\xa0")]


@pytest.mark.parametrize(
    "name",
    [b"", b" ", b"a b", b"a:", b":a", b"a\r\nb", b"a\nb", b"a\x00", b"\xe9", b"a(", b"a ", b" a", b"x" * 65 + b" "],
)
def test_a_name_that_is_no_token_does_not_pass(name: bytes) -> None:
    for _ in range(2):  # names are remembered
        with pytest.raises(httpx.LocalProtocolError, match="a header name that is no token"):
            request_headers([(name, b"1")], host="127.0.0.1")
        with pytest.raises(httpx.RemoteProtocolError, match="a header name that is no token"):
            response_headers([(name, b"1")])


def test_every_byte_of_a_token_passes_in_a_name_and_upper_case_goes() -> None:
    token = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert sent((token, b"1")) == [(token.lower(), b"1")]


def test_long_names_pass_and_are_not_remembered() -> None:
    from bridge.proxy.headers import _lower

    before = _lower.cache_info().currsize
    assert sent((b"X-" + b"a" * 5000, b"1")) == [(b"x-" + b"a" * 5000, b"1")]
    assert _lower.cache_info().currsize == before


def test_an_error_quotes_a_bounded_part_of_a_name() -> None:
    with pytest.raises(httpx.LocalProtocolError) as caught:
        request_headers([(b" " * 10_000, b"1")], host="127.0.0.1")
    assert len(str(caught.value)) < 300


def test_repeated_headers_stay_repeated_and_in_order() -> None:
    pairs = [(b"set-cookie", b"a=1"), (b"x", b"1"), (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1")]
    assert received(*pairs) == pairs
    assert sent(*pairs) == pairs


@pytest.mark.parametrize(
    ("method", "status_code", "headers", "length"),
    [
        ("GET", 200, [(b"content-length", b"12")], 12),
        ("GET", 200, [(b"a", b"b"), (b"content-length", b"0")], 0),
        ("GET", 200, [], None),
        ("GET", 200, [(b"content-length", b"")], None),
        ("GET", 200, [(b"content-length", b"-1")], None),
        ("GET", 200, [(b"content-length", b"1 2")], None),
        ("HEAD", 200, [(b"content-length", b"12")], 0),
        ("HEAD", 404, [], 0),
        ("GET", 204, [(b"content-length", b"12")], 0),
        ("GET", 304, [(b"content-length", b"12")], 0),
        ("POST", 205, [(b"content-length", b"3")], 3),
    ],
)
def test_the_length_of_a_body_is_what_its_headers_announce(
    method: str, status_code: int, headers: HeaderPairs, length: int | None
) -> None:
    assert response_length(method, status_code, headers) == length
