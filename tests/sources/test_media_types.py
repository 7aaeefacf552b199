from base64 import b64decode, b64encode
from hashlib import shake_128

from bridge import Settings
from bridge.sources._media_types import DEFAULT_TEXT_MEDIA_TYPES, encode_body, is_text
from tests.cases import every_case
from tests.events import BASES, load
from tests.sources.exchange import Answer, answer, as_client

BINARY_UTF_8 = b"a binary format whose bytes happen to be UTF-8"


TEXT = [
    *("text/plain", "text/html; charset=utf-8", "text/event-stream", "TEXT/HTML", " text/csv ;header=present"),
    *("application/json", "Application/JSON;charset=UTF-8", "application/problem+json", "application/javascript"),
    *("application/vnd.api+json; profile=x", "application/atom+xml", "image/svg+xml", "application/xml"),
    *("application/x-www-form-urlencoded", "application/yaml", "application/openapi+yaml"),
]
BINARY = [
    *("application/octet-stream", "application/pdf", "application/zip", "application/grpc+proto", "image/png"),
    *("font/woff2", "multipart/form-data; boundary=x", "x-text/foo", "application/jsonish", "application/notjson"),
    *("application/x-json-archive", "image/x+json+zip", "application/octet-stream; charset=utf-8; type=text/plain"),
    *("+json", ""),
]


def test_the_media_type_without_its_parameters_decides() -> None:
    assert [content_type for content_type in TEXT if not is_text(content_type)] == []
    assert [content_type for content_type in BINARY if is_text(content_type)] == []


@every_case("media_type", DEFAULT_TEXT_MEDIA_TYPES)
def test_every_entry_of_the_table_is_text(media_type: str) -> None:
    assert is_text(media_type.replace("*/*", "application/x").replace("*", "x"))


@every_case(
    ("entry", "content_type"),
    [
        ("application/vnd.acme", "application/vnd.acme; v=1"),
        ("chemical/*", "Chemical/x-pdb"),
        ("*/*+toml", "application/x+toml"),
    ],
)
def test_the_settings_extend_the_table(entry: str, content_type: str) -> None:
    app = Answer(headers=[(b"content-type", content_type.encode())], content=BINARY_UTF_8)
    assert answer(load("rest_api"), app)["isBase64Encoded"] is True
    result = answer(load("rest_api"), app, Settings(text_media_types=(entry,)))
    assert (result["isBase64Encoded"], result["body"]) == (False, BINARY_UTF_8.decode())


@every_case(
    ("content_type", "content_encoding", "body", "expected"),
    [
        ("text/plain", None, "é€😀".encode(), ("é€😀", False)),
        ("text/plain", "identity", b"a", ("a", False)),
        ("text/plain", "", b"a", ("a", False)),
        # Another charset than UTF-8: text in base64 still has its bytes.
        ("text/plain; charset=latin-1", None, b"\xe9", ("6Q==", True)),
        ("text/plain; charset=utf-16", None, "a".encode("utf-16"), (b64encode("a".encode("utf-16")).decode(), True)),
        # A byte order mark is content too.
        ("text/plain", None, b"\xef\xbb\xbfa", ("\ufeffa", False)),
        ("text/plain", None, b"\x00\r\n", ("\x00\r\n", False)),
        # UTF-8 that Python refuses, because no other UTF-8 would come back.
        ("text/plain", None, b"\xed\xa0\x80", ("7aCA", True)),
        ("text/plain", None, b"\xc0\x80", ("wIA=", True)),
        # Compressed, even if it looks like text.
        ("text/plain", "gzip", b"a", ("YQ==", True)),
        ("application/json", "br", b"a", ("YQ==", True)),
        ("text/plain", "Identity , gzip", b"a", ("YQ==", True)),
        # Without a type the bytes decide.
        (None, None, b"a", ("a", False)),
        (None, None, b"\xff", ("/w==", True)),
        ("image/png", None, b"a", ("YQ==", True)),
        # Nothing is nothing either way.
        ("image/png", None, b"", ("", False)),
        ("text/plain", "gzip", b"", ("", False)),
        (None, None, b"", ("", False)),
    ],
)
def test_a_body_is_text_only_if_utf_8_gives_its_bytes_back(
    content_type: str | None, content_encoding: str | None, body: bytes, expected: tuple[str, bool]
) -> None:
    assert encode_body(body, content_type, content_encoding) == expected


@every_case("content_type", [None, "text/plain", "application/json", "image/png", "nonsense"])
def test_any_bytes_come_back_whatever_their_type(content_type: str | None) -> None:
    bodies = [bytes([byte]) for byte in range(256)]
    bodies += [shake_128(b"%d" % size).digest(size) for size in range(300)]
    bodies += [chr(code).encode("utf-8", "surrogatepass") for code in range(0, 0x110000, 0xFFF)]
    for body in bodies:
        text, is_base64 = encode_body(body, content_type)
        assert (b64decode(text, validate=True) if is_base64 else text.encode("utf-8")) == body


@every_case("name", BASES)
@every_case("content_type", [b"text/plain", b"application/octet-stream"])
def test_every_source_gives_any_bytes_back(name: str, content_type: bytes) -> None:
    body = bytes(range(256)) + shake_128(content_type).digest(1000)
    result = answer(load(name), Answer(headers=[(b"content-type", content_type)], content=body))
    assert as_client(result) == (200, [("content-type", content_type.decode())], body)
