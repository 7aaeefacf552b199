"""Responses that are awkward to carry, and what each service changes in them before the client sees it."""

import gzip
import re
from dataclasses import dataclass, field

from bridge.testing.messages import Headers
from tests.integration.losses import ALB, ALL, EDGE, HTTP_API_1, HTTP_API_2, REST, Loss, Reason, but, header

__all__ = ["ANSWERS", "Answer"]


@dataclass(frozen=True)
class Answer:
    """One response of the application, to a request for `target`. `length`: whether it tells its body's length.

    `summary`: what is awkward in it, for the reader of docs/fidelity.md.
    """

    summary: str
    status: int = 200
    headers: Headers = ()
    parts: tuple[bytes, ...] = field(default=(b"",), repr=False)
    method: str = "GET"
    length: bool = True
    losses: tuple[Loss, ...] = ()

    @property
    def target(self) -> str:
        return "/answers/" + re.sub(r"[^A-Za-z0-9]+", "-", self.summary)

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        length = b"%d" % sum(map(len, self.parts))
        return [*headers, (b"content-length", length)] if self.length else headers


PLAIN = ("content-type", "text/plain; charset=utf-8")
LATIN_1 = ("content-type", "text/plain; charset=iso-8859-1")
DATA = ("content-type", "application/octet-stream")
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
COOKIES = (f"a=1; Expires={DATE}; Path=/", "b=x,y; HttpOnly", "a=2; Path=/other")

# What the services that add a content-type say.
TYPED = (
    Loss(why=Reason.DEFAULT_TYPE, at=(*REST, "url"), new=header("content-type", "application/json")),
    Loss(why=Reason.DEFAULT_TYPE, at=HTTP_API_1 + HTTP_API_2, new=header("content-type", "text/plain; charset=utf-8")),
)


def joined(name: str, *values: str) -> Loss:
    at = but(*REST, *HTTP_API_1, "alb-multi", *EDGE)
    new = header(name, ", ".join(values))
    return Loss(why=Reason.JOINED_RESPONSE_HEADER, at=at, gone=header(name, *values), new=new)


def reversed_at_alb(name: str, *values: str) -> Loss:
    new = header(name, *values[::-1])
    return Loss(why=Reason.REVERSED, at=("alb-multi",), gone=header(name, *values), new=new)


def remapped(name: str, value: str, *also: str) -> Loss:
    new = header(f"x-amzn-remapped-{name}", value)
    return Loss(why=Reason.REMAPPED, at=(*REST, *also), gone=header(name, value), new=new)


def no_length(why: Reason, value: str, at: tuple[str, ...]) -> Loss:
    return Loss(why=why, at=at, gone=header("content-length", value))


def too_large(*at: str) -> Loss:
    return Loss(why=Reason.RESPONSE_LIMIT, at=at, refused=500)


HEADERS = (
    Answer(
        "two `Link`, two `Vary`",
        headers=(PLAIN, ("link", "</a>"), ("vary", "x"), ("link", "</b>"), ("vary", "y")),
        losses=(
            joined("link", "</a>", "</b>"),
            joined("vary", "x", "y"),
            reversed_at_alb("link", "</a>", "</b>"),
            reversed_at_alb("vary", "x", "y"),
        ),
    ),
    Answer("one `Set-Cookie` with a comma", headers=(PLAIN, ("set-cookie", f"a=1; Expires={DATE}"))),
    Answer(
        "three `Set-Cookie` with commas",
        headers=(PLAIN, *header("set-cookie", *COOKIES)),
        losses=(
            reversed_at_alb("set-cookie", *COOKIES),
            Loss(why=Reason.ONE_SET_COOKIE, at=("lattice1",), gone=header("set-cookie", *COOKIES[:-1])),
        ),
    ),
    Answer(
        "`X-Name: café` in latin-1",
        headers=(PLAIN, ("x-name", "caf\xe9")),
        losses=(
            Loss(
                why=Reason.NOT_UTF_8_RESPONSE,
                at=ALL,
                gone=header("x-name", "caf\xe9"),
                new=header("x-name", "caf\xc3\xa9"),
            ),
        ),
    ),
    Answer("`X-Name: café` in UTF-8", headers=(PLAIN, ("x-name", "caf\xc3\xa9"))),
    Answer("`X-Empty:`", headers=(PLAIN, ("x-empty", ""))),
    Answer("`X-Request-ID`", headers=(PLAIN, ("X-Request-ID", "AbC"))),
    Answer(
        "`Date`, `Age`, `ETag`",
        headers=(PLAIN, ("date", DATE), ("age", "1"), ("etag", 'W/"a"')),
        losses=(remapped("date", DATE),),
    ),
    Answer(
        "401 with `WWW-Authenticate`",
        status=401,
        headers=(PLAIN, ("www-authenticate", 'Basic realm="a, b"')),
        parts=(b"no",),
        losses=(remapped("www-authenticate", 'Basic realm="a, b"', "url"),),
    ),
    Answer(
        "`Via`",
        headers=(PLAIN, ("via", "1.1 app")),
        losses=(
            Loss(why=Reason.REFUSED_HEADER, at=EDGE, gone=header("via", "1.1 app")),
            Loss(why=Reason.DROPPED_HEADER, at=REST, gone=header("via", "1.1 app")),
        ),
    ),
    Answer(
        "`Keep-Alive`",
        headers=(PLAIN, ("keep-alive", "timeout=5")),
        losses=(Loss(why=Reason.HOP_BY_HOP, at=ALL, gone=header("keep-alive", "timeout=5")),),
    ),
)

