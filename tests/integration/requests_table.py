"""Requests that are awkward to carry, and what each service loses of them before the function sees it."""

from dataclasses import dataclass

from .exchange import ClientRequest
from .losses import Loss

__all__ = ["REQUESTS", "Case"]

# The least that a client sends.
HOST = ("Host", "app.example.com")


@dataclass(frozen=True)
class Case:
    """One request. `sent`: what is awkward in it, for the reader of docs/fidelity.md."""

    id: str
    sent: str
    request: ClientRequest
    losses: tuple[Loss, ...] = ()


def get(target: str, *headers: tuple[str, str], method: str = "GET", http_version: str = "1.1") -> ClientRequest:
    """A request without a body; a Host header comes first unless there is one in `headers`."""
    hosts = () if any(name == "Host" for name, _ in headers) else (HOST,)
    return ClientRequest(method=method, target=target, headers=(*hosts, *headers), http_version=http_version)


def post(body: bytes, *headers: tuple[str, str], method: str = "POST") -> ClientRequest:
    """A request with a body and its length."""
    framing = (HOST, ("Content-Length", str(len(body))))
    return ClientRequest(method=method, target="/upload", headers=(*framing, *headers), body=body)


def chunked(body: bytes, *headers: tuple[str, str]) -> ClientRequest:
    """A request whose body comes in chunks."""
    framing = (HOST, ("Transfer-Encoding", "chunked"))
    return ClientRequest(method="POST", target="/upload", headers=(*framing, *headers), body=body)


