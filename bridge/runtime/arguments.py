"""The command line: `python -m bridge.runtime [module:attribute] | --proxy -- command ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["USAGE", "Arguments", "parse"]

USAGE = """\
usage: python -m bridge.runtime [module:attribute]
       python -m bridge.runtime --proxy -- command [argument ...]

Answers Lambda invocations. The attribute is an ASGI application, a Bridge, Proxy or Handler, or a handler function.
Without an argument, $_HANDLER names it, in Lambda's form module.attribute. With --proxy, the command starts a web
server, and every request is forwarded to it."""


class Arguments(NamedTuple):
    """`handler`: "" if the command line names none. `command`: that of a web server, or None."""

    handler: str
    command: list[str] | None


def parse(arguments: Sequence[str]) -> Arguments:
    """Parse the arguments after `python -m bridge.runtime`. Raises ConfigurationError."""
    if arguments and arguments[0] == "--proxy":
        command = list(arguments[2:] if arguments[1:2] == ["--"] else arguments[1:])
        if not command:
            raise ConfigurationError(f"Expected a command after --proxy, but got none.\n{USAGE}")
        return Arguments("", command)
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        raise ConfigurationError(f"Expected one handler, but got {' '.join(arguments)!r:.200}.\n{USAGE}")
    return Arguments(arguments[0] if arguments else "", None)
