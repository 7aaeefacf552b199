"""The output of a process becomes lines."""

from bridge.local.lines import MAX_LINE, Lines
from bridge.local.output import MAX_LINES, MAX_SIZE, Output
from tests.cases import every_case


@every_case(
    ("pieces", "expected"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b", b"c\n"], ["abc"]),
        ([b"a\nb"], ["a", "b"]),  # no end of the last line
        ([b"a\r\n\n \nb\rc"], ["a", "b", "c"]),
        (["é".encode()[:1], "é".encode()[1:], b"\n"], ["é"]),
        ([b"\xff\xfe\x00a\n"], ["\ufffd\ufffd\0a"]),
        ([b"x" * (2 * MAX_LINE), b"y\n"], ["x" * MAX_LINE, "x" * MAX_LINE, "y"]),
    ],
)
def test_bytes_become_lines(pieces: list[bytes], expected: list[str]) -> None:
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    assert found + lines.feed(b"", is_last=True) == expected


def test_a_log_keeps_the_newest_lines_and_not_too_much_of_them() -> None:
    log = Output()
    log.add([str(number) for number in range(2 * MAX_LINES)])
    assert [text for _, text in log.lines] == [str(number) for number in range(MAX_LINES, 2 * MAX_LINES)]
    log.add(["x" * MAX_LINE] * 100)
    assert sum(len(text) for _, text in log.lines) <= MAX_SIZE
