"""What `python -m bridge dev` prints."""

import pytest

from bridge.cli.dev_output import print_start, print_waits
from bridge.local.server import OPEN_LIMIT
from bridge.local.settings import AnySource, SourceSettings, WebSocketSettings
from tests.cases import every_case

SOURCES: list[AnySource] = [SourceSettings(name="alb", port=4000), WebSocketSettings(port=4001)]


@every_case(
    ("host", "name", "own"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2", "127.0.0.2"),
        ("localhost", "localhost", "localhost"),
        ("::1", "[::1]", "[::1]"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1"),
        ("::", "[::]", "[::1]"),
    ],
)
def test_what_answers_loopback_names_alone_has_one(
    host: str, name: str, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_start("shop:app", host, SOURCES)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [
        f"http://{name}:4000/",
        f"ws://{name}:4001/live",
        f"http://{own}:4001/live",
        f"http://{own}:4000",
        f"http://{own}:4000/_bridge/",
    ]


def test_without_a_loopback_address_a_note_says_what_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    print_start("shop:app", "192.0.2.4", SOURCES)
    text = capsys.readouterr().out
    assert [line.split()[0] for line in text.splitlines()[1:]] == [
        "http://192.0.2.4:4000/",
        "ws://192.0.2.4:4001/live",
        "note:",
    ]
    assert "192.0.2.4 is not a loopback address" in text


def test_the_line_about_the_end_has_the_servers_limit(capsys: pytest.CaptureFixture[str]) -> None:
    print_waits()
    assert f"{OPEN_LIMIT:g} s" in capsys.readouterr().out
