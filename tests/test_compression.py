"""Which responses are compressed for whom, and what becomes of their headers."""

from typing import Any

from bridge import Settings
from bridge._messages import CompleteResponse, EventRequest
from bridge.compression import compression_of, is_compressible, preferred_coding
from tests.cases import every_case
from tests.decoded import decoded

Pairs = list[tuple[bytes, bytes]]

TEXT = b"A text that is long enough. " * 50
PLAIN = (b"content-type", b"text/plain; charset=utf-8")
VARY = (b"vary", b"Accept-Encoding")
GZIP = (b"content-encoding", b"gzip")
OFFERED = (b"br", b"zstd", b"gzip")


# The choice of a coding.


@every_case(
    ("accepted", "coding"),
    [
        (b"gzip", b"gzip"),
        (b"br", b"br"),
        (b"zstd", b"zstd"),
        (b"GZip", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b" gzip\t,", b"gzip"),
        (b"gzip, deflate, br, zstd", b"br"),  # what browsers send
        (b"gzip, zstd", b"zstd"),
        (b"deflate, gzip;q=1.0, *;q=0.5", b"gzip"),
        (b"br;q=0.5, zstd;q=0.7, gzip;q=0.9", b"gzip"),
        (b"br;q=0.001, gzip;q=0.000", b"br"),
        (b"gzip; q=0.2, br\t;\tQ=0.1 ", b"gzip"),
        (b"*", b"br"),
        (b"br;q=0, *", b"zstd"),
        (b"gzip, *;q=0", b"gzip"),
        (b"gzip;q=0.5, *;q=0.8", b"br"),
        (b"identity, gzip", b"gzip"),
        (b"identity;q=0.5, gzip;q=0.6", b"gzip"),
        (b"identity;q=0, gzip", b"gzip"),
        # None of ours.
        (b"", None),
        (b" , ", None),
        (b"identity", None),
        (b"deflate, compress", None),
        (b"gzip;q=0, br;q=0.0, zstd;q=0.000", None),
        (b"*;q=0", None),
        (b"identity, gzip;q=0.5", None),
        (b"identity;q=0.8, *;q=0.5", None),
        (b"gzipped, brotli, x-br, x-zstd", None),
        # Not valid.
        (b"gzip;q=2", None),
        (b"gzip;q=-1", None),
        (b"gzip;q=1.001", None),
        (b"gzip;q=0.1234", None),
        (b"gzip;q=.5", None),
        (b"gzip;q=", None),
        (b"gzip;", None),
        (b"gzip;level=9", None),
        (b"gzip;q=1;q=1", None),
        (b"gzip;q=nan", None),
        (b"gzip;q=1e0", None),
        (b"gzip;q=0.\xd9\xa5", None),
        (b'"gzip"', None),
        (b"gzip br", None),
        (b"br;q=high, *", b"zstd"),
    ],
)
def test_the_coding_is_the_one_that_the_client_prefers(accepted: bytes, coding: bytes | None) -> None:
    assert preferred_coding(accepted, OFFERED) == coding


@every_case(
    ("offered", "accepted", "coding"),
    [
        ((b"gzip",), b"br, gzip;q=0.1", b"gzip"),
        ((b"gzip",), b"br, zstd", None),
        ((b"gzip",), b"*", b"gzip"),
    ],
)
def test_what_is_not_installed_is_not_chosen(offered: tuple[bytes, ...], accepted: bytes, coding: bytes | None) -> None:
    assert preferred_coding(accepted, offered) == coding


# The responses that may be compressed.


