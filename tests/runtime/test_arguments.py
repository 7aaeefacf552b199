"""The command line: a handler, a web server's command, or an error that tells what is expected."""

import pytest

from bridge.errors import ConfigurationError
from bridge.runtime.arguments import USAGE, Arguments, parse

ACCEPTED = {
    "nothing": ([], Arguments("", None)),
    "a module and an attribute": (["main:app"], Arguments("main:app", None)),
    "Lambda's form": (["shop/web.handler"], Arguments("shop/web.handler", None)),
    "a web server": (
        ["--proxy", "--", "gunicorn", "-w", "2", "main:app"],
        Arguments("", ["gunicorn", "-w", "2", "main:app"]),
    ),
    "a web server without the dashes": (["--proxy", "caddy", "run"], Arguments("", ["caddy", "run"])),
    "a web server with dashes of its own": (["--proxy", "--", "env", "--", "x"], Arguments("", ["env", "--", "x"])),
    "an option for the web server": (["--proxy", "--", "node", "--proxy"], Arguments("", ["node", "--proxy"])),
}

REFUSED = {
    "two handlers": (["main:app", "main:other"], "Expected one handler, but got 'main:app main:other'."),
    "an unknown option": (["--reload"], "Expected one handler, but got '--reload'."),
    "an option with a value": (["--proxy=gunicorn"], "Expected one handler, but got '--proxy=gunicorn'."),
    "a command behind a handler": (["main:app", "--proxy", "x"], "Expected one handler, but got 'main:app --proxy x'."),
    "dashes alone": (["--", "main:app"], "Expected one handler, but got '-- main:app'."),
    "no command": (["--proxy"], "Expected a command behind --proxy, but got none."),
    "no command behind the dashes": (["--proxy", "--"], "Expected a command behind --proxy, but got none."),
}


@pytest.mark.parametrize(("arguments", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_handler_or_a_command_is_taken(arguments: list[str], expected: Arguments) -> None:
    assert parse(arguments) == expected


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_the_usage(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(arguments)
    assert str(caught.value) == f"{message}\n{USAGE}"


def test_the_error_for_a_long_line_is_short() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(["x" * 10_000, "y"])
    assert len(str(caught.value)) < 300 + len(USAGE)
