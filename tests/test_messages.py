"""The request and the response of an event: whole httpx objects, whose costly parts are built when they are read."""

import gzip
import pickle
from typing import Any

import pytest

from bridge._httpx import httpx
from bridge._messages import CompleteResponse, EventRequest, header_pairs, request_line
from tests.cases import every_case

HEADERS = [(b"host", b"example.org"), (b"x-twice", b"1"), (b"x-twice", b"2"), (b"content-length", b"4")]


def event_request(**scope: Any) -> EventRequest:
    scope = {"scheme": "https", "server": ("example.org", 8443)} | scope
    return EventRequest("POST", b"/a%2Fb?x=1&y", list(HEADERS), b"body", scope)


def stock_request() -> httpx.Request:
    return httpx.Request("POST", "https://example.org:8443/a%2Fb?x=1&y", headers=HEADERS, content=b"body")


def complete_response(*headers: tuple[bytes, bytes], body: bytes = b"caf\xc3\xa9") -> CompleteResponse:
    return CompleteResponse(200, [(b"Content-Type", b"text/plain; charset=utf-8"), *headers], body)


def stock_response(*headers: tuple[bytes, bytes], body: bytes = b"caf\xc3\xa9") -> httpx.Response:
    pairs = [(b"Content-Type", b"text/plain; charset=utf-8"), *headers]
    return httpx.Response(200, headers=pairs, stream=httpx.ByteStream(body))


def test_a_message_builds_no_part_before_it_is_read_and_each_part_once() -> None:
    assert {"headers", "stream"}.isdisjoint(vars(complete_response()))
    request = event_request()
    assert {"url", "headers", "stream"}.isdisjoint(vars(request))
    assert request.url is request.url
    assert {"headers", "stream"}.isdisjoint(vars(request))
    assert request.headers is request.headers
    assert request.stream is request.stream


def test_a_request_is_a_whole_httpx_request() -> None:
    request, stock = event_request(), stock_request()
    assert isinstance(request, httpx.Request)
    assert request.method == stock.method
    assert request.url == stock.url
    assert request.url.raw_path == b"/a%2Fb?x=1&y"
    assert request.headers == stock.headers
    assert request.headers.raw == HEADERS
    assert (request.content, request.read()) == (b"body", b"body")
    assert isinstance(request.stream, httpx.SyncByteStream)
    assert list(request.stream) == [b"body"]
    assert repr(request) in (repr(stock), repr(stock).replace("Request", "EventRequest"))


@pytest.mark.anyio
async def test_a_request_can_be_read_and_sent_asynchronously() -> None:
    request = event_request()
    assert await request.aread() == b"body"
    assert isinstance(request.stream, httpx.AsyncByteStream)
    assert [part async for part in request.stream] == [b"body"]


@every_case(
    ("server", "host", "port"),
    [
        (None, "localhost", None),
        (("::1", 8443), "::1", 8443),
        (("example.org", None), "example.org", None),
        # A name that looks like an address, and is none.
        *(((name, 8443), "localhost", 8443) for name in ("999.1.1.1", "1.2.3.256", "0.0.0.00")),
    ],
)
def test_a_request_has_a_url_whatever_its_server(server: Any, host: str, port: int | None) -> None:
    url = event_request(server=server).url
    assert (url.scheme, url.host, url.port, url.raw_path) == ("https", host, port, b"/a%2Fb?x=1&y")


def test_a_request_carries_its_target_and_its_scope_as_extensions() -> None:
    scope = {"scheme": "https", "server": None, "client": None}
    request = EventRequest("GET", b"/?", [], b"", scope)
    assert request.extensions == {"target": b"/?", "asgi": scope}


def test_a_request_can_be_pickled_as_httpx_requests_can() -> None:
    request = pickle.loads(pickle.dumps(event_request()))
    stock = pickle.loads(pickle.dumps(stock_request()))
    assert (request.method, request.url, request.headers) == (stock.method, stock.url, stock.headers)
    assert (request.content, request.read()) == (stock.content, stock.read())
    assert request.extensions == stock.extensions == {}


UNREAD = """
    status_code reason_phrase http_version headers extensions history is_closed is_stream_consumed is_success is_error
    is_redirect has_redirect_location next_request default_encoding charset_encoding links num_bytes_downloaded
"""


