"""Bodies without their content coding."""

import gzip
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from bridge.local.inspector.codings import MAX_DECODED, decoded
from tests.cases import every_case

TEXT = b'{"hello": "world"}' * 100


def raw_deflate(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(content) + stream.flush()


def brotli_and_gzip(content: bytes) -> bytes:
    compressed: bytes = brotli.compress(gzip.compress(content))
    return compressed


ENCODERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("X-GZIP", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli.compress),
    ("zstd", zstandard.compress),
    ("gzip, br", brotli_and_gzip),
]


@every_case(("coding", "encode"), ENCODERS)
def test_what_can_be_decoded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    body = encode(TEXT)
    content, note = decoded(body, (("Content-Encoding", coding),))
    assert (content, note) == (TEXT, f"Decoded from {coding.lower()}: {len(TEXT):,} bytes from {len(body):,}.")
    beginning, note = decoded(body[:-6], (("content-encoding", coding),))  # of a stream in flight
    assert (TEXT.startswith(beginning), "Decoded" in note) == (True, True)


@every_case(("coding", "encode"), ENCODERS[2:6])
def test_a_few_bytes_that_mean_many_are_not_all_decoded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    content, note = decoded(encode(bytes(20 << 20)), (("content-encoding", coding),))
    assert (content == bytes(MAX_DECODED), "the first 1,048,576 bytes" in note) == (True, True)


@every_case(
    ("body", "codings", "fact"),
    [
        (b"text", [], ""),
        (b"text", ["identity"], ""),
        (b"", ["gzip"], ""),
        (b"not compressed", ["gzip"], "This is not gzip"),
        (b"not compressed", ["br"], "This is not br"),
        (b"not compressed", ["zstd"], "This is not zstd"),
        (b"not compressed", ["deflate"], "This is not deflate"),
        (b"text", ["aws-chunked"], "cannot decode"),
        (b"text", ["gzip"] * 4, "cannot decode"),
    ],
)
def test_what_cannot_is_as_it_was(body: bytes, codings: list[str], fact: str) -> None:
    headers = tuple(("content-encoding", coding) for coding in codings)
    content, note = decoded(body, headers)
    assert (content, fact in note, bool(note)) == (body, True, bool(fact))


def test_without_its_library_a_coding_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    body = brotli.compress(TEXT)
    content, note = decoded(body, (("content-encoding", "br"),))
    assert (content, "cannot decode" in note) == (body, True)
