"""Requests that are awkward to carry, and what each service loses of them before the function sees it."""

from bridge.testing.messages import ClientRequest, Headers
from tests.integration.losses import ALB, ALL, EDGE, HTTP_API_1, HTTP_API_2, LATTICE, REST, Loss, Reason, but, header
from tests.integration.wire import body_report

__all__ = ["REQUESTS", "Case"]

# The least that a client sends.
HOST = ("Host", "app.example.com")

# As the server that the tests ask over a socket sees it.
PEER = ("127.0.0.1", 50000)


class Case:
    """One request. `summary`: what is awkward in it, for the reader of docs/fidelity.md."""

    def __init__(self, summary: str, request: ClientRequest, *losses: Loss) -> None:
        self.summary = summary
        self.request = request
        self.losses = losses


def get(target: str, *headers: tuple[str, str], method: str = "GET", http_version: str = "1.1") -> ClientRequest:
    """Return a request without a body; a Host header comes first unless there is one in `headers`."""
    hosts = () if any(name == "Host" for name, _ in headers) else (HOST,)
    return ClientRequest(
        method=method, target=target, headers=(*hosts, *headers), http_version=http_version, client=PEER
    )


def post(body: bytes, *headers: tuple[str, str], method: str = "POST") -> ClientRequest:
    """Return a request with a body and its length."""
    framing = (HOST, ("Content-Length", str(len(body))))
    return ClientRequest(method=method, target="/upload", headers=(*framing, *headers), body=body, client=PEER)


def chunked(body: bytes, *headers: tuple[str, str]) -> ClientRequest:
    """Return a request whose body comes in chunks."""
    framing = (HOST, ("Transfer-Encoding", "chunked"))
    return ClientRequest(method="POST", target="/upload", headers=(*framing, *headers), body=body, client=PEER)


def path(target: str, *losses: Loss) -> Case:
    return Case(f"`{target}`", get(target), *losses)


def query(query_string: str, *losses: Loss) -> Case:
    return Case(f"`?{query_string}`", get(f"/q?{query_string}"), *losses)


def respelt_path(raw_path: str) -> Loss:
    return Loss(why=Reason.DECODED_PATH, at=HTTP_API_2, fields={"raw_path": raw_path})


def changed_query(why: Reason, query_string: str, at: tuple[str, ...]) -> Loss:
    return Loss(why=why, at=at, fields={"query_string": query_string})


def respelt_query(query_string: str, at: tuple[str, ...] = REST + HTTP_API_1) -> Loss:
    return changed_query(Reason.DECODED_QUERY, query_string, at)


def changed_headers(why: Reason, at: tuple[str, ...], gone: Headers, new: Headers = ()) -> Loss:
    return Loss(why=why, at=at, gone=gone, new=new)


def bare_host(sent: str, host: str) -> Loss:
    return changed_headers(Reason.HOST_PORT, ALB, header("host", sent), header("host", host))


def unrouted(*at: str) -> Loss:
    return Loss(why=Reason.METHOD, at=at, refused=403)


