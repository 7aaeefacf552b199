import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import Receive, Scope, Send
from bridge.errors import InvalidMessage, ResultTooLarge
from bridge.sources import CompleteResponse, encode_response, select_source
from bridge.sources._event_fields import event_line
from bridge.sources._response import encode_prelude
from tests.cases import every_case
from tests.events import BASES, load
from tests.logged import assert_logged
from tests.sources.exchange import CONTEXT, FIELDS, JSON_RESPONSE, Answer, answer, as_client

Pairs = list[tuple[bytes, bytes]]


# What the client gets instead of a response that must not reach AWS. CloudFront sets the length itself.
_PLAIN = ("content-type", "text/plain; charset=utf-8")
PLAIN_500 = {
    name: (500, [*([] if name == "lambda_edge" else [("content-length", "21")]), _PLAIN], b"Internal Server Error")
    for name in BASES
}


def encoded_headers(headers: Pairs, body: bytes = b"", status: int = 200, method: str = "GET") -> list[tuple[str, str]]:
    response = CompleteResponse(status, headers, body)
    return encode_response(response, method=method, settings=Settings()).headers


@every_case("name", BASES)
def test_head_gets_the_head_of_the_response_alone(name: str) -> None:
    app = Answer(headers=[(b"content-length", b"9"), (b"etag", b"1")], content=b'{"id": 7}')
    result = answer(load(name, **{FIELDS[name]["method"]: "HEAD"}), app)
    # CloudFront sets the length itself, and refuses one that is not its own.
    kept = [("etag", "1")] if name == "lambda_edge" else [("content-length", "9"), ("etag", "1")]
    assert as_client(result) == (200, kept, b"")
    assert result.get("isBase64Encoded", False) is False


@every_case("name", BASES)
@every_case("method", ["GET", "HEAD"])
@every_case("status", [100, 103, 204, 304])
@every_case("content", [b"", b"\xffnot allowed"])
def test_a_status_without_a_body_has_none_and_nothing_is_added(
    name: str, method: str, status: int, content: bytes
) -> None:
    if name == "lambda_edge" and status < 200:  # which CloudFront refuses
        return
    event = load(name, **{FIELDS[name]["method"]: method})
    result = answer(event, Answer(status=status, headers=[(b"etag", b"1")], content=content))
    assert as_client(result) == (status, [("etag", "1")], b"")
    assert result.get("isBase64Encoded", False) is False
    assert result.get("bodyEncoding", "text") == "text"


@every_case("method", ["GET", "HEAD"])
@every_case(("status", "length"), [(103, []), (204, []), (304, [("content-length", "7")])])
def test_the_length_of_a_response_that_cannot_have_one_is_dropped(
    method: str, status: int, length: list[tuple[str, str]]
) -> None:
    headers = [(b"content-length", b"7"), (b"etag", b"1")]
    assert encoded_headers(headers, status=status, method=method) == [*length, ("etag", "1")]


@every_case("name", BASES)
def test_no_header_is_invented(name: str) -> None:
    assert as_client(answer(load(name), Answer(content=b"hello"))) == (200, [], b"hello")


@every_case("name", BASES)
@every_case("count", [1, 2, 3, 5])
def test_every_cookie_comes_out_once_and_whole(name: str, count: int) -> None:
    cookies = [f"c{number}=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT" for number in range(count)]
    app = Answer(headers=[(b"Set-Cookie", cookie.encode()) for cookie in cookies])
    if name == "vpc_lattice_v1":  # which has room for one
        cookies = cookies[-1:]
    assert as_client(answer(load(name), app)) == (200, [("set-cookie", cookie) for cookie in cookies], b"")


@every_case("name", BASES)
def test_values_of_repeated_headers_all_arrive(name: str) -> None:
    _, headers, _ = as_client(answer(load(name), Answer(headers=[(b"x-a", b"1"), (b"X-A", b"2"), (b"x-a", b"3")])))
    assert ", ".join(value for _, value in headers) == "1, 2, 3"


@every_case("name", BASES)
@every_case(
    ("value", "text"),
    [
        ("Torrej\u00f3n \u6771 \U0001f600".encode(), "Torrej\u00f3n \u6771 \U0001f600"),
        (b"Torrej\xf3n", "Torrej\u00f3n"),
        (b"\xc3\xa9 \xf3", "\u00c3\u00a9 \u00f3"),
        (b"\xed\xa0\x80", "\u00ed\u00a0\u0080"),
        (bytes(range(0x80, 0x100)), "".join(map(chr, range(0x80, 0x100)))),
    ],
)
def test_a_header_value_is_text_in_utf_8_or_else_in_latin_1(name: str, value: bytes, text: str) -> None:
    headers = [(b"x-a", value), (b"set-cookie", b"a=" + value)]
    assert as_client(answer(load(name), Answer(headers=headers)))[1] == [("set-cookie", f"a={text}"), ("x-a", text)]
    assert encode_prelude(200, headers) == {"statusCode": 200, "headers": {"x-a": text}, "cookies": [f"a={text}"]}


