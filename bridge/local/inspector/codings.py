"""Bodies without their content coding (RFC 9110, 8.4.1), as far as a reader needs them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bridge.testing.messages import Headers, values_of

__all__ = ["decoded"]

# The most bytes that are decoded, because a few bytes of a coding can mean gigabytes.
MAX_DECODED = 1 << 20

# zlib's parameter for the format of gzip, and for deflate without a format around it.
_GZIP, _RAW = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS

# RFC 9659, 3: a client needs no larger window of zstd than 8 MB.
_ZSTD_WINDOW_BITS = 23

# More codings on top of each other are a mistake, or malice.
_MAX_CODINGS = 3


def decoded(body: bytes, headers: Headers) -> tuple[bytes, str]:
    """Return the body as its reader sees it, and a sentence about what was decoded: "" if nothing was.

    A body that is not whole is decoded as far as it goes. One that cannot be decoded is returned as it is.
    """
    codings = [name.strip().lower() for value in values_of(headers, "content-encoding") for name in value.split(",")]
    codings = [name for name in codings if name not in ("", "identity")]
    if not codings or not body:
        return body, ""
    named = ", ".join(codings)[:100]
    content = body
    for name in reversed(codings):
        decoder = _DECODERS.get(name) if len(codings) <= _MAX_CODINGS else None
        try:
            content = decoder(content) if decoder is not None else b""
        except (ImportError, TypeError):  # TypeError: a release of brotli that has no limit
            decoder = None
        except Exception as exc:  # each library has exceptions of its own
            return body, f"This is not {named}: {str(exc) or type(exc).__name__}."
        if decoder is None:
            return body, f"The content coding is {named}, which the gateway cannot decode here."
    how_much = f"the first {MAX_DECODED:,}" if len(content) > MAX_DECODED else f"{len(content):,}"
    return content[:MAX_DECODED], f"Decoded from {named}: {how_much} bytes from {len(body):,}."


def _gunzipped(body: bytes) -> bytes:
    """Return the first member, if there are several."""
    return zlib.decompressobj(_GZIP).decompress(body, MAX_DECODED + 1)


def _inflated(body: bytes) -> bytes:
    """RFC 9110, 8.4.1.2: in zlib's format, but some servers send deflate without it."""
    try:
        return zlib.decompressobj().decompress(body, MAX_DECODED + 1)
    except zlib.error:
        return zlib.decompressobj(_RAW).decompress(body, MAX_DECODED + 1)


def _unbrotli(body: bytes) -> bytes:
    content: bytes = import_module("brotli").Decompressor().process(body, output_buffer_limit=MAX_DECODED + 1)
    return content


def _unzstd(body: bytes) -> bytes:
    """With Python's own zstd, which 3.14 has, or the package zstandard."""
    try:
        zstd: Any = import_module("compression.zstd")
    except ImportError:
        decompressor: Any = import_module("zstandard").ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_BITS)
        with decompressor.stream_reader(body) as reader:
            content: bytes = reader.read(MAX_DECODED + 1)
        return content
    options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_BITS}
    content = zstd.ZstdDecompressor(options=options).decompress(body, MAX_DECODED + 1)
    assert isinstance(content, bytes)
    return content


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated,
    "br": _unbrotli,
    "zstd": _unzstd,
}
