"""Requests that are awkward to carry, and what each service loses of them before the function sees it."""

from dataclasses import dataclass

from tests.integration.exchange import ClientRequest, Headers, body_report
from tests.integration.losses import ALB, ALL, EDGE, HTTP_API_1, HTTP_API_2, LATTICE, REST, Loss, Reason, but, header

__all__ = ["REQUESTS", "Case"]

# The least that a client sends.
HOST = ("Host", "app.example.com")


@dataclass(frozen=True)
class Case:
    """One request. `summary`: what is awkward in it, for the reader of docs/fidelity.md."""

    id: str
    summary: str
    request: ClientRequest
    losses: tuple[Loss, ...] = ()


def get(target: str, *headers: tuple[str, str], method: str = "GET", http_version: str = "1.1") -> ClientRequest:
    """Return a request without a body; a Host header comes first unless there is one in `headers`."""
    hosts = () if any(name == "Host" for name, _ in headers) else (HOST,)
    return ClientRequest(method=method, target=target, headers=(*hosts, *headers), http_version=http_version)


def post(body: bytes, *headers: tuple[str, str], method: str = "POST") -> ClientRequest:
    """Return a request with a body and its length."""
    framing = (HOST, ("Content-Length", str(len(body))))
    return ClientRequest(method=method, target="/upload", headers=(*framing, *headers), body=body)


def chunked(body: bytes, *headers: tuple[str, str]) -> ClientRequest:
    """Return a request whose body comes in chunks."""
    framing = (HOST, ("Transfer-Encoding", "chunked"))
    return ClientRequest(method="POST", target="/upload", headers=(*framing, *headers), body=body)


def respelt_path(raw_path: str, at: tuple[str, ...] = HTTP_API_1 + HTTP_API_2) -> Loss:
    return Loss(why=Reason.DECODED_PATH, at=at, fields={"raw_path": raw_path})


def changed_query(why: Reason, query_string: str, at: tuple[str, ...]) -> Loss:
    return Loss(why=why, at=at, fields={"query_string": query_string})


def respelt_query(query_string: str, at: tuple[str, ...] = REST + HTTP_API_1) -> Loss:
    return changed_query(Reason.DECODED_QUERY, query_string, at)


def changed_headers(why: Reason, at: tuple[str, ...], gone: Headers, new: Headers = ()) -> Loss:
    return Loss(why=why, at=at, gone=gone, new=new)


