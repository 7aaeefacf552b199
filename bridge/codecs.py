"""The content codings that can be used here, each with the library that compresses.

gzip (RFC 1952) is zlib's. br (RFC 7932) and zstd (RFC 8878) come with the extra `compression`; Python 3.14 has zstd.
"""

from __future__ import annotations

import logging
import sys
import zlib
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Coder", "installed_codecs"]

logger = logging.getLogger("bridge")

# Lambda Web Adapter's level, and nginx's. Level 11, the library's default, needs seconds for a megabyte.
_BROTLI_QUALITY = 4

# The defaults of the libraries. With level 3, zstd's window is 2 MB: browsers accept 8 MB (RFC 9659, 3).
_GZIP_LEVEL, _ZSTD_LEVEL = 6, 3

# With this, zlib writes gzip's header and trailer; the header has no time, so that equal bodies have equal bytes.
_GZIP_FORMAT = zlib.MAX_WBITS | 16


class Coder(Protocol):
    """The compression of one body."""

    def part(self, data: bytes) -> bytes:
        """Return `data` compressed, to the last byte: its reader can decode all of it now."""

    def end(self, data: bytes = b"") -> bytes:
        """Return the end of the body, with `data` before it."""


def installed_codecs() -> dict[bytes, Callable[[], Coder]]:
    """Return what makes a coder for each coding, the best coding first. Without its library a coding is left out."""
    codecs: dict[bytes, Callable[[], Coder]] = {}
    brotli = _imported("brotli")
    if brotli is not None:
        codecs[b"br"] = partial(_Brotli, brotli)
    # Before Python 3.14, `compression` may be a module of the function's own.
    zstd = _imported("compression.zstd") if sys.version_info >= (3, 14) else None
    if zstd is not None:
        codecs[b"zstd"] = partial(_Zstd, zstd)
    elif (zstandard := _imported("zstandard")) is not None:
        codecs[b"zstd"] = partial(_Zstandard, zstandard)
    codecs[b"gzip"] = _Gzip
    return codecs


def _imported(name: str) -> Any:
    """Return a module, or None without it. One that is installed and cannot be imported is logged."""
    try:
        return import_module(name)
    except ImportError as exc:
        is_missing = isinstance(exc, ModuleNotFoundError) and exc.name in (name, name.partition(".")[0])
        if not is_missing:  # such as one that was built for another architecture
            logger.warning("Responses are compressed without %s, which cannot be imported: %s", name, exc)
        return None


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)

    def part(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self, data: bytes = b"") -> bytes:
        return self._stream.compress(data) + self._stream.flush()


class _Brotli:
    def __init__(self, brotli: Any) -> None:
        self._stream = brotli.Compressor(quality=_BROTLI_QUALITY)

    def part(self, data: bytes) -> bytes:
        compressed: bytes = self._stream.process(data) + self._stream.flush()
        return compressed

    def end(self, data: bytes = b"") -> bytes:
        compressed: bytes = self._stream.process(data) + self._stream.finish()
        return compressed


class _Zstd:
    """Python 3.14's."""

    def __init__(self, zstd: Any) -> None:
        self._stream = zstd.ZstdCompressor(level=_ZSTD_LEVEL)

    def part(self, data: bytes) -> bytes:
        compressed: bytes = self._stream.compress(data, self._stream.FLUSH_BLOCK)
        return compressed

    def end(self, data: bytes = b"") -> bytes:
        compressed: bytes = self._stream.compress(data, self._stream.FLUSH_FRAME)
        return compressed


class _Zstandard:
    """The package of that name."""

    def __init__(self, zstandard: Any) -> None:
        self._stream = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
        self._flush_block = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    def part(self, data: bytes) -> bytes:
        compressed: bytes = self._stream.compress(data) + self._stream.flush(self._flush_block)
        return compressed

    def end(self, data: bytes = b"") -> bytes:
        compressed: bytes = self._stream.compress(data) + self._stream.flush()
        return compressed
