"""The command line: a handler, a web server's command, or an error that tells what is expected."""

import pytest

from bridge.errors import ConfigurationError
from bridge.runtime.arguments import USAGE, Arguments, parse


def test_a_handler_or_a_command_is_accepted() -> None:
    cases: list[tuple[list[str], Arguments]] = [
        ([], Arguments("", None)),
        (["main:app"], Arguments("main:app", None)),
        (["shop/web.handler"], Arguments("shop/web.handler", None)),
        (["--proxy", "--", "gunicorn", "-w", "2", "main:app"], Arguments("", ["gunicorn", "-w", "2", "main:app"])),
        (["--proxy", "caddy", "run"], Arguments("", ["caddy", "run"])),
        (["--proxy", "--", "env", "--", "x"], Arguments("", ["env", "--", "x"])),
        (["--proxy", "--", "node", "--proxy"], Arguments("", ["node", "--proxy"])),
    ]
    for arguments, expected in cases:
        assert parse(arguments) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["main:app", "main:other"],
        ["--reload"],
        ["--proxy=gunicorn"],
        ["main:app", "--proxy", "x"],
        ["--", "main:app"],
        ["--proxy"],
        ["--proxy", "--"],
    ],
    ids=" ".join,
)
def test_anything_else_is_refused_with_the_usage(arguments: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(arguments)
    message = str(caught.value)
    assert message.startswith("Expected ")
    assert (" ".join(arguments) in message) or arguments[0] == "--proxy"
    assert message.endswith(USAGE)


def test_the_error_for_a_long_line_is_short() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(["x" * 10_000, "y"])
    assert len(str(caught.value)) < 300 + len(USAGE)