def test_a_response_looks_like_httpxs_own_before_and_after_it_was_read() -> None:
    response, stock = complete_response(), stock_response()
    assert [name for name in UNREAD.split() if getattr(response, name) != getattr(stock, name)] == []
    response.read()
    stock.read()
    names = ["content", "text", "encoding", "is_closed", "is_stream_consumed"]
    assert [name for name in names if getattr(response, name) != getattr(stock, name)] == []


@pytest.mark.parametrize("name", ["content", "text", "request", "elapsed"])
def test_what_an_unread_response_refuses_it_refuses_as_httpxs_own(name: str) -> None:
    with pytest.raises(Exception, match=r"^.") as stock:
        getattr(stock_response(), name)
    with pytest.raises(type(stock.value)) as caught:
        getattr(complete_response(), name)
    assert str(caught.value) == str(stock.value)


def test_two_responses_share_nothing_that_can_change() -> None:
    first, second = complete_response(), complete_response()
    first.history.append(second)
    first.extensions["key"] = b"value"
    first.headers["x-new"] = "1"
    assert (second.history, second.extensions, "x-new" in second.headers) == ([], {}, False)


def test_reading_a_response_decodes_its_body_and_leaves_the_wire_bytes() -> None:
    body = gzip.compress(b"text")
    response = complete_response((b"content-encoding", b"gzip"), body=body)
    assert response.read() == b"text"
    assert response.body == body


@pytest.mark.anyio
async def test_a_response_can_be_read_asynchronously() -> None:
    response = complete_response()
    assert await response.aread() == b"caf\xc3\xa9"
    await response.aclose()
    assert response.is_closed


def test_a_response_can_be_pickled_as_httpx_responses_can() -> None:
    stock = stock_response()
    stock.read()
    expected = pickle.loads(pickle.dumps(stock))
    response = pickle.loads(pickle.dumps(complete_response()))
    assert (response.status_code, response.headers, response.text) == (
        expected.status_code,
        expected.headers,
        expected.text,
    )
    assert (response.history, response.is_closed) == (expected.history, expected.is_closed)


def test_header_pairs_of_a_cheap_message_are_its_own_list() -> None:
    request, response = event_request(), complete_response()
    assert header_pairs(request) is request.raw_headers
    assert header_pairs(response) is response.raw_headers
    assert "headers" not in vars(request)


def test_header_pairs_of_an_httpx_message_are_in_lower_case_and_in_order() -> None:
    assert header_pairs(httpx.Response(200, headers=[("B", "1"), ("a", "2"), ("b", "3")])) == [
        (b"b", b"1"),
        (b"a", b"2"),
        (b"b", b"3"),
    ]


@pytest.mark.parametrize("message", [event_request(), complete_response()], ids=["request", "response"])
def test_header_pairs_follow_a_change_of_the_headers(message: Any) -> None:
    message.headers["X-New"] = "1"
    assert header_pairs(message)[-1] == (b"x-new", b"1")
    assert len(header_pairs(message)) == len(message.raw_headers) + 1


def test_the_parts_of_a_request_can_be_replaced() -> None:
    request: httpx.Request = event_request()
    request.url = request.url.copy_with(host="other.test")
    request.headers = httpx.Headers({"x": "1"})
    request.stream = httpx.Request("POST", "http://other.test", content=iter([b"an", b"other"])).stream
    assert (request.url.host, header_pairs(request)) == ("other.test", [(b"x", b"1")])
    with pytest.raises(httpx.RequestNotRead):
        _ = request.content
    assert (request.read(), request.content) == (b"another", b"another")


def test_a_request_line_has_neither_the_query_nor_a_control_character_nor_an_end_that_is_far_away() -> None:
    scope = {"scheme": "https", "server": None}
    assert request_line(EventRequest("GET", b"/a%0A?secret=1", [], b"", scope)) == "GET /a%0A"
    assert request_line(EventRequest("A\r\nB", b"/\n\xff", [], b"", scope)) == "A\\r\\nB /\\n\\xff"
    assert len(request_line(EventRequest("M" * 1000, b"/" + b"p" * 10_000, [], b"", scope))) == 20 + 1 + 200
    assert request_line(httpx.Request("GET", "https://app.test/a?b=1")) == "GET /a"