STATUSES = (
    Answer("204", status=204, length=False, losses=TYPED),
    Answer("304", status=304, headers=(("etag", '"a"'), ("vary", "x")), length=False, losses=TYPED),
    Answer(
        "204 with `Content-Length: 0`",
        status=204,
        headers=(PLAIN,),
        losses=(no_length(Reason.NO_204_LENGTH, "0", ALL),),
    ),
    Answer(
        "304 with `Content-Length`",
        status=304,
        headers=(PLAIN, ("content-length", "10")),
        length=False,
        losses=(no_length(Reason.NO_BODY_LENGTH, "10", EDGE),),
    ),
    Answer(
        "302",
        status=302,
        headers=(("location", "/caf%C3%A9?a=1&a=2#c"),),
        losses=(
            *TYPED,
            Loss(
                why=Reason.LOCATION,
                at=ALB,
                gone=header("location", "/caf%C3%A9?a=1&a=2#c"),
                new=header("location", "https://app.example.com/caf%C3%A9?a=1&a=2#c"),
            ),
        ),
    ),
    Answer("500", status=500, headers=(PLAIN,), parts=(b"oh",)),
    Answer("599", status=599, headers=(PLAIN,), parts=(b"odd",)),
    Answer(
        "`HEAD` with `Content-Length`",
        headers=(PLAIN,),
        parts=(b"0123456789",),
        method="HEAD",
        losses=(no_length(Reason.NO_BODY_LENGTH, "10", EDGE),),
    ),
    Answer("`HEAD` without `Content-Length`", headers=(PLAIN,), parts=(b"0123",), method="HEAD", length=False),
)

BODIES = (
    Answer("text in UTF-8", headers=(PLAIN,), parts=("café ☃ 😀".encode(),)),
    Answer("JSON", headers=(("content-type", "application/json"),), parts=(b'{"a": 1}',)),
    Answer("every byte", headers=(DATA,), parts=(bytes(range(256)),)),
    Answer("40 KB, text", headers=(PLAIN,), parts=(b"0123456789" * 4096,), losses=(too_large("edge-viewer"),)),
    Answer("1 MB, binary", headers=(DATA,), parts=(b"\xff\x00\x80\x7f" * (1 << 18),), losses=(too_large(*ALB, *EDGE),)),
    Answer("4 MB, binary", headers=(DATA,), parts=(b"\xff\x00\x80\x7f" * (1 << 20),), losses=(too_large(*ALB, *EDGE),)),
    Answer("6 MB, binary", headers=(DATA,), parts=(b"\xff\x00\x80" * (1 << 21),), losses=(too_large(*ALL),)),
    Answer("text, no `Content-Type`", parts=(b"plain",), losses=TYPED),
    Answer("binary, no `Content-Type`", parts=(b"\xff\xfe\x00",), losses=TYPED),
    Answer("text in gzip", headers=(PLAIN, ("content-encoding", "gzip")), parts=(gzip.compress(b"text" * 9, mtime=0),)),
    Answer("an empty body", headers=(PLAIN,)),
    Answer("an empty body, no `Content-Type`", losses=TYPED),
    Answer("text in latin-1", headers=(LATIN_1,), parts=(b"caf\xe9",)),
    Answer("text that is nearly UTF-8", headers=(PLAIN,), parts=(b"\xed\xa0\x80",)),
    Answer("text with CR, NUL, BOM", headers=(PLAIN,), parts=(b"\xef\xbb\xbfa\r\nb\rc\0\n",)),
    Answer("text `aGVsbG8=`", headers=(PLAIN,), parts=(b"aGVsbG8=",)),
    Answer(
        "parts that split a character, no `Content-Length`",
        headers=(PLAIN,),
        parts=(b"caf\xc3", b"\xa9"),
        length=False,
        losses=(Loss(why=Reason.TOLD_LENGTH, at=ALL, new=header("content-length", "5")),),
    ),
)

ANSWERS = HEADERS + STATUSES + BODIES