@every_case("name", BASES)
@every_case("header", [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"TE", b"Transfer-Encoding", b"Upgrade"])
def test_headers_of_one_connection_are_dropped(name: str, header: bytes) -> None:
    app = Answer(headers=[(header, b"x"), (b"etag", b"1")], content=b"a")
    assert as_client(answer(load(name), app)) == (200, [("etag", "1")], b"a")


@every_case(
    ("headers", "body", "method", "expected"),
    [
        ([b"3"], b"abc", "GET", ["3"]),
        ([b"3", b"3"], b"abc", "GET", ["3"]),
        ([b"4"], b"abc", "GET", []),
        ([b"3", b"4"], b"abc", "GET", []),
        ([b"4", b"4"], b"abc", "GET", []),
        ([b"x"], b"abc", "GET", []),
        ([b"0"], b"", "GET", ["0"]),
        ([], b"abc", "GET", []),
        # What a GET would have got cannot be known here, only that there is one answer to it.
        ([b"9"], b"", "HEAD", ["9"]),
        ([b"9", b"9"], b"", "HEAD", ["9"]),
        ([b"9", b"8"], b"", "HEAD", []),
    ],
)
def test_content_length_is_there_at_most_once_and_never_wrong(
    headers: list[bytes], body: bytes, method: str, expected: list[str]
) -> None:
    pairs = [(b"Content-Length", value) for value in headers]
    assert encoded_headers(pairs, body, method=method) == [("content-length", value) for value in expected]


@every_case("name", sorted(BASES))
def test_a_wrong_content_length_is_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    event = load(name)
    answer(event, Answer(headers=[(b"content-length", b"4")], content=b"abc"))
    assert_logged(caplog, ("WARNING", f"{event_line(event)}: ", "content-length", "'4'", "3 bytes"))


def test_the_length_counts_bytes_before_base64() -> None:
    headers = [(b"content-type", b"image/png"), (b"content-length", b"4")]
    result = answer(load("rest_api"), Answer(headers=headers, content=b"\x89PNG"))
    assert result == {
        "statusCode": 200,
        "multiValueHeaders": {"content-type": ["image/png"], "content-length": ["4"]},
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }


@every_case("name", [b"", b"a b", b"a\r\nb", b"a:b", b"\xe9", b"a\x00"])
def test_a_header_name_that_is_no_token_must_not_reach_aws(name: bytes) -> None:
    with pytest.raises(InvalidMessage, match="Expected the name of a response header to be a token"):
        encoded_headers([(name, b"1")])


@every_case("value", [b"a\r\nset-cookie: b=2", b"a\nb", b"a\x00b", b"\x7f", b"\x1b[0m"])
def test_a_header_value_with_control_bytes_must_not_reach_aws(value: bytes) -> None:
    with pytest.raises(InvalidMessage, match="Expected the value of response header 'x-a' to have no control bytes"):
        encoded_headers([(b"X-A", value)])


@every_case("value", [b"", b"a\tb", b"a b", b"\xa0\xad\xff", b"\x85"])
def test_a_tab_and_bytes_above_127_are_no_control_bytes(value: bytes) -> None:
    assert encoded_headers([(b"x-a", value)]) == [("x-a", value.decode("latin-1"))]


FORBIDDEN = [
    *(
        (b"location", b"/" + byte + b"set-cookie: stolen=1")
        for byte in (b"\r\n", b"\n", b"\r", b"\0", b"\x0b", b"\x7f")
    ),
    *((b"set-cookie", b"a=1" + byte) for byte in (b"\r\n", b"\0")),
    *((name, b"1") for name in (b"", b"a b", b"a\r\nset-cookie: stolen=1;", b"a:", b"\xe9", b"a\0")),
]


