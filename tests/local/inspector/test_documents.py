"""How documents are shown."""

from bridge.local.inspector.documents import bytes_document, json_document
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
