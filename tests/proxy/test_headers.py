"""The headers that go over the socket, in both directions."""

import pytest

from bridge._httpx import httpx
from bridge._types import HeaderPairs
from bridge.proxy.headers import checked_method, checked_target, framed, request_headers, response_headers

HOST = (b"host", b"app.test")

HOP_BY_HOP = b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer".split()
HOP_BY_HOP += [b"transfer-encoding", b"upgrade"]

CONTROLS = [bytes([code]) for code in (*range(0x09), *range(0x0A, 0x20), 0x7F)]


def sent(*pairs: tuple[bytes, bytes]) -> HeaderPairs:
    """Return the headers that go out for a request with a Host and these headers, without that Host."""
    first, *rest = request_headers([HOST, *pairs], host=b"127.0.0.1:8080")
    assert first == HOST
    return rest


def received(*pairs: tuple[bytes, bytes]) -> HeaderPairs:
    return response_headers(list(pairs))


def test_hop_by_hop_headers_go_nowhere() -> None:
    for name in HOP_BY_HOP:
        pairs = ((b"a", b"1"), (name, b"x"), (name.title(), b"y"), (b"b", b"2"))
        assert sent(*pairs) == received(*pairs) == [(b"a", b"1"), (b"b", b"2")], name


def test_headers_that_the_servers_connection_header_names_go_nowhere() -> None:
    for value in (b"x-one, X-Two", b"close,x-one,x-two", b" x-two ,, X-ONE\t", b"keep-alive, x-one, x-two, x-none"):
        pairs = ((b"x-one", b"1"), (b"x-two", b"2"), (b"connection", value), (b"x-one", b"3"), (b"x-twofold", b"4"))
        assert received(*pairs) == [(b"x-twofold", b"4")], value
    pairs = ((b"connection", b"x-one"), (b"x-one", b"1"), (b"x-two", b"2"), (b"connection", b"x-two"), (b"x", b"3"))
    assert received(*pairs) == [(b"x", b"3")]


def test_a_clients_connection_header_removes_nothing() -> None:
    """AWS's front end has added headers after it, which the web server may trust the absence of."""
    named = [
        (name, b"1") for name in (b"x-forwarded-for", b"x-forwarded-proto", b"x-amzn-oidc-data", b"cookie", b"x-n")
    ]
    names = b", ".join(name for name, _ in named)
    for values in ([b"close, " + names], [names.upper()], [name for name, _ in named], [b"x-none"]):
        connection = [(b"connection", value) for value in values]
        assert sent(*connection, *named) == sent(*named, *connection) == named
        assert sent(*connection, *named, (b"keep-alive", b"1"), (b"te", b"x")) == named


def test_connection_cannot_name_the_headers_that_frame_and_address_a_message() -> None:
    for name in (b"Content-Length", b"host"):
        assert sent((b"connection", name), (b"content-length", b"2")) == [(b"content-length", b"2")]
        assert received((b"connection", name), (b"content-length", b"2"), HOST) == [(b"content-length", b"2"), HOST]


def test_other_spellings_of_the_headers_that_frame_and_address_a_request_go_nowhere() -> None:
    """To CGI, and to servers that are lenient, an underscore is a hyphen."""
    for name in (b"transfer_encoding", b"Transfer.Encoding", b"content_length", b"Content_Length", b"keep_alive"):
        assert sent((name, b"5"), (b"x_a", b"1")) == [(b"x_a", b"1")], name


def test_a_request_has_the_clients_host_or_else_the_web_servers() -> None:
    pairs = [(b"accept", b"*/*"), HOST, (b"x", b"1")]
    assert request_headers(pairs, host=b"127.0.0.1") == pairs
    assert request_headers([(b"host", b"")], host=b"127.0.0.1") == [(b"host", b"")]
    assert request_headers([(b"x", b"1")], host=b"127.0.0.1:81") == [(b"host", b"127.0.0.1:81"), (b"x", b"1")]
    with pytest.raises(httpx.LocalProtocolError, match="2 Host headers"):
        request_headers([HOST, (b"Host", b"evil.test")], host=b"127.0.0.1")


def test_a_response_may_have_host_headers_and_gets_none() -> None:
    assert received(HOST, HOST) == [HOST, HOST]
    assert received() == []


