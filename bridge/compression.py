"""The compression of responses: which coding a response gets for its request, and which of its headers change.

The type of a response decides, its size, and what its application and its client allow: RFC 9110, 8.4
(Content-Encoding), 12.5.3 (Accept-Encoding), 12.5.5 (Vary); RFC 9111, 5.2 (no-transform).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bridge._http import BODILESS
from bridge._messages import CONNECTION_ID, CompleteResponse, header_pairs, is_whole
from bridge.codecs import installed_codecs
from bridge.sources._media_types import is_text
from bridge.sources._response import encode_prelude

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from bridge._httpx import httpx
    from bridge._types import HeaderPairs, Result
    from bridge.codecs import Coder
    from bridge.settings import Settings

__all__ = ["CodedParts", "Compression", "compression_of", "is_compressible", "preferred_coding"]

# Lambda Web Adapter's limit, in bytes. What a coding adds to a shorter body is more than it saves.
MIN_SIZE = 32

# A response with one of these is compressed already, is a part of a representation, or has a digest of its bytes.
_FIXED = frozenset(
    {b"content-encoding", b"content-range", b"content-md5", b"digest", b"content-digest", b"repr-digest"}
)

# RFC 9110, 15.2: the informational ones before them have no body.
_STATUSES = range(200, 1000)

# Responses that have no body, and parts of a representation.
_WITHOUT_CODING = BODILESS | {206}

# RFC 9110, 8.4.1.3.
_ALIASES = {b"x-gzip": b"gzip"}

# RFC 9110, 12.4.2: the weight of a coding, after its semicolon.
_WEIGHT = re.compile(rb"[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*")


class Compression:
    """The codings that a handler offers. It is used for all responses, and holds no state of any.

    `codecs`: what makes a coder for each coding, the best coding first. `text_media_types`: more types that are text.
    """

    def __init__(self, codecs: Mapping[bytes, Callable[[], Coder]], text_media_types: tuple[str, ...] = ()) -> None:
        self._codecs = codecs
        self._text_media_types = text_media_types

    def whole(self, response: CompleteResponse, request: httpx.Request) -> CompleteResponse:
        """Return `response` as the client of `request` gets it."""
        headers, coder = self._negotiated(response, request, len(response.body))
        if coder is None:
            return CompleteResponse(response.status_code, headers, response.body)
        body = coder.end(response.body)
        return CompleteResponse(response.status_code, _with_length(headers, len(response.body), len(body)), body)

    def streamed(
        self, response: httpx.Response, request: httpx.Request, parts: AsyncIterator[bytes]
    ) -> tuple[Result, AsyncIterator[bytes]]:
        """Return the prelude and the parts as the client of `request` gets them."""
        length = len(response.body) if is_whole(response) else None
        headers, coder = self._negotiated(response, request, length)
        prelude = encode_prelude(response.status_code, headers)
        return prelude, parts if coder is None else CodedParts(parts, coder)

    def _negotiated(
        self, response: httpx.Response, request: httpx.Request, length: int | None
    ) -> tuple[HeaderPairs, Coder | None]:
        """Return the headers, with the original length, and what codes the body: None leaves it as it is.

        `length`: the body's, in bytes; None if it is not known yet.
        """
        asked = header_pairs(request)
        if CONNECTION_ID in request.extensions:  # a WebSocket API decodes nothing
            return header_pairs(response), None
        headers = [(name.lower(), value) for name, value in header_pairs(response)]
        if response.status_code == 304:
            return _not_modified(headers, _joined(asked, b"if-none-match")), None
        is_refused = request.method == "HEAD" or _forbids_transformation(asked)
        status_code, types = response.status_code, self._text_media_types
        if is_refused or not is_compressible(status_code, headers, length=length, text_media_types=types):
            return headers, None
        coding = preferred_coding(_joined(asked, b"accept-encoding"), self._codecs)
        if coding is None:
            return _varying(headers), None
        return _varying(_coded(headers, coding)), self._codecs[coding]()


class CodedParts:
    """The parts of a body, each compressed as soon as it is there, and after the last one the end of the coding."""

    __slots__ = ("_coder", "_parts")

    def __init__(self, parts: AsyncIterator[bytes], coder: Coder) -> None:
        self._parts = parts
        self._coder: Coder | None = coder

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._coder is None:
            raise StopAsyncIteration
        try:
            part = await anext(self._parts)
        except StopAsyncIteration:
            coder, self._coder = self._coder, None
            return coder.end()
        return self._coder.part(part)


def compression_of(settings: Settings) -> Compression:
    """Return the compression with the codings that are installed."""
    return Compression(installed_codecs(), settings.text_media_types)


def preferred_coding(accepted: bytes, offered: Collection[bytes]) -> bytes | None:
    """Return the coding that a client prefers; of equals the first that is `offered`. None: the body as it is.

    `accepted`: the values of Accept-Encoding. Without any, no coding is chosen: RFC 9110 allows each one then, but who
    sends no such header seldom decodes. A member that is not valid counts as refused.
    """
    weights: dict[bytes, float] = {}
    for member in accepted.lower().split(b","):
        coding, semicolon, weight = member.partition(b";")
        match = _WEIGHT.fullmatch(weight)
        coding = coding.strip()
        weights[_ALIASES.get(coding, coding)] = (float(match[1]) if match else 0.0) if semicolon else 1.0
    others = weights.get(b"*", 0.0)
    best = max(offered, key=lambda coding: weights.get(coding, others))
    preference = weights.get(best, others)
    return best if preference > 0 and preference >= weights.get(b"identity", 0.0) else None


def is_compressible(
    status_code: int, headers: HeaderPairs, *, length: int | None, text_media_types: tuple[str, ...] = ()
) -> bool:
    """Return whether this response may be compressed for a client that accepts it.

    `headers`: with lower-case names. `length`: the body's, in bytes; None if it is not known yet.
    """
    # In this order: a transport of the user's may return anything as the status.
    if status_code not in _STATUSES or status_code in _WITHOUT_CODING:
        return False
    if not _FIXED.isdisjoint(name for name, _ in headers):
        return False
    if _is_short(_joined(headers, b"content-length")) if length is None else length < MIN_SIZE:
        return False
    types = [value for name, value in headers if name == b"content-type"]
    return (
        bool(types) and _is_text(types[-1].decode("latin-1"), text_media_types) and not _forbids_transformation(headers)
    )


def _is_short(length: bytes) -> bool:
    return length.isdigit() and len(length) < 20 and int(length) < MIN_SIZE


def _is_text(content_type: str, text_media_types: tuple[str, ...]) -> bool:
    """Return whether the type is text, and not one of the two that Lambda Web Adapter leaves alone.

    gRPC compresses its messages itself. Server-sent events are short, and some proxies hold back what is compressed.
    """
    media_type = content_type.strip().lower()
    is_excluded = (
        media_type.startswith("application/grpc") or media_type.partition(";")[0].rstrip() == "text/event-stream"
    )
    return not is_excluded and is_text(media_type, text_media_types)


def _forbids_transformation(headers: HeaderPairs) -> bool:
    """Return whether the client or the application asks to get, or to send, exactly these bytes."""
    directives = _joined(headers, b"cache-control").lower().split(b",")
    return b"no-transform" in map(bytes.strip, directives)


def _coded(headers: HeaderPairs, coding: bytes) -> HeaderPairs:
    """Return the headers of the response in this coding.

    It is another representation, with other bytes: of a strong ETag only a weak one is true of it, and the ranges that
    the application serves are not ranges of it.
    """
    headers = [
        (name, _weak(value) if name == b"etag" else value) for name, value in headers if name != b"accept-ranges"
    ]
    return [*headers, (b"content-encoding", coding)]


def _with_length(headers: HeaderPairs, old: int, new: int) -> HeaderPairs:
    """Return `headers` with the new length. One that was wrong is left to the source, which drops and logs it."""
    was = (b"content-length", b"%d" % old)
    return [(b"content-length", b"%d" % new) if pair == was else pair for pair in headers]


def _weak(etag: bytes) -> bytes:
    return b"W/" + etag if etag.startswith(b'"') else etag


def _varying(headers: HeaderPairs) -> HeaderPairs:
    """Return `headers` with Accept-Encoding in Vary, for caches: another client may get another coding."""
    names = _joined(headers, b"vary").lower().split(b",")
    if not {b"*", b"accept-encoding"}.isdisjoint(map(bytes.strip, names)):
        return headers
    return [*headers, (b"vary", b"Accept-Encoding")]


def _not_modified(headers: HeaderPairs, known: bytes) -> HeaderPairs:
    """Return the headers of a 304 for a client that has the response in some coding, by its weak ETag.

    A cache does not renew what it stored under a weak ETag by a strong one (RFC 9111, 4.3.4). `known`: the values of
    If-None-Match.
    """
    weakened = [(name, _weak(value) if name == b"etag" else value) for name, value in headers]
    has_coded = any(name == b"etag" and value in known for name, value in weakened)
    return _varying(weakened) if has_coded and weakened != headers else headers


def _joined(headers: HeaderPairs, name: bytes) -> bytes:
    """Return the values of a header as one (RFC 9110, 5.3)."""
    return b",".join([value for key, value in headers if key == name])