def binary(length: int) -> bytes:
    """Bytes that are not text, and that every truncation or shift changes."""
    return b"".join(b"\xff%07x" % number for number in range(length // 8))


PATHS = [
    path("/a%2Fb/c", respelt_path("/a/b/c")),
    path("/100%25"),
    path("/100%2525"),
    path("/a%252Fb"),
    path("/a+b"),
    path("/a%2Bb", respelt_path("/a+b")),
    path("/a%20b"),
    path("/caf%C3%A9/%E2%98%83"),
    path("/caf%c3%a9", respelt_path("/caf%C3%A9")),
    path("/caf%E9", respelt_path("/caf%EF%BF%BD")),
    path(
        "/what%3Fnow",
        Loss(why=Reason.CUT_PATH, at=HTTP_API_2, fields={"path": "/what", "raw_path": "/what"}),
    ),
    path("/c%23"),
    path("/a:b@c!d$e&f'g(h)i*j,k;l=m~n"),
    path("/a%3Ab%40c%26d", respelt_path("/a:b@c&d")),
    path("/%7Euser/%61", respelt_path("/~user/a")),
    path("/100%/%zz", respelt_path("/100%25/%25zz")),
    path(r"/a^b\c{d}", respelt_path("/a%5Eb%5Cc%7Bd%7D")),
    path("//a//b"),
    path("//"),
    path("/a/{b}/{c+}/", respelt_path("/a/%7Bb%7D/%7Bc+%7D/")),
    path("/a/./b/../c"),
    path("/a/%2e%2e/c", respelt_path("/a/../c")),
    path("/a/"),
    path("/"),
    path("/production"),
    path("/prod/x"),
]

QUERIES = [
    query(""),
    query("a=1&b=2"),
    query("q=a+b"),
    query("q=a%2Bb"),
    query("q=a%20b", respelt_query("q=a+b")),
    query("q=a%26b%3Dc"),
    query("q=100%25&r=%2525"),
    query("q=caf%C3%A9"),
    query("q=%c3%a9", respelt_query("q=%C3%A9")),
    query("q=caf%E9", changed_query(Reason.NOT_UTF_8_QUERY, "q=caf%EF%BF%BD", REST + HTTP_API_1)),
    query("a=1&a=2", changed_query(Reason.LAST_PARAMETER, "a=2", ("alb", "lattice1"))),
    query("a=1&a=1", changed_query(Reason.LAST_PARAMETER, "a=1", ("alb", "lattice1"))),
    query(
        "a=1&b=2&a=3",
        changed_query(Reason.MAPPED_QUERY, "a=1&a=3&b=2", (*REST, *HTTP_API_1, "alb-multi", "lattice2")),
        changed_query(Reason.LAST_PARAMETER, "a=3&b=2", ("alb", "lattice1")),
    ),
    query("a", changed_query(Reason.NO_VALUE, "a=", REST + HTTP_API_1 + ALB + LATTICE)),
    query("a="),
    query("=b"),
    query("a=1&&b=2", changed_query(Reason.NO_VALUE, "a=1&b=2", REST + HTTP_API_1 + ALB + LATTICE)),
    query("a=1,2", respelt_query("a=1%2C2")),
    query("a=1;b=2", changed_query(Reason.SEMICOLON, "a=1&b=2", REST), respelt_query("a=1%3Bb%3D2", HTTP_API_1)),
    query("a=/?:@!$'()*", respelt_query("a=%2F%3F%3A%40%21%24%27%28%29%2A")),
    query(
        "a[]=1&a[]=2",
        respelt_query("a%5B%5D=1&a%5B%5D=2"),
        changed_query(Reason.LAST_PARAMETER, "a[]=2", ("alb", "lattice1")),
    ),
    query("a=b=c", respelt_query("a=b%3Dc")),
    query("u=https://example.com/?x=1", respelt_query("u=https%3A%2F%2Fexample.com%2F%3Fx%3D1")),
    query("q=100%", respelt_query("q=100%25")),
]


def in_utf_8(text: str) -> str:
    return text.encode().decode("latin-1")


def latin_1(name: str, value: str) -> tuple[Loss, Loss]:
    """A byte that is not UTF-8 is replaced by AWS, or, at CloudFront, taken for a letter of latin-1."""
    sent = header(name, value)
    return (
        changed_headers(Reason.HEADER_BYTES, but(*EDGE), sent, header(name, value.replace("\xe9", in_utf_8("\ufffd")))),
        changed_headers(Reason.HEADER_BYTES, EDGE, sent, header(name, in_utf_8(value))),
    )


TAGS = (
    changed_headers(
        Reason.JOINED_HEADER,
        (*HTTP_API_2, "url"),
        header("x-tag", "one", "two"),
        header("x-tag", "one,two"),
    ),
    changed_headers(Reason.JOINED_HEADER, ("lattice1",), header("x-tag", "one", "two"), header("x-tag", "one, two")),
    changed_headers(Reason.LAST_HEADER, ("alb",), header("x-tag", "one")),
)

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Fancy=1"

HEADERS = [
    Case("two `X-Tag`", get("/h", ("X-Tag", "one"), ("X-Tag", "two")), *TAGS),
    Case("`X-Tag`, `x-tag`", get("/h", ("X-Tag", "one"), ("x-tag", "two")), *TAGS),
    Case("a date with a comma", get("/h", ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"))),
    Case("`X-Name: café` in latin-1", get("/h", ("X-Name", "caf\xe9")), *latin_1("x-name", "caf\xe9")),
    Case("`X-Name: café` in UTF-8", get("/h", ("X-Name", "caf\xc3\xa9"))),
    Case("`X-Name: Srīperumbūdūr` in UTF-8", get("/h", ("X-Name", in_utf_8("Srīperumbūdūr")))),
    Case(
        "`X-Name: cafÃ©` in UTF-8",
        get("/h", ("X-Name", in_utf_8("cafÃ©"))),
        changed_headers(Reason.HEADER_BYTES, ALL, header("x-name", in_utf_8("cafÃ©")), header("x-name", "caf\xc3\xa9")),
    ),
    Case("`X-Empty:`", get("/h", ("X-Empty", ""))),
    Case("`If-None-Match` with quotes", get("/h", ("If-None-Match", 'W/"a,b", "c\\"d"'))),
    Case("a header of 8,000 bytes", get("/h", ("X-Long", "0123456789" * 800))),
    Case("`x_tag`", get("/h", ("x_tag", "one"))),
    Case(
        "`Host: [2001:db8::1]:8443`",
        get("/h", ("Host", "[2001:db8::1]:8443")),
        bare_host("[2001:db8::1]:8443", "[2001:db8::1]"),
    ),
    Case("`Host: [2001:db8::1]`", get("/h", ("Host", "[2001:db8::1]"))),
    Case("`Host: APP.Example.COM`", get("/h", ("Host", "APP.Example.COM"))),
    Case(
        "`Host: app.example.com:8443`",
        get("/h", ("Host", "app.example.com:8443")),
        bare_host("app.example.com:8443", "app.example.com"),
    ),
    Case(
        "`Host: app.example.com:99999`",
        get("/h", ("Host", "app.example.com:99999")),
        bare_host("app.example.com:99999", "app.example.com"),
    ),
    Case("`Authorization: Basic dTpw`", get("/h", ("Authorization", "Basic dTpw"))),
    Case(
        "`Authorization: AWS4-HMAC-SHA256 ...`",
        get("/h", ("Authorization", "AWS4-HMAC-SHA256 Credential=a")),
        changed_headers(Reason.DROPPED_REQUEST_HEADER, REST, header("authorization", "AWS4-HMAC-SHA256 Credential=a")),
    ),
    Case(
        "`X-Forwarded-Proto: http`, `X-Forwarded-Port: 80`",
        get("/h", ("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "80")),
        changed_headers(
            Reason.OF_THE_SERVICE,
            but(*EDGE, *LATTICE),
            (*header("x-forwarded-proto", "http"), *header("x-forwarded-port", "80")),
        ),
        changed_headers(Reason.DROPPED_REQUEST_HEADER, EDGE, header("x-forwarded-proto", "http")),
    ),
    Case(
        "`X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Fancy=1`",
        get("/h", ("X-Amzn-Trace-Id", TRACE)),
        changed_headers(Reason.OF_THE_SERVICE, but(*ALB, *EDGE, *LATTICE), header("x-amzn-trace-id", TRACE)),
        changed_headers(Reason.TRACE_ID, ALB, header("x-amzn-trace-id", TRACE)),
    ),
    Case("`Cookie: a=1; b=2`", get("/h", ("Cookie", "a=1; b=2"))),
    Case('`Cookie: a=1,2; b="x"`', get("/h", ("Cookie", 'a=1,2; b="x"'))),
    Case("`Cookie: a=café` in latin-1", get("/h", ("Cookie", "a=caf\xe9")), *latin_1("cookie", "a=caf\xe9")),
    Case("`Cookie: a=café` in UTF-8", get("/h", ("Cookie", "a=caf\xc3\xa9"))),
    Case(
        "`Cookie: a=1;b=2`",
        get("/h", ("Cookie", "a=1;b=2")),
        changed_headers(
            Reason.SPLIT_COOKIE, (*HTTP_API_2, "url"), header("cookie", "a=1;b=2"), header("cookie", "a=1; b=2")
        ),
    ),
    Case(
        "two `Cookie`",
        get("/h", ("Cookie", "a=1"), ("Cookie", "b=2")),
        changed_headers(
            Reason.ONE_COOKIE, but("alb", "lattice1"), header("cookie", "a=1", "b=2"), header("cookie", "a=1; b=2")
        ),
        changed_headers(Reason.LAST_HEADER, ("alb",), header("cookie", "a=1")),
        changed_headers(
            Reason.JOINED_HEADER, ("lattice1",), header("cookie", "a=1", "b=2"), header("cookie", "a=1, b=2")
        ),
    ),
    Case(
        "`X-Forwarded-For: 203.0.113.9`",
        get("/h", ("X-Forwarded-For", "203.0.113.9")),
        changed_headers(
            Reason.FORWARDED_FOR,
            but("edge-viewer"),
            header("x-forwarded-for", "203.0.113.9", "127.0.0.1"),
            header("x-forwarded-for", "203.0.113.9, 127.0.0.1"),
        ),
    ),
    Case(
        "`X-Amzn-Request-Context: {}`",
        get("/h", ("X-Amzn-Request-Context", "{}")),
        changed_headers(Reason.TRUSTED_HEADER, ALL, header("x-amzn-request-context", "{}")),
    ),
    Case(
        "`X_Forwarded_For: 203.0.113.9`, `Content_Length: 9`",
        get("/h", ("X_Forwarded_For", "203.0.113.9"), ("Content_Length", "9")),
        changed_headers(
            Reason.TRUSTED_HEADER, ALL, (*header("x_forwarded_for", "203.0.113.9"), *header("content_length", "9"))
        ),
    ),
    Case(
        "`Max-Forwards: 5`, `X-Real-IP: 203.0.113.9`",
        get("/h", ("Max-Forwards", "5"), ("X-Real-IP", "203.0.113.9")),
        changed_headers(Reason.DROPPED_REQUEST_HEADER, REST, header("max-forwards", "5")),
        changed_headers(Reason.DROPPED_REQUEST_HEADER, EDGE, header("x-real-ip", "203.0.113.9")),
    ),
    Case(
        "`X-HTTP-Method-Override: PATCH`",
        get("/h", ("X-HTTP-Method-Override", "PATCH")),
        Loss(
            why=Reason.METHOD_OVERRIDE,
            at=REST,
            fields={"method": "PATCH"},
            gone=header("x-http-method-override", "PATCH"),
        ),
        changed_headers(Reason.DROPPED_REQUEST_HEADER, ("edge-origin",), header("x-http-method-override", "PATCH")),
    ),
    Case(
        "`TE: trailers`, `Keep-Alive: timeout=5`",
        get("/h", ("TE", "trailers"), ("Keep-Alive", "timeout=5")),
        changed_headers(Reason.OF_THE_CONNECTION, ALL, (*header("te", "trailers"), *header("keep-alive", "timeout=5"))),
    ),
    Case(
        "HTTP/1.0",
        get("/h", http_version="1.0"),
        Loss(why=Reason.HTTP_VERSION, at=ALB + EDGE + LATTICE, fields={"http_version": "1.1"}),
    ),
]

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


BODIES = [
    Case("`Content-Length: 0`", post(b""), changed_headers(Reason.NO_LENGTH, REST, header("content-length", "0"))),
    Case("binary in chunks", chunked(b"\x00\x01chunked\xff", DATA), *unchunked(10)),
    Case("text in chunks", chunked(b"chunked", TEXT), *unchunked(7)),
    Case("40 KB, binary", post(binary(40 << 10), DATA)),
    Case("1 MB, binary", post(binary(1 << 20), DATA), Loss(why=Reason.BODY_LIMIT, at=("edge-viewer",), refused=413)),
    Case("4 MB, binary", post(binary(4 << 20), DATA), Loss(why=Reason.BODY_LIMIT, at=(*ALB, *EDGE), refused=413)),
    Case("6 MB, binary", post(binary(6 << 20), DATA), Loss(why=Reason.BODY_LIMIT, at=ALL, refused=413)),
    Case("every byte", post(bytes(range(256)), ("Content-Type", "image/png"))),
    Case("no `Content-Type`", post(b"\xff\xfe")),
    Case("JSON in UTF-8", post('{"name": "café ☃ 😀"}'.encode(), JSON)),
    Case("a form", post(b"a=1&b=x+y%26z", FORM)),
    Case("a multipart form", post(b"--b\r\n\r\n\xff\r\n--b--", MULTIPART)),
    Case("text with CR, NUL, BOM", post(b"\xef\xbb\xbfa\r\nb\rc\0\n", TEXT)),
    Case(
        "text `café` in latin-1",
        post(b"caf\xe9", LATIN_1),
        Loss(
            why=Reason.NOT_UTF_8_BODY,
            at=but(*REST, *EDGE),
            fields={"body": body_report("caf\ufffd".encode())},
            gone=header("content-length", "4"),
            new=header("content-length", "6"),
        ),
    ),
    Case(
        "text in gzip",
        post(b"\x1f\x8b\x08", TEXT, ("Content-Encoding", "gzip")),
        Loss(
            why=Reason.NOT_UTF_8_BODY,
            at=LATTICE,
            fields={"body": body_report("\x1f\ufffd\x08".encode())},
            gone=header("content-length", "3"),
            new=header("content-length", "5"),
        ),
    ),
    Case("text `aGVsbG8=`", post(b"aGVsbG8=", TEXT)),
]

METHODS = [
    Case("`GET`", get("/m")),
    Case("`HEAD`", get("/m", method="HEAD")),
    Case("`OPTIONS`", get("/m", method="OPTIONS")),
    Case("`POST`", post(b"{}", JSON)),
    Case("`PUT`", post(b"{}", JSON, method="PUT")),
    Case("`PATCH`", post(b"{}", JSON, method="PATCH")),
    Case("`DELETE`", get("/m", method="DELETE")),
    Case("`DELETE` with a body", post(b"{}", JSON, method="DELETE")),
    Case("`GET` with a body", post(b"{}", JSON, method="GET")),
    Case("`PROPFIND`", get("/m", method="PROPFIND"), unrouted(*REST, *EDGE)),
    Case("`M-SEARCH`", get("/m", method="M-SEARCH"), unrouted(*REST, *EDGE)),
    Case("`get`", get("/m", method="get"), unrouted(*REST, *EDGE)),
]

REQUESTS = [*PATHS, *QUERIES, *HEADERS, *BODIES, *METHODS]
