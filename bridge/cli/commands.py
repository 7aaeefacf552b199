"""The commands, and what is common to them."""

from __future__ import annotations

import click

from bridge import __version__
from bridge.cli.check import check
from bridge.cli.dev import dev
from bridge.cli.event import event
from bridge.cli.invoke import invoke

__all__ = ["commands"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="bridge")
def commands() -> None:
    """Python web applications on AWS Lambda: run them locally, try events, and check before you deploy."""


commands.add_command(invoke)
commands.add_command(event)
commands.add_command(check)
commands.add_command(dev)
