"""Responses that are awkward to carry, and what each service changes in them before the client sees it."""

import gzip
from dataclasses import dataclass, field

from .exchange import Headers
from .losses import Loss

__all__ = ["ANSWERS", "Answer"]


@dataclass(frozen=True)
class Answer:
    """One response of the application, to a request for `target`. `length`: whether it tells its body's length.

    `answered`: what is awkward in it, for the reader of docs/fidelity.md.
    """

    id: str
    answered: str
    status: int = 200
    headers: Headers = ()
    parts: tuple[bytes, ...] = field(default=(b"",), repr=False)
    method: str = "GET"
    length: bool = True
    losses: tuple[Loss, ...] = ()

    @property
    def target(self) -> str:
        return f"/answers/{self.id}"

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        length = b"%d" % sum(map(len, self.parts))
        return [*headers, (b"content-length", length)] if self.length else headers


PLAIN = ("content-type", "text/plain; charset=utf-8")
DATA = ("content-type", "application/octet-stream")

ANSWERS = (
    Answer("text", "text", headers=(PLAIN,), parts=("café ☃".encode(),)),
    Answer("json", "JSON", headers=(("content-type", "application/json"),), parts=(b'{"a": 1}',)),
    Answer("repeated", "two `Link`, two `Vary`", headers=(PLAIN, ("link", "</a>"), ("vary", "x"), ("link", "</b>"), ("vary", "y"))),
    Answer("cookie", "one `Set-Cookie`", headers=(PLAIN, ("set-cookie", "a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT"))),
    Answer(
        "cookies",
        "three `Set-Cookie` with commas",
        headers=(
            PLAIN,
            ("set-cookie", "a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Path=/"),
            ("set-cookie", "b=x,y; HttpOnly"),
            ("set-cookie", "a=2; Path=/other"),
        ),
    ),
    Answer("header-latin-1", "`X-Name: café` in latin-1", headers=(PLAIN, ("x-name", "caf\xe9"))),
    Answer("header-utf-8", "`X-Name: café` in UTF-8", headers=(PLAIN, ("x-name", "caf\xc3\xa9"))),
    Answer("header-empty", "`X-Empty:`", headers=(PLAIN, ("x-empty", ""))),
    Answer("header-case", "`X-Request-ID`", headers=(PLAIN, ("X-Request-ID", "AbC"))),
    Answer("no-content", "204", status=204, length=False),
    Answer("not-modified", "304 with `ETag`", status=304, headers=(("etag", '"a"'), ("vary", "accept")), length=False),
    Answer("head", "HEAD with `Content-Length`", headers=(PLAIN,), parts=(b"0123456789",), method="HEAD"),
    Answer("head-no-length", "HEAD without `Content-Length`", headers=(PLAIN,), parts=(b"0123",), method="HEAD", length=False),
    Answer("binary", "every byte", headers=(DATA,), parts=(bytes(range(256)),)),
    Answer("untyped-text", "text, no `Content-Type`", parts=(b"plain",)),
    Answer("untyped-binary", "binary, no `Content-Type`", parts=(b"\xff\xfe\x00",)),
    Answer("gzip", "gzip", headers=(PLAIN, ("content-encoding", "gzip")), parts=(gzip.compress(b"text" * 9, mtime=0),)),
    Answer("empty", "an empty body", headers=(PLAIN,)),
    Answer("empty-untyped", "an empty body, no `Content-Type`"),
    Answer("latin-1", "text in latin-1", headers=(("content-type", "text/plain; charset=iso-8859-1"),), parts=(b"caf\xe9",)),
    Answer("line-ends", "CR, LF, NUL, BOM", headers=(PLAIN,), parts=(b"\xef\xbb\xbfa\r\nb\rc\0\n",)),
    Answer("looks-like-base64", "text `aGVsbG8=`", headers=(PLAIN,), parts=(b"aGVsbG8=",)),
    Answer("parts", "parts without `Content-Length`", headers=(PLAIN,), parts=(b"one ", "caf\xe9"[:3].encode() + b"\xc3", b"\xa9"), length=False),
    Answer("6-mb", "6 MB, binary", headers=(DATA,), parts=(b"\xff\x00\x80" * (2 << 20),)),
    Answer("redirect", "302", status=302, headers=(("location", "/caf%C3%A9?a=1&a=2#c"),)),
    Answer("unauthorized", "401", status=401, headers=(PLAIN, ("www-authenticate", 'Basic realm="a, b"')), parts=(b"no",)),
    Answer("server-error", "500", status=500, headers=(PLAIN,), parts=(b"oh",)),
    Answer("unknown-status", "599", status=599, headers=(PLAIN,), parts=(b"odd",)),
    Answer("caching", "`Date`, `Age`, `ETag`", headers=(PLAIN, ("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("age", "1"), ("etag", 'W/"a"'))),
)