@every_case(
    ("content_type", "is_text"),
    [
        (b"text/plain", True),
        (b"Text/HTML; charset=utf-8", True),
        (b"text/css", True),
        (b"text/event-streams", True),
        (b"application/json", True),
        (b"application/problem+json", True),
        (b"application/javascript", True),
        (b"application/xhtml+xml", True),
        (b"application/x-ndjson", True),
        (b"image/svg+xml", True),
        (b"image/svg+xml; charset=utf-8", True),
        (b"chemical/x-pdb", True),  # by the setting text_media_types
        (b"", False),
        (b"image/png", False),
        (b"image/bmp", False),
        (b"application/zip", False),
        (b"application/gzip", False),
        (b"application/pdf", False),
        (b"application/octet-stream", False),
        (b"application/wasm", False),
        (b"font/woff2", False),
        (b"video/mp4", False),
        (b"audio/mpeg", False),
        (b"multipart/mixed", False),
        (b"text/event-stream", False),
        (b"TEXT/EVENT-STREAM ; charset=utf-8", False),
        (b"application/grpc", False),
        (b"application/grpc+json", False),
        (b"application/grpc-web+json", False),
    ],
)
def test_what_is_like_text_is_compressed(content_type: bytes, is_text: bool) -> None:
    headers = [(b"content-type", content_type)]
    assert is_compressible(200, headers, length=32, text_media_types=("chemical/*",)) is is_text


@every_case(
    ("status", "headers", "length", "may_be"),
    [
        (200, [PLAIN], 32, True),
        (200, [PLAIN], 31, False),
        (200, [PLAIN], 0, False),
        # A stream.
        (200, [PLAIN], None, True),
        (200, [PLAIN, (b"content-length", b"31")], None, False),
        (200, [PLAIN, (b"content-length", b"32")], None, True),
        (200, [PLAIN, (b"content-length", b"9" * 5000)], None, True),
        (200, [PLAIN, (b"content-length", b"x")], None, True),
        # The type.
        (200, [], 32, False),
        (200, [(b"content-type", b"image/png"), PLAIN], 32, True),
        (200, [PLAIN, (b"content-type", b"image/png")], 32, False),
        # The status.
        (201, [PLAIN], 32, True),
        (404, [PLAIN], 32, True),
        (500, [PLAIN], 32, True),
        (103, [PLAIN], 32, False),
        (204, [PLAIN], 32, False),
        (206, [PLAIN], 32, False),
        (304, [PLAIN], 32, False),
        (99, [PLAIN], 32, False),
        (1000, [PLAIN], 32, False),
        ("200", [PLAIN], 32, False),
        (None, [PLAIN], 32, False),
        ([], [PLAIN], 32, False),
        # Compressed already, or exactly these bytes.
        (200, [PLAIN, (b"content-encoding", b"br")], 32, False),
        (200, [PLAIN, (b"content-encoding", b"identity")], 32, False),
        (416, [PLAIN, (b"content-range", b"bytes */99")], 32, False),
        (200, [PLAIN, (b"content-md5", b"x")], 32, False),
        (200, [PLAIN, (b"digest", b"x")], 32, False),
        (200, [PLAIN, (b"content-digest", b"x")], 32, False),
        (200, [PLAIN, (b"repr-digest", b"x")], 32, False),
        # What the application allows.
        (200, [PLAIN, (b"cache-control", b"no-transform")], 32, False),
        (200, [PLAIN, (b"cache-control", b"max-age=9 , No-Transform")], 32, False),
        (200, [PLAIN, (b"cache-control", b"public"), (b"cache-control", b"no-transform")], 32, False),
        (200, [PLAIN, (b"cache-control", b"no-transformer, no-cache")], 32, True),
    ],
)
def test_a_response_may_be_compressed(status: Any, headers: Pairs, length: int | None, may_be: bool) -> None:
    assert is_compressible(status, headers, length=length) is may_be


# The headers.


def sent(
    headers: Pairs, *, method: str = "GET", body: bytes = TEXT, status: int = 200, **asked: str
) -> CompleteResponse:
    """Return the response for a client that asks for gzip, or sends these headers."""
    pairs = [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in ({"accept_encoding": "gzip"} | asked).items()
    ]
    request = EventRequest(method, b"/", pairs, b"", {})
    return compression_of(Settings()).whole(CompleteResponse(status, headers, body), request)


