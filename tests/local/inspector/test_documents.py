"""How documents are shown."""

from bridge.local.inspector.documents import bytes_document, json_document
from bridge.local.inspector.json_text import beginning
from tests.cases import every_case


@every_case(
    ("content", "html"),
    [
        (b'{"a": "b"}', '<span class="key">&quot;a&quot;</span>: <span class="string">&quot;b&quot;</span>'),
        (b"[-1.5e3]", '<span class="digits">-1500.0</span>'),
        (b"[null]", '<span class="word">null</span>'),
        (b'["a", "b"]', '[<span class="string">&quot;a&quot;</span>, <span class="string">&quot;b&quot;</span>]'),
        (b"<b>not JSON", "&lt;b&gt;not JSON"),
        (b"\xff\xfe", "ff fe"),
        (b"\xff" * 600, "The first 512 of 600 bytes. They are not text in UTF-8."),
        ('{"utf": 16}'.encode("utf-16"), "7b 00 22 00"),  # JSON is UTF-8 (RFC 8259, 8.1)
        (b"[NaN]", "[NaN]"),
        (b"[" * 5000 + b"]" * 5000, "[[[["),
        (b"", "Nothing."),
        (b"x" * 100_001, "The first 100,000 of 100,001 characters."),
    ],
)
def test_a_document_is_shown(content: bytes, html: str) -> None:
    assert html in json_document(content)
    assert "<b>" not in bytes_document(content)


def test_a_string_that_is_cut_is_one_token() -> None:
    for escaped in (rb"\"", rb"\\"):
        shown = json_document(b'{"k": "' + escaped * 200_000 + b'"}')
        assert (shown.count("<span"), shown.count('class="string"')) == (2, 1)


def test_of_a_long_document_only_the_beginning_is_written() -> None:
    shown = json_document(b"[" + b"1," * 200_000 + b"1]")
    assert "The first 100,000 characters." in shown
    assert beginning(["ab", "cd"], 1000) == ('["ab", "cd"]', True)
    assert beginning(["ab"] * 1000, 12) == ('[\n  "ab",\n  ', False)
    assert beginning("x" * 100, 3) == ('"xx', False)


def test_text_that_is_not_whole_may_end_in_the_middle_of_a_character() -> None:
    assert "z\u00f6</pre>" in bytes_document("z\u00f6\u00fc".encode()[:-1], is_whole=False)
    assert "7a c3 b6 c3" in bytes_document("z\u00f6\u00fc".encode()[:-1])
