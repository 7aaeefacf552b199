"""The libraries that compress, and what is offered without one."""

import sys
import zlib
from importlib import import_module
from typing import Any

import pytest

from bridge import codecs
from bridge.codecs import Coder, installed_codecs
from tests.cases import every_case
from tests.decoded import CODINGS, decoded, make_decoder
from tests.logged import assert_logged

TEXT = b"".join(b"line %d of a long text\n" % number for number in range(5000))


def coder(coding: str) -> Coder:
    return installed_codecs()[coding.encode()]()


def test_the_best_coding_comes_first() -> None:
    assert tuple(name.decode() for name in installed_codecs()) == CODINGS


@every_case("coding", CODINGS)
@every_case("body", [b"x", TEXT, bytes(range(256)) * 100])
def test_a_whole_body_is_decoded_to_the_same_bytes(coding: str, body: bytes) -> None:
    assert decoded(coding, coder(coding).end(body)) == body


@every_case("coding", CODINGS)
def test_text_becomes_much_shorter(coding: str) -> None:
    assert len(coder(coding).end(TEXT)) < len(TEXT) / 4


@every_case("coding", CODINGS)
def test_each_part_can_be_decoded_as_soon_as_it_is_there(coding: str) -> None:
    one, decode = coder(coding), make_decoder(coding)
    for part in (b"first", b"x", TEXT, b"last"):
        assert decode(one.part(part)) == part
    assert decode(one.end()) == b""


@every_case("coding", CODINGS)
def test_a_body_without_parts_has_an_end_of_its_own(coding: str) -> None:
    end = coder(coding).end()
    assert end
    assert decoded(coding, end) == b""


@every_case("coding", CODINGS)
def test_the_end_shows_that_a_body_is_whole(coding: str) -> None:
    one = coder(coding)
    whole = one.part(TEXT) + one.end()
    assert decoded(coding, whole) == TEXT
    assert len(whole) > len(coder(coding).part(TEXT))


def test_brotli_does_not_use_its_slowest_quality_which_is_its_default() -> None:
    brotli: Any = import_module("brotli")
    assert coder("br").end(TEXT) == brotli.compress(TEXT, quality=4)


def test_equal_bodies_have_equal_bytes() -> None:
    assert coder("gzip").end(TEXT)[4:8] == b"\0\0\0\0"  # RFC 1952, 2.3.1: no time


def test_a_reader_notices_a_gzip_body_that_was_cut() -> None:
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    reader.decompress(coder("gzip").part(TEXT))
    assert not reader.eof


ZSTD = ("zstandard", "compression.zstd")


@every_case(
    ("missing", "offered"),
    [
        (["brotli"], [b"zstd", b"gzip"]),
        (ZSTD, [b"br", b"gzip"]),
        (["brotli", *ZSTD], [b"gzip"]),
    ],
)
def test_a_coding_without_its_library_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: list[str], offered: list[bytes]
) -> None:
    with monkeypatch.context() as patch:
        for name in missing:
            patch.setitem(sys.modules, name, None)  # an import of it fails as if it were not installed
        assert list(installed_codecs()) == offered
    assert_logged(caplog)


def test_a_library_that_cannot_be_imported_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def imported(name: str) -> Any:
        if name == "brotli":
            raise ImportError("_brotli.so: wrong ELF class")
        return import_module(name)

    monkeypatch.setattr(codecs, "import_module", imported)
    assert list(installed_codecs()) == [b"zstd", b"gzip"]
    assert_logged(caplog, ("WARNING", "without brotli", "wrong ELF class"))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there it is the standard library's")
def test_a_module_of_the_functions_own_is_not_taken_for_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression", object())
    assert b"zstd" in installed_codecs()