def binary(length: int) -> bytes:
    """Bytes that are no text, and that no truncation or shift leaves equal."""
    return b"".join(b"\xff%07x" % number for number in range(length // 8))


PATHS = (
    Case("path-encoded-slash", "`/a%2Fb/c`", get("/a%2Fb/c"), (respelt_path("/a/b/c"),)),
    Case("path-encoded-percent", "`/100%25`", get("/100%25")),
    Case(
        "path-encoded-percent-twice",
        "`/100%2525`",
        get("/100%2525"),
        (Loss(why=Reason.AMBIGUOUS_PATH, at=HTTP_API_1, fields={"path": "/100%", "raw_path": "/100%25"}),),
    ),
    Case(
        "path-encoded-percent-of-slash",
        "`/a%252Fb`",
        get("/a%252Fb"),
        (Loss(why=Reason.AMBIGUOUS_PATH, at=HTTP_API_1, fields={"path": "/a/b", "raw_path": "/a%2Fb"}),),
    ),
    Case("path-plus", "`/a+b`", get("/a+b")),
    Case("path-encoded-plus", "`/a%2Bb`", get("/a%2Bb"), (respelt_path("/a+b"),)),
    Case("path-space", "`/a%20b`", get("/a%20b")),
    Case("path-unicode", "`/caf%C3%A9/%E2%98%83`", get("/caf%C3%A9/%E2%98%83")),
    Case("path-lower-case-hex", "`/caf%c3%a9`", get("/caf%c3%a9"), (respelt_path("/caf%C3%A9"),)),
    Case("path-not-utf-8", "`/caf%E9`", get("/caf%E9"), (respelt_path("/caf%EF%BF%BD"),)),
    Case(
        "path-encoded-question-mark",
        "`/what%3Fnow`",
        get("/what%3Fnow"),
        (Loss(why=Reason.CUT_PATH, at=HTTP_API_1 + HTTP_API_2, fields={"path": "/what", "raw_path": "/what"}),),
    ),
    Case("path-encoded-hash", "`/c%23`", get("/c%23")),
    Case("path-reserved", "`/a:b@c!d$e&f'g(h)i*j,k;l=m~n`", get("/a:b@c!d$e&f'g(h)i*j,k;l=m~n")),
    Case("path-reserved-encoded", "`/a%3Ab%40c%26d`", get("/a%3Ab%40c%26d"), (respelt_path("/a:b@c&d"),)),
    Case("path-unreserved-encoded", "`/%7Euser/%61`", get("/%7Euser/%61"), (respelt_path("/~user/a"),)),
    Case("path-stray-percent", "`/100%/%zz`", get("/100%/%zz"), (respelt_path("/100%25/%25zz"),)),
    Case(
        "path-outside-rfc-3986",
        r"`/a^b\c{d}`",
        get(r"/a^b\c{d}"),
        (respelt_path("/a%5Eb%5Cc%7Bd%7D", HTTP_API_2),),
    ),
    Case("path-double-slash", "`//a//b`", get("//a//b")),
    Case("path-dot-segments", "`/a/./b/../c`", get("/a/./b/../c")),
    Case("path-encoded-dot-segments", "`/a/%2e%2e/c`", get("/a/%2e%2e/c"), (respelt_path("/a/../c"),)),
    Case("path-trailing-slash", "`/a/`", get("/a/")),
    Case("path-root", "`/`", get("/")),
    Case("path-starts-like-the-stage", "`/production`", get("/production")),
    Case("path-under-the-name-of-the-stage", "`/prod/x`", get("/prod/x")),
)

QUERIES = (
    Case("query-empty", "`?`", get("/q?")),
    Case("query-plain", "`?a=1&b=2`", get("/q?a=1&b=2")),
    Case("query-plus", "`?q=a+b`", get("/q?q=a+b")),
    Case("query-encoded-plus", "`?q=a%2Bb`", get("/q?q=a%2Bb")),
    Case("query-space", "`?q=a%20b`", get("/q?q=a%20b"), (respelt_query("q=a+b"),)),
    Case("query-encoded-ampersand", "`?q=a%26b%3Dc`", get("/q?q=a%26b%3Dc")),
    Case("query-encoded-percent", "`?q=100%25&r=%2525`", get("/q?q=100%25&r=%2525")),
    Case("query-unicode", "`?q=caf%C3%A9`", get("/q?q=caf%C3%A9")),
    Case("query-lower-case-hex", "`?q=%c3%a9`", get("/q?q=%c3%a9"), (respelt_query("q=%C3%A9"),)),
    Case(
        "query-not-utf-8",
        "`?q=caf%E9`",
        get("/q?q=caf%E9"),
        (changed_query(Reason.NOT_UTF_8_QUERY, "q=caf%EF%BF%BD", REST + HTTP_API_1),),
    ),
    Case(
        "query-repeated-key",
        "`?a=1&a=2`",
        get("/q?a=1&a=2"),
        (changed_query(Reason.LAST_PARAMETER, "a=2", ("alb", "lattice1")),),
    ),
    Case(
        "query-same-pair-twice",
        "`?a=1&a=1`",
        get("/q?a=1&a=1"),
        (changed_query(Reason.LAST_PARAMETER, "a=1", ("alb", "lattice1")),),
    ),
    Case(
        "query-order-across-keys",
        "`?a=1&b=2&a=3`",
        get("/q?a=1&b=2&a=3"),
        (
            changed_query(Reason.MAPPED_QUERY, "a=1&a=3&b=2", (*REST, *HTTP_API_1, "alb-multi", "lattice2")),
            changed_query(Reason.LAST_PARAMETER, "a=3&b=2", ("alb", "lattice1")),
        ),
    ),
    Case(
        "query-no-equals-sign",
        "`?a`",
        get("/q?a"),
        (changed_query(Reason.NO_VALUE, "a=", REST + HTTP_API_1 + ALB + LATTICE),),
    ),
    Case("query-empty-value", "`?a=`", get("/q?a=")),
    Case("query-empty-key", "`?=b`", get("/q?=b")),
    Case(
        "query-empty-pair",
        "`?a=1&&b=2`",
        get("/q?a=1&&b=2"),
        (changed_query(Reason.NO_VALUE, "a=1&b=2", REST + HTTP_API_1 + ALB + LATTICE),),
    ),
    Case("query-comma", "`?a=1,2`", get("/q?a=1,2"), (respelt_query("a=1%2C2"),)),
    Case(
        "query-semicolon",
        "`?a=1;b=2`",
        get("/q?a=1;b=2"),
        (changed_query(Reason.SEMICOLON, "a=1&b=2", REST), respelt_query("a=1%3Bb%3D2", HTTP_API_1)),
    ),
    Case(
        "query-reserved",
        "`?a=/?:@!$'()*`",
        get("/q?a=/?:@!$'()*"),
        (respelt_query("a=%2F%3F%3A%40%21%24%27%28%29%2A"),),
    ),
    Case(
        "query-brackets",
        "`?a[]=1&a[]=2`",
        get("/q?a[]=1&a[]=2"),
        (respelt_query("a%5B%5D=1&a%5B%5D=2"), changed_query(Reason.LAST_PARAMETER, "a[]=2", ("alb", "lattice1"))),
    ),
    Case("query-equals-sign-in-value", "`?a=b=c`", get("/q?a=b=c"), (respelt_query("a=b%3Dc"),)),
    Case(
        "query-url-in-value",
        "`?u=https://example.com/?x=1`",
        get("/q?u=https://example.com/?x=1"),
        (respelt_query("u=https%3A%2F%2Fexample.com%2F%3Fx%3D1"),),
    ),
    Case("query-stray-percent", "`?q=100%`", get("/q?q=100%"), (respelt_query("q=100%25"),)),
)

TAGS = (
    changed_headers(
        Reason.JOINED_HEADER,
        (*HTTP_API_2, "url", "lattice1"),
        header("x-tag", "one", "two"),
        header("x-tag", "one,two"),
    ),
    changed_headers(Reason.LAST_HEADER, ("alb",), header("x-tag", "one")),
)

HEADERS = (
    Case("header-repeated", "two `X-Tag`", get("/h", ("X-Tag", "one"), ("X-Tag", "two")), TAGS),
    Case("header-repeated-in-other-case", "`X-Tag`, `x-tag`", get("/h", ("X-Tag", "one"), ("x-tag", "two")), TAGS),
    Case("header-comma", "a date with a comma", get("/h", ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"))),
    Case("header-latin-1", "`X-Name: café` in latin-1", get("/h", ("X-Name", "caf\xe9"))),
    Case("header-utf-8", "`X-Name: café` in UTF-8", get("/h", ("X-Name", "caf\xc3\xa9"))),
    Case("header-empty", "`X-Empty:`", get("/h", ("X-Empty", ""))),
    Case("header-quotes", "`If-None-Match` with quotes", get("/h", ("If-None-Match", 'W/"a,b", "c\\"d"'))),
    Case("header-very-long", "a header of 8,000 bytes", get("/h", ("X-Long", "0123456789" * 800))),
    Case("header-underscore", "`x_tag`", get("/h", ("x_tag", "one"))),
    Case("header-host-ipv6", "`Host: [2001:db8::1]:8443`", get("/h", ("Host", "[2001:db8::1]:8443"))),
    Case("header-host-upper-case", "`Host: APP.Example.COM`", get("/h", ("Host", "APP.Example.COM"))),
    Case("header-host-port", "`Host: app.example.com:8443`", get("/h", ("Host", "app.example.com:8443"))),
    Case("header-host-nonsense", "`Host: app.example.com:99999`", get("/h", ("Host", "app.example.com:99999"))),
    Case("header-authorization", "`Authorization: Basic dTpw`", get("/h", ("Authorization", "Basic dTpw"))),
    Case("header-cookies", "`Cookie: a=1; b=2`", get("/h", ("Cookie", "a=1; b=2"))),
    Case("header-cookie-comma", '`Cookie: a=1,2; b="x"`', get("/h", ("Cookie", 'a=1,2; b="x"'))),
    Case("header-cookie-latin-1", "`Cookie: a=café` in latin-1", get("/h", ("Cookie", "a=caf\xe9"))),
    Case(
        "header-cookies-without-spaces",
        "`Cookie: a=1;b=2`",
        get("/h", ("Cookie", "a=1;b=2")),
        (
            changed_headers(
                Reason.SPLIT_COOKIE,
                (*HTTP_API_2, "url"),
                header("cookie", "a=1;b=2"),
                header("cookie", "a=1; b=2"),
            ),
        ),
    ),
    Case(
        "header-cookie-repeated",
        "two `Cookie`",
        get("/h", ("Cookie", "a=1"), ("Cookie", "b=2")),
        (
            changed_headers(
                Reason.ONE_COOKIE, but("alb", "lattice1"), header("cookie", "a=1", "b=2"), header("cookie", "a=1; b=2")
            ),
            changed_headers(Reason.LAST_HEADER, ("alb",), header("cookie", "a=1")),
            changed_headers(
                Reason.JOINED_HEADER, ("lattice1",), header("cookie", "a=1", "b=2"), header("cookie", "a=1,b=2")
            ),
        ),
    ),
    Case(
        "header-forwarded-for",
        "`X-Forwarded-For: 203.0.113.9`",
        get("/h", ("X-Forwarded-For", "203.0.113.9")),
        (
            changed_headers(
                Reason.FORWARDED_FOR,
                but("edge-viewer"),
                header("x-forwarded-for", "203.0.113.9", "127.0.0.1"),
                header("x-forwarded-for", "203.0.113.9, 127.0.0.1"),
            ),
        ),
    ),
    Case(
        "header-of-the-server",
        "`X-Amzn-Request-Context: {}`",
        get("/h", ("X-Amzn-Request-Context", "{}")),
        (changed_headers(Reason.TRUSTED_HEADER, ALL, header("x-amzn-request-context", "{}")),),
    ),
    Case(
        "http-1.0",
        "HTTP/1.0",
        get("/h", http_version="1.0"),
        (Loss(why=Reason.HTTP_VERSION, at=ALB + EDGE + LATTICE, fields={"http_version": "1.1"}),),
    ),
)

JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain; charset=utf-8")
LATIN_1 = ("Content-Type", "text/plain; charset=iso-8859-1")
DATA = ("Content-Type", "application/octet-stream")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=b")


def unchunked(length: int) -> tuple[Loss, ...]:
    """The length takes the place of the chunks."""
    gone, new = header("transfer-encoding", "chunked"), header("content-length", str(length))
    return (changed_headers(Reason.FRAMING, ALL, gone, new),)


BODIES = (
    Case(
        "body-empty",
        "`Content-Length: 0`",
        post(b""),
        (changed_headers(Reason.NO_LENGTH, REST, header("content-length", "0")),),
    ),
    Case("body-chunked", "binary in chunks", chunked(b"\x00\x01chunked\xff", DATA), unchunked(10)),
    Case("body-chunked-text", "text in chunks", chunked(b"chunked", TEXT), unchunked(7)),
    Case(
        "body-6-mb",
        "6 MB, binary",
        post(binary(6 << 20), DATA),
        (Loss(why=Reason.BODY_LIMIT, at=EDGE, refused=413),),
    ),
    Case("body-binary", "every byte", post(bytes(range(256)), ("Content-Type", "image/png"))),
    Case("body-untyped", "no `Content-Type`", post(b"\xff\xfe")),
    Case("body-json", "JSON in UTF-8", post('{"name": "café ☃ 😀"}'.encode(), JSON)),
    Case("body-form", "a form", post(b"a=1&b=x+y%26z", FORM)),
    Case("body-multipart", "a multipart form", post(b"--b\r\n\r\n\xff\r\n--b--", MULTIPART)),
    Case("body-text-control-characters", "text with CR, NUL, BOM", post(b"\xef\xbb\xbfa\r\nb\rc\0\n", TEXT)),
    Case(
        "body-text-latin-1",
        "text `café` in latin-1",
        post(b"caf\xe9", LATIN_1),
        (
            Loss(
                why=Reason.NOT_UTF_8_BODY,
                at=but(*REST, *EDGE),
                fields={"body": body_report("caf\ufffd".encode())},
                gone=header("content-length", "4"),
                new=header("content-length", "6"),
            ),
        ),
    ),
    Case("body-gzip", "text in gzip", post(b"\x1f\x8b\x08", TEXT, ("Content-Encoding", "gzip"))),
    Case("body-that-looks-like-base64", "text `aGVsbG8=`", post(b"aGVsbG8=", TEXT)),
)

METHODS = (
    Case("method-get", "`GET`", get("/m")),
    Case("method-head", "`HEAD`", get("/m", method="HEAD")),
    Case("method-options", "`OPTIONS`", get("/m", method="OPTIONS")),
    Case("method-post", "`POST`", post(b"{}", JSON)),
    Case("method-put", "`PUT`", post(b"{}", JSON, method="PUT")),
    Case("method-patch", "`PATCH`", post(b"{}", JSON, method="PATCH")),
    Case("method-delete", "`DELETE`", get("/m", method="DELETE")),
    Case("method-delete-with-body", "`DELETE` with a body", post(b"{}", JSON, method="DELETE")),
    Case("method-get-with-body", "`GET` with a body", post(b"{}", JSON, method="GET")),
    Case("method-unknown", "`PROPFIND`", get("/m", method="PROPFIND")),
)

REQUESTS = PATHS + QUERIES + HEADERS + BODIES + METHODS
