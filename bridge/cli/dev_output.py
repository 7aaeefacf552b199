"""What `python -m bridge dev` prints: where to go, each answer, and the function's own output."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from bridge.cli.output import safe
from bridge.local.invocation import Invocation
from bridge.local.loopback import is_loopback
from bridge.local.server import OPEN_LIMIT
from bridge.local.settings import AnySource
from bridge.testing.messages import ClientRequest, ClientResponse

__all__ = ["print_answer", "print_kept", "print_lines", "print_reload", "print_start", "print_waits"]


def print_start(target: str, host: str, sources: Sequence[AnySource]) -> None:
    name, own = _in_url(host), _own_address(host)
    click.echo(click.style(f"{target} on Lambda, locally. Ctrl+C ends it.", bold=True))
    for source in sources:
        about = source.name + (", streamed" if source.is_streamed else "")
        stage = f"{source.stage}/" if source.stage else ""
        if source.name == "websocket":
            click.echo(f"  ws://{name}:{source.port}/{source.stage}  {click.style(about, dim=True)}")
            if own is not None:
                about = click.style("its management API, as endpoint URL of apigatewaymanagementapi", dim=True)
                click.echo(f"  http://{own}:{source.port}/{source.stage}  {about}")
            continue
        click.echo(f"  http://{name}:{source.port}/{stage}  {click.style(about, dim=True)}")
    if own is None:
        click.echo(
            f"  note: {safe(host)} is not a loopback address, so neither the inspector nor the invoke API answers."
        )
        return
    about = click.style("as endpoint URL for boto3 and the AWS CLI", dim=True)
    click.echo(f"  http://{own}:{sources[0].port}  {about}")
    about = click.style("the inspector, which shows every invocation", dim=True)
    click.echo(f"  http://{own}:{sources[0].port}/_bridge/  {about}")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _own_address(host: str) -> str | None:
    """Return where this machine reaches a gateway that listens on `host`; None without a loopback address."""
    if is_loopback(host):
        return _in_url(host)
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host)  # nosec B104  # to compare with


def print_answer(invocation: Invocation) -> None:
    status = invocation.response.status if invocation.response else None
    request = f"{invocation.method} {invocation.path}".strip() or "event"
    took = f"{invocation.duration * 1000:.1f} ms, {invocation.source}, {invocation.started or 'not started'}"
    colour = "red" if invocation.failure or (status or 0) >= 500 else "green"
    shown = invocation.failure.error_type if invocation.failure else "ok"
    click.echo(f"{safe(request)} {click.style(str(status or shown), fg=colour)}  {click.style(safe(took), dim=True)}")
    if failure := invocation.failure:
        click.echo(click.style(f"  {safe(failure.error_type)}: {safe(failure.message)}", fg="red"))
        return
    _print_reasons(invocation.response.reasons if invocation.response else ())


def print_kept(source: str, request: ClientRequest, response: ClientResponse) -> None:
    """Print what the service answered itself."""
    colour = "red" if response.status >= 400 else "green"
    about = click.style(f"{source}, without the function", dim=True)
    click.echo(f"{safe(f'{request.method} {request.path}')} {click.style(str(response.status), fg=colour)}  {about}")
    _print_reasons(response.reasons)


def _print_reasons(reasons: Sequence[str]) -> None:
    for reason in reasons:
        click.echo(click.style(f"  note: {safe(reason)}", fg="yellow"))


def print_lines(number: int, lines: Sequence[str]) -> None:
    mark = click.style(f"[{number}]", dim=True)
    click.echo("\n".join(f"{mark} {safe(line)}" for line in lines))


def print_reload(paths: Sequence[str]) -> None:
    changed = ", ".join(os.path.normpath(path) for path in paths)  # watchfiles has the folder as it was given, "."
    click.echo(click.style(f"Changed: {safe(changed)}. A new environment starts.", dim=True))


def print_waits() -> None:
    about = f"Open requests have {OPEN_LIMIT:g} s from Ctrl+C on. Ctrl+C again ends them immediately."
    click.echo(click.style(about, dim=True))
