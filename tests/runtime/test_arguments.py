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


def test_anything_else_is_refused_with_the_usage() -> None:
    for line in (
        "main:app main:other",
        "--reload",
        "--proxy=gunicorn",
        "main:app --proxy x",
        "-- main:app",
        "--proxy",
        "--proxy --",
    ):
        with pytest.raises(ConfigurationError) as caught:
            parse(line.split())
        message = str(caught.value)
        assert message.startswith("Expected ")
        assert line in message or line.startswith("--proxy")
        assert message.endswith(USAGE)