def binary(length: int) -> bytes:
    """Bytes that are no text, and that no truncation or shift leaves equal."""
    return b"".join(b"\xff%07x" % number for number in range(length // 8))


PATHS = (
    Case("path-encoded-slash", "`/a%2Fb/c`", get("/a%2Fb/c")),
    Case("path-encoded-percent", "`/100%25`", get("/100%25")),
    Case("path-percent-twice", "`/100%2525`", get("/100%2525")),
    Case("path-percent-of-slash", "`/a%252Fb`", get("/a%252Fb")),
    Case("path-plus", "`/a+b`", get("/a+b")),
    Case("path-encoded-plus", "`/a%2Bb`", get("/a%2Bb")),
    Case("path-space", "`/a%20b`", get("/a%20b")),
    Case("path-unicode", "`/caf%C3%A9/%E2%98%83`", get("/caf%C3%A9/%E2%98%83")),
    Case("path-lower-case-hex", "`/caf%c3%a9`", get("/caf%c3%a9")),
    Case("path-not-utf-8", "`/caf%E9`", get("/caf%E9")),
    Case("path-encoded-question-mark", "`/what%3Fnow`", get("/what%3Fnow")),
    Case("path-encoded-hash", "`/c%23`", get("/c%23")),
    Case("path-reserved", "`/a:b@c!d$e&f'g(h)i*j,k;l=m~n`", get("/a:b@c!d$e&f'g(h)i*j,k;l=m~n")),
    Case("path-reserved-encoded", "`/a%3Ab%40c%26d`", get("/a%3Ab%40c%26d")),
    Case("path-unreserved-encoded", "`/%7Euser/%61`", get("/%7Euser/%61")),
    Case("path-stray-percent", "`/100%/%zz`", get("/100%/%zz")),
    Case("path-not-in-rfc", r"`/a|b\c^{d}`", get(r"/a|b\c^{d}")),
    Case("path-double-slash", "`//a//b`", get("//a//b")),
    Case("path-dot-segments", "`/a/./b/../c`", get("/a/./b/../c")),
    Case("path-encoded-dots", "`/a/%2e%2e/c`", get("/a/%2e%2e/c")),
    Case("path-trailing-slash", "`/a/`", get("/a/")),
    Case("path-root", "`/`", get("/")),
    Case("path-stage-name", "`/production`", get("/production")),
)

QUERIES = (
    Case("query-empty", "`/q?`", get("/q?")),
    Case("query-plain", "`?a=1&b=2`", get("/q?a=1&b=2")),
    Case("query-plus", "`?q=a+b`", get("/q?q=a+b")),
    Case("query-encoded-plus", "`?q=a%2Bb`", get("/q?q=a%2Bb")),
    Case("query-space", "`?q=a%20b`", get("/q?q=a%20b")),
    Case("query-encoded-ampersand", "`?q=a%26b%3Dc`", get("/q?q=a%26b%3Dc")),
    Case("query-encoded-percent", "`?q=100%25&r=%2525`", get("/q?q=100%25&r=%2525")),
    Case("query-unicode", "`?q=caf%C3%A9`", get("/q?q=caf%C3%A9")),
    Case("query-not-utf-8", "`?q=caf%E9`", get("/q?q=caf%E9")),
    Case("query-lower-case-hex", "`?q=%c3%a9`", get("/q?q=%c3%a9")),
    Case("query-repeated-key", "`?a=1&a=2`", get("/q?a=1&a=2")),
    Case("query-order-across-keys", "`?a=1&b=2&a=3`", get("/q?a=1&b=2&a=3")),
    Case("query-same-pair-twice", "`?a=1&a=1`", get("/q?a=1&a=1")),
    Case("query-no-equals-sign", "`?a`", get("/q?a")),
    Case("query-empty-value", "`?a=`", get("/q?a=")),
    Case("query-empty-key", "`?=b`", get("/q?=b")),
    Case("query-empty-pair", "`?a=1&&b=2`", get("/q?a=1&&b=2")),
    Case("query-comma", "`?a=1,2`", get("/q?a=1,2")),
    Case("query-semicolon", "`?a=1;b=2`", get("/q?a=1;b=2")),
    Case("query-reserved", "`?a=/?:@!$'()*`", get("/q?a=/?:@!$'()*")),
    Case("query-brackets", "`?a[]=1&a[]=2`", get("/q?a[]=1&a[]=2")),
    Case("query-equals-in-value", "`?a=b=c`", get("/q?a=b=c")),
    Case("query-url-in-value", "`?u=https://example.com/?x=1`", get("/q?u=https://example.com/?x=1")),
    Case("query-stray-percent", "`?q=100%`", get("/q?q=100%")),
)

HEADERS = (
    Case("header-repeated", "two `X-Tag`", get("/h", ("X-Tag", "one"), ("X-Tag", "two"))),
    Case("header-repeated-other-case", "`X-Tag` and `x-tag`", get("/h", ("X-Tag", "one"), ("x-tag", "two"))),
    Case("header-commas", "a date", get("/h", ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"))),
    Case("header-latin-1", "`X-Name: café` in latin-1", get("/h", ("X-Name", "caf\xe9"))),
    Case("header-utf-8", "`X-Name: café` in UTF-8", get("/h", ("X-Name", "caf\xc3\xa9"))),
    Case("header-empty", "`X-Empty:`", get("/h", ("X-Empty", ""))),
    Case("header-quotes", "`If-None-Match` with quotes", get("/h", ("If-None-Match", 'W/"a,b", "c\\"d"'))),
    Case("header-very-long", "8,000 bytes", get("/h", ("X-Long", "0123456789" * 800))),
    Case("header-underscore", "`x_tag`", get("/h", ("x_tag", "one"))),
    Case("header-host-ipv6", "`Host: [2001:db8::1]:8443`", get("/h", ("Host", "[2001:db8::1]:8443"))),
    Case("header-host-upper-case", "`Host: APP.Example.COM`", get("/h", ("Host", "APP.Example.COM"))),
    Case("header-host-port", "`Host: app.example.com:8443`", get("/h", ("Host", "app.example.com:8443"))),
    Case("header-host-nonsense", "`Host: app.example.com:99999`", get("/h", ("Host", "app.example.com:99999"))),
    Case("header-cookies", "`Cookie: a=1; b=2`", get("/h", ("Cookie", "a=1; b=2"))),
    Case("header-cookies-tight", "`Cookie: a=1;b=2`", get("/h", ("Cookie", "a=1;b=2"))),
    Case("header-cookies-twice", "two `Cookie`", get("/h", ("Cookie", "a=1"), ("Cookie", "b=2"))),
    Case("header-cookie-comma", "`Cookie: a=1,2; b=\"x\"`", get("/h", ("Cookie", 'a=1,2; b="x"'))),
    Case("header-cookie-latin-1", "`Cookie: a=café` in latin-1", get("/h", ("Cookie", "a=caf\xe9"))),
    Case("header-forwarded-for", "`X-Forwarded-For: 203.0.113.9`", get("/h", ("X-Forwarded-For", "203.0.113.9"))),
    Case("header-context", "`X-Amzn-Request-Context: {}`", get("/h", ("X-Amzn-Request-Context", "{}"))),
    Case("header-authorization", "`Authorization`", get("/h", ("Authorization", "Basic dTpw"))),
    Case("http-1.0", "HTTP/1.0", get("/h", http_version="1.0")),
)

BODIES = (
    Case("body-empty", "`Content-Length: 0`", post(b"")),
    Case("body-chunked", "chunks", chunked(b"\x00\x01chunked\xff", ("Content-Type", "application/octet-stream"))),
    Case("body-chunked-text", "text in chunks", chunked(b"chunked", ("Content-Type", "text/plain"))),
    Case("body-6-mb", "6 MB, binary", post(binary(6 << 20), ("Content-Type", "application/octet-stream"))),
    Case("body-binary", "every byte", post(bytes(range(256)), ("Content-Type", "image/png"))),
    Case("body-untyped", "no `Content-Type`", post(b"\xff\xfe")),
    Case("body-json", "JSON", post('{"name": "café ☃"}'.encode(), ("Content-Type", "application/json"))),
    Case("body-form", "a form", post(b"a=1&b=x+y%26z", ("Content-Type", "application/x-www-form-urlencoded"))),
    Case("body-multipart", "multipart", post(b"--b\r\n\r\n\xff\r\n--b--", ("Content-Type", "multipart/form-data; boundary=b"))),
    Case("body-text-line-ends", "CR, LF, NUL, BOM", post(b"\xef\xbb\xbfa\r\nb\rc\0\n", ("Content-Type", "text/plain"))),
    Case("body-text-latin-1", "`café` in latin-1", post(b"caf\xe9", ("Content-Type", "text/plain; charset=iso-8859-1"))),
    Case("body-gzip", "`Content-Encoding: gzip`", post(b"\x1f\x8b\x08", ("Content-Type", "text/plain"), ("Content-Encoding", "gzip"))),
    Case("body-looks-like-base64", "text `aGVsbG8=`", post(b"aGVsbG8=", ("Content-Type", "text/plain"))),
)

METHODS = (
    Case("method-get", "GET", get("/m")),
    Case("method-head", "HEAD", get("/m", method="HEAD")),
    Case("method-options", "OPTIONS", get("/m", method="OPTIONS")),
    Case("method-post", "POST", post(b"{}", ("Content-Type", "application/json"))),
    Case("method-put", "PUT", post(b"{}", ("Content-Type", "application/json"), method="PUT")),
    Case("method-patch", "PATCH", post(b"{}", ("Content-Type", "application/json"), method="PATCH")),
    Case("method-delete", "DELETE", get("/m", method="DELETE")),
    Case("method-delete-body", "DELETE with a body", post(b"{}", ("Content-Type", "application/json"), method="DELETE")),
    Case("method-get-body", "GET with a body", post(b"{}", ("Content-Type", "application/json"), method="GET")),
    Case("method-unknown", "PROPFIND", get("/m", method="PROPFIND")),
)

REQUESTS = PATHS + QUERIES + HEADERS + BODIES + METHODS
