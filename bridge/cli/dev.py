"""`python -m bridge dev module:app`: Lambda on one's own machine, with a service in front of it."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.dev_sources import MAX_PORT, SOURCES, parsed_sources, sources_of
from bridge.cli.env_file import read_env_file
from bridge.cli.interrupts import ctrl_c_ends
from bridge.cli.output import safe
from bridge.cli.settings import shell_variables

if TYPE_CHECKING:
    from bridge.local.settings import AnySource, FunctionSettings
    from bridge.local.template import Template

__all__ = ["dev"]

# What the extra brings, by module.
_NEEDED = ("starlette", "uvicorn", "watchfiles", "yaml")


@click.command()
@click.argument("target", metavar="MODULE:APP", required=False)
@click.option(
    "--source",
    "sources",
    multiple=True,
    callback=parsed_sources,
    metavar="NAME[:PORT]",
    help=f"A service in front of the function: {', '.join(SOURCES)}. Several have a port each.",
)
@click.option("--port", type=click.IntRange(0, MAX_PORT), default=3000, show_default=True, help="Of the first source.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--stage", help="The stage of the API, which begins the client's path.")
@click.option("--route", "route_keys", multiple=True, metavar="KEY", help="A route of a WebSocket API beside $default.")
@click.option(
    "--route-response",
    "has_route_response",
    is_flag=True,
    help="The answer to a WebSocket's message goes to its sender, as with a route response.",
)
@click.option("--stream", is_flag=True, help="The function streams, and so do the sources that can.")
@click.option("--reload", "reloads", is_flag=True, help="Start a new environment when a file changes.")
@click.option("--env-file", type=click.Path(exists=True, dir_okay=False), help="A file of NAME=value lines.")
@click.option(
    "--template", type=click.Path(exists=True, dir_okay=False), help="A SAM template, which has all of the above."
)
@click.option("--function", "name", help="The function of the template, if there are several.")
@click.option("--runtime", type=click.Choice(["bridge", "awslambdaric"]), default="bridge", show_default=True)
@click.option("--memory", type=click.IntRange(min=1), help="The limit of an environment, in MB.  [default: 512]")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="Of an invocation, in seconds.  [default: 30]"
)
@click.option(
    "--environments",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="How many there are at most, with one request at a time in each.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many requests one environment has at a time, as on Managed Instances.",
)
@click.option("--throttle", "throttles", is_flag=True, help="Answer 429 when all are busy, rather than wait.")
@click.option("--freeze", "freezes", is_flag=True, help="Stop the processes between invocations.")
@click.option("--snapstart", is_flag=True, help="Take a snapshot after the init phase, and restore it.")
@click.option(
    "--snapstart-age",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="How old the snapshot is when it is restored, in seconds.",
)
@click.option(
    "--extension",
    "extensions",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The executable of an external extension, as in /opt/extensions. Several are possible.",
)
def dev(target: str | None, **options: Any) -> None:
    """Run a function as Lambda does, behind one or more services, for a browser.

    MODULE:APP is an application, a handler, or a function of event and context. It runs in processes of its own, which
    have the environment variables of this shell.
    """
    if options["runtime"] == "awslambdaric" and find_spec("awslambdaric") is None:
        raise click.UsageError("awslambdaric is not installed: pip install awslambdaric.")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        click.echo(
            f"python -m bridge dev needs {', '.join(missing)}, which the extra lambda-asgi-bridge[local] brings.",
            err=True,
        )
        sys.exit(2)
    from bridge.cli.dev_notes import dev_notes

    template = _template(options["template"], options["name"])
    function = _function(target, template, options)
    sources = sources_of(template, options)
    if template is None or target is not None:
        function = replace(function, is_streamed=options["stream"] or function.is_streamed)
    for note in dev_notes(function, sources):
        click.echo(f"note: {note}")
    _run(function, sources, options)


def _template(path: str | None, name: str | None) -> Template | None:
    if path is None:
        if name is not None:
            raise click.UsageError("--function names a function of a template: give --template, too.")
        return None
    from bridge.local.template import InvalidTemplate, read_template
    from bridge.local.variables import region_of

    try:
        template = read_template(path, name, region=region_of(shell_variables()))
    except (InvalidTemplate, OSError, ValueError) as exc:
        raise click.UsageError(str(exc)) from None
    if template.skipped:
        click.echo(f"note: only a deployment has the values of {', '.join(template.skipped)}: --env-file can set them.")
    for note in template.notes:
        click.echo(f"note: {safe(note)}")
    return template


def _function(target: str | None, template: Template | None, options: dict[str, Any]) -> FunctionSettings:
    from bridge.local.settings import FunctionSettings

    if options["concurrency"] > 1 and options["snapstart"]:
        raise click.UsageError("Managed Instances have no SnapStart: give either --concurrency or --snapstart.")
    if options["snapstart_age"] and not options["snapstart"]:
        raise click.UsageError("--snapstart-age is the age of a snapshot: give --snapstart, too.")
    handler = target or (template.handler if template else None)
    if not handler:
        raise click.UsageError("Expected MODULE:APP, or a --template whose function has a handler.")
    env_file = options["env_file"]
    environ = shell_variables() | dict(template.environ if template else {})
    return FunctionSettings(
        target=handler,
        folder=template.folder if template else ".",
        name=template.name if template else "function",
        runtime=options["runtime"],
        environ=environ | (read_env_file(env_file) if env_file else {}),
        timeout=options["timeout"] or (template.timeout if template else 30.0),
        memory=options["memory"] or (template.memory if template else 512),
        is_streamed=options["stream"] or (template.is_streamed if template else False),
        environments=options["environments"],
        concurrency=options["concurrency"],
        throttles=options["throttles"],
        freezes=options["freezes"],
        snapstart=options["snapstart"],
        snapstart_age=options["snapstart_age"],
        extensions=_extensions(options["extensions"]),
    )


def _extensions(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths. Raises UsageError for a file that cannot be executed, and for a name that is there twice."""
    from bridge.local.processes import name_of

    names = [name_of(path) for path in paths]
    for path, name in zip(paths, names, strict=True):
        if not os.access(path, os.X_OK):
            raise click.UsageError(f"The extension {path} is not executable: chmod +x makes it so.")
        if names.count(name) > 1:
            raise click.UsageError(f"There are two extensions called {name}, which is the name that they register.")
    return paths


def _run(function: FunctionSettings, sources: list[AnySource], options: dict[str, Any]) -> None:
    with ctrl_c_ends():
        from bridge.cli.dev_output import print_answer, print_kept, print_lines, print_reload, print_start, print_waits
        from bridge.local.run import GatewayServer, Listener

    host = options["host"]
    listener = Listener(
        started=lambda: print_start(function.target, host, server.gateway.sources),
        lines=print_lines,
        answered=print_answer,
        kept=print_kept,
        reloaded=print_reload,
        waits=print_waits,
    )
    try:
        server = GatewayServer(function, sources, listener, host=host, reloads=options["reloads"])
    except OSError as exc:
        reason = f"Cannot listen on {host}, {exc.strerror or exc}."
        raise click.ClickException(f"{reason} --port NUMBER, or --source NAME:NUMBER, sets another port.") from None
    with suppress(KeyboardInterrupt):
        asyncio.run(server.serve())