@every_case("name", BASES)
@every_case("header", FORBIDDEN)
def test_a_response_that_must_not_reach_aws_gives_the_client_a_500(
    name: str, header: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    app = Answer(headers=[(b"etag", b"1"), header], content=b"secret")
    assert as_client(answer(load(name), app)) == PLAIN_500[name]
    assert_logged(caplog, ("ERROR", "response header"))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", ["rest_api", "function_url"])
async def test_a_stream_that_must_not_reach_aws_gives_the_client_a_500(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for header in FORBIDDEN:
        caplog.clear()
        app = Answer(headers=[(b"etag", b"1"), header], content=b"secret")
        async with (
            Bridge(app, lifespan="off") as handler,
            handler.stream(load(name), CONTEXT) as response,
        ):
            body = b"".join([part async for part in response.body])
        assert (response.prelude["statusCode"], response.prelude["cookies"], body) == (
            500,
            [],
            b"Internal Server Error",
        )
        assert_logged(caplog, ("ERROR", "response header"))


# Headers of which a quadratic encoder notices the number: each is a shape, with `count` headers.
SHAPES: dict[str, Callable[[int], Pairs]] = {
    "all different, except one": lambda count: [(b"x-%d" % number, b"v") for number in range(count)] + [(b"x-0", b"w")],
    "in pairs": lambda count: [(b"x-%d" % (number // 2), b"v") for number in range(count)],
    "all the same": lambda count: [(b"vary", b"x-%d" % number) for number in range(count)],
    "cookies": lambda count: [(b"set-cookie", b"c%d=1" % number) for number in range(count)],
    "lengths": lambda count: [(b"content-length", b"1")] * count,
    "dropped": lambda count: [(b"x-edge-%d" % number, b"v") for number in range(count)],
}


def seconds(call: Callable[[Pairs], object], headers: Pairs) -> float:
    taken = []
    for _ in range(3):
        start = time.process_time()
        call(headers)
        taken.append(time.process_time() - start)
    return min(taken)


@every_case("shape", SHAPES)
@every_case("name", [*BASES, "a prelude"])
def test_the_cost_of_headers_is_linear(shape: str, name: str) -> None:
    def encode(headers: Pairs) -> object:
        if name == "a prelude":
            return encode_prelude(200, headers)
        event = load(name)
        with suppress(ResultTooLarge):  # at CloudFront
            return select_source(event).encode(CompleteResponse(200, headers, b"x"), event, Settings())
        return None

    few, many = (seconds(encode, SHAPES[shape](count)) for count in (500, 8000))
    assert many < 100 * few + 0.01, "16 times as many; a quadratic cost is 256 times as high"


def test_an_encoded_response_has_text_pairs_in_order_and_its_body() -> None:
    response = CompleteResponse(201, [(b"B", b"1"), (b"a", b"2"), (b"b", b"3")], b"\xff")
    encoded = encode_response(response, method="GET", settings=Settings())
    result: dict[str, Any] = {"headers": encoded.headers, "body": encoded.body}
    assert (encoded.status_code, encoded.is_base64) == (201, True)
    assert result == {"headers": [("b", "1"), ("a", "2"), ("b", "3")], "body": "/w=="}


@every_case("name", ["function_url", "http_api_v2", "lambda_edge"])
def test_an_application_that_empties_the_event_still_gets_its_response_out(name: str) -> None:
    class Emptying(Answer):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["aws.event"].clear()
            await super().__call__(scope, receive, send)

    assert as_client(answer(load(name), Emptying(status=201, content=b"out"))) == (201, [], b"out")


@every_case(
    "app",
    [
        Answer(status="x" * 300_000),  # type: ignore[arg-type]
        Answer(headers=[(b" " * 300_000, b"1")]),
        Answer(headers=[(b"x" * 300_000, b"1\n")]),
        Answer(headers=[(b"content-length", b"1" * 300_000)]),
        Answer(headers=[(b"x-edge-" + b"x" * 300_000, b"1")]),
    ],
)
def test_a_log_line_about_what_an_application_sent_stays_short(app: Answer, caplog: pytest.LogCaptureFixture) -> None:
    answer(load("lambda_edge"), app)
    (record,) = caplog.records
    assert record.exc_info is None
    assert len(record.getMessage()) < 400


def test_the_prelude_has_cookies_apart_and_no_length() -> None:
    assert encode_prelude(JSON_RESPONSE["status"], JSON_RESPONSE["headers"]) == {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "vary": "accept, cookie"},
        "cookies": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
    }


def test_the_prelude_of_nothing_has_all_fields() -> None:
    assert encode_prelude(204, []) == {"statusCode": 204, "headers": {}, "cookies": []}


@every_case("header", [b"connection", b"transfer-encoding", b"keep-alive", b"upgrade", b"content-length"])
def test_what_frames_one_connection_stays_out_of_the_prelude(header: bytes) -> None:
    assert encode_prelude(200, [(header.title(), b"x"), (b"etag", b"1")])["headers"] == {"etag": "1"}


def test_a_header_that_must_not_reach_aws_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="to have no control bytes"):
        encode_prelude(200, [(b"a", b"\r\nb: c")])


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", ["rest_api", "function_url"])
async def test_both_sources_that_stream_get_the_same_prelude(name: str) -> None:
    event: dict[str, Any] = load(name)
    async with (
        Bridge(Answer(**JSON_RESPONSE), lifespan="off") as handler,
        handler.stream(event, CONTEXT) as response,
    ):
        body = b"".join([part async for part in response.body])
    assert (response.prelude, body) == (encode_prelude(201, JSON_RESPONSE["headers"]), b'{"id": 7}')