def test_a_value_with_a_control_byte_does_not_pass() -> None:
    for name in (b"x", b"host", b"connection", b"te"):
        for control in CONTROLS:
            for value in (b"a" + control + b"b", control + b"a", b"a" + control):
                with pytest.raises(httpx.LocalProtocolError, match="control bytes in the value of b'" + name.decode()):
                    request_headers([(name, value)], host=b"127.0.0.1")
                with pytest.raises(httpx.RemoteProtocolError, match="control bytes in the value of b'" + name.decode()):
                    response_headers([(name, value)])


def test_every_other_byte_of_a_value_passes() -> None:
    value = b"a" + bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)]) + b"z"
    assert sent((b"x", value)) == [(b"x", value)]
    assert received((b"x", value)) == [(b"x", value)]


def test_blanks_around_a_value_are_not_a_part_of_it() -> None:
    for value in (b" a b ", b"\ta b\t", b"a b \t ", b"\t \ta b"):
        assert sent((b"x", value)) == received((b"x", value)) == [(b"x", b"a b")]
    assert sent((b"x", b"\x85a\xa0")) == [(b"x", b"\x85a\xa0")]  # blanks in other encodings


def test_a_name_that_is_not_a_token_does_not_pass() -> None:
    for name in (b"", b"a b", b"a:", b"a\r\nb", b"a\x00", b"\xe9", b"a(", b"a ", b" a", b" " * 10_000):
        for _ in range(2):  # names are remembered
            with pytest.raises(httpx.LocalProtocolError, match="a header name that is not a token") as caught:
                request_headers([(name, b"1")], host=b"127.0.0.1")
            with pytest.raises(httpx.RemoteProtocolError, match="a header name that is not a token"):
                response_headers([(name, b"1")])
            assert len(str(caught.value)) < 300


def test_every_byte_of_a_token_passes_in_a_name_and_upper_case_goes() -> None:
    token = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert sent((token, b"1")) == [(token.lower(), b"1")]


def test_repeated_headers_stay_repeated_and_in_order() -> None:
    pairs = [(b"set-cookie", b"a=1"), (b"x", b"1"), (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1")]
    assert received(*pairs) == pairs
    assert sent(*pairs) == pairs


def test_a_content_length_beside_chunks_is_removed_from_a_response() -> None:
    length = (b"content-length", b"1")
    assert received(length, (b"transfer-encoding", b"chunked"), (b"x", b"1")) == [(b"x", b"1")]
    assert received(length, (b"te", b"x")) == [length]


def test_a_request_is_framed_by_the_length_of_its_body_or_by_chunks() -> None:
    length, chunks = (b"content-length", b"4"), (b"transfer-encoding", b"chunked")
    for headers, size, expected in (
        ([HOST], 0, [HOST]),
        ([HOST], 4, [HOST, length]),
        ([HOST], None, [HOST, chunks]),
        ([HOST, length], 4, [HOST, length]),
        ([HOST, length], None, [HOST, length]),
    ):
        assert framed(headers, size) == expected
    for value in (b"3", b"0", b"-4", b"four", b"4, 4"):
        with pytest.raises(httpx.LocalProtocolError, match="content-length"):
            framed([HOST, (b"content-length", value)], 4)
    with pytest.raises(httpx.LocalProtocolError, match="content-length"):
        framed([HOST, length, length], None)


def test_a_method_is_a_token_and_goes_on_as_it_is_but_connect_goes_nowhere() -> None:
    for method in ("GET", "get", "M-SEARCH", "PROPFIND", "CONNECTED"):
        assert checked_method(method) == method
    for method in ("", "GE T", "GET\r\n", "G\u00c9T", "CONNECT", "connect", "Connect"):
        with pytest.raises(httpx.LocalProtocolError, match="method"):
            checked_method(method)


def test_a_target_is_in_origin_form() -> None:
    for target in (b"/", b"//a", b"/a?b=/#c", b"/%00", b"*"):
        assert checked_target("OPTIONS", target) == target
    for target in (b"", b"a", b"*", b"?a", b"http://a.test/", b"a.test:443", b"/a b", b"/a\r\nb", b"/\x7f", b"/\xe9"):
        with pytest.raises(httpx.LocalProtocolError, match="target"):
            checked_target("GET", target)
