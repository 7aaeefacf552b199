"""What a client makes of a compressed body, with decoders that take it part by part."""

import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["CODINGS", "decoded", "make_decoder"]

# In the order of preference among equals.
CODINGS = ("br", "zstd", "gzip")


def make_decoder(coding: str) -> Callable[[bytes], bytes]:
    """Return a function that takes the next bytes of one body, and returns all that they tell."""
    if coding == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
    if coding == "br":
        return _brotli()
    assert coding == "zstd", coding
    if sys.version_info >= (3, 14):
        return _module("compression.zstd").ZstdDecompressor().decompress  # type: ignore[no-any-return]
    return _module("zstandard").ZstdDecompressor().decompressobj().decompress  # type: ignore[no-any-return]


def _brotli() -> Callable[[bytes], bytes]:
    decoder = _module("brotli").Decompressor()

    def decode(data: bytes) -> bytes:
        parts = [decoder.process(data)]
        while parts[-1] and not decoder.is_finished():  # of what it knows, one call returns some 32 KB
            parts.append(decoder.process(b""))
        return b"".join(parts)

    return decode


def decoded(coding: str, body: bytes) -> bytes:
    """Return the whole body."""
    return make_decoder(coding)(body)


def _module(name: str) -> Any:
    return import_module(name)  # some have no types
