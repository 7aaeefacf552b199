"""`python -m bridge check module:app`: what a function has, and what will fail, before it is deployed."""

from __future__ import annotations

import os
import sys

import click

from bridge.cli.findings import Report, examined
from bridge.cli.folder import MAX_UNZIPPED

__all__ = ["check"]

# How many packages are shown, and how wide the longest bar is.
_PACKAGES = 10
_BAR = 30

_MB = 1024 * 1024


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option(
    "--folder", default=".", show_default=True, type=click.Path(exists=True, file_okay=False), help="What is deployed."
)
def check(target: str, folder: str) -> None:
    """Check a function before it is deployed: its settings, its import, its folder.

    The environment variables of this shell count, so set those that the function will have. The exit status is 1 if
    something will fail on Lambda.
    """
    report = examined(target, os.path.abspath(folder))
    click.echo(f"Function  {target}: {report.kind}")
    _print_settings(report)
    _print_import(report)
    size = f"{report.folder.size / _MB:.1f} MB of {MAX_UNZIPPED // _MB} MB"
    click.echo(f"\nFolder    {size}, unzipped, without layers")
    click.echo()
    for finding in report.findings:
        colour = "red" if finding.is_error else "yellow"
        click.echo(click.style("error: " if finding.is_error else "warning: ", fg=colour) + finding.text)
    errors = sum(finding.is_error for finding in report.findings)
    click.echo(f"{errors} errors, {len(report.findings) - errors} warnings")
    sys.exit(errors > 0)


def _print_settings(report: Report) -> None:
    if not report.settings:
        click.echo("Settings  all have their defaults")
        return
    click.echo("Settings")
    width = max(len(setting.name) for setting in report.settings)
    for setting in report.settings:
        click.echo(f"  {setting.name:{width}}  {setting.value!r}, from {setting.origin}")


def _print_import(report: Report) -> None:
    if report.imported.error:
        click.echo("Import    failed")
        return
    click.echo(f"Import    {report.imported.milliseconds:.0f} ms")
    dearest = report.imported.by_package[:_PACKAGES]
    width = max((len(name) for name, _ in dearest), default=0)
    for name, milliseconds in dearest:
        bar = "#" * round(_BAR * milliseconds / dearest[0][1])
        click.echo(f"  {name:{width}}  {milliseconds:7.1f} ms  {bar}")