@every_case(
    ("headers", "coded"),
    [
        ([PLAIN], [PLAIN, GZIP, VARY]),
        ([(b"Content-Type", b"text/html")], [(b"content-type", b"text/html"), GZIP, VARY]),
        ([PLAIN, (b"vary", b"origin")], [PLAIN, (b"vary", b"origin"), GZIP, VARY]),
        ([PLAIN, (b"vary", b"Origin, ACCEPT-encoding")], [PLAIN, (b"vary", b"Origin, ACCEPT-encoding"), GZIP]),
        ([PLAIN, (b"vary", b"*")], [PLAIN, (b"vary", b"*"), GZIP]),
        ([PLAIN, (b"vary", b"x-accept-encoding")], [PLAIN, (b"vary", b"x-accept-encoding"), GZIP, VARY]),
        ([PLAIN, (b"etag", b'"abc"')], [PLAIN, (b"etag", b'W/"abc"'), GZIP, VARY]),
        ([PLAIN, (b"etag", b'W/"abc"')], [PLAIN, (b"etag", b'W/"abc"'), GZIP, VARY]),
        ([PLAIN, (b"accept-ranges", b"bytes")], [PLAIN, GZIP, VARY]),
        (
            [PLAIN, (b"set-cookie", b"a"), (b"set-cookie", b"b")],
            [PLAIN, (b"set-cookie", b"a"), (b"set-cookie", b"b"), GZIP, VARY],
        ),
    ],
)
def test_a_compressed_response_says_so(headers: Pairs, coded: Pairs) -> None:
    response = sent(headers)
    assert (response.status_code, response.raw_headers) == (200, coded)
    assert decoded("gzip", response.body) == TEXT


def test_the_length_is_that_of_the_compressed_body() -> None:
    response = sent([(b"Content-Length", b"%d" % len(TEXT)), PLAIN])
    assert response.raw_headers == [(b"content-length", b"%d" % len(response.body)), PLAIN, GZIP, VARY]
    assert len(response.body) < len(TEXT)


def test_a_length_that_was_wrong_is_not_repaired() -> None:
    assert (b"content-length", b"5") in sent([PLAIN, (b"content-length", b"5")]).raw_headers


@every_case("accepted", ["", "identity", "deflate", "gzip;q=0"])
def test_a_client_that_wants_no_coding_gets_the_body_and_vary(accepted: str) -> None:
    headers = [PLAIN, (b"etag", b'"abc"'), (b"accept-ranges", b"bytes")]
    response = sent(headers, accept_encoding=accepted)
    assert (response.raw_headers, response.body) == ([*headers, VARY], TEXT)


@every_case(
    ("change", "more"),
    [
        ({"method": "HEAD"}, []),
        ({"body": b"x" * 31}, []),
        ({"status": 206}, []),
        ({"cache_control": "no-transform"}, []),
        ({}, [(b"cache-control", b"no-transform")]),
        ({}, [(b"content-range", b"bytes 0-9/99")]),
        ({}, [(b"content-encoding", b"br")]),
        ({}, [(b"content-type", b"image/png")]),
    ],
)
def test_what_may_not_be_compressed_is_left_as_it_is(change: dict[str, Any], more: Pairs) -> None:
    headers = [PLAIN, (b"etag", b'"abc"'), (b"accept-ranges", b"bytes"), *more]
    response = sent(headers, **change)
    assert (response.raw_headers, response.body) == (headers, change.get("body", TEXT))


@every_case(
    ("etag", "known", "headers"),
    [
        # What the client has is compressed: its cache knows the weak form alone.
        (b'"a"', 'W/"a"', [(b"etag", b'W/"a"'), VARY]),
        (b'"a"', '"b", W/"a"', [(b"etag", b'W/"a"'), VARY]),
        # It is not.
        (b'"a"', '"a"', [(b"etag", b'"a"')]),
        (b'"a"', 'W/"ba"', [(b"etag", b'"a"')]),
        (b'W/"a"', 'W/"a"', [(b"etag", b'W/"a"')]),
    ],
)
def test_a_304_has_the_etag_that_the_client_knows(etag: bytes, known: str, headers: Pairs) -> None:
    response = sent([(b"etag", etag)], status=304, body=b"", if_none_match=known)
    assert (response.raw_headers, response.body) == (headers, b"")
