"""`python -m bridge invoke module:app EVENT.json ...`: what a function answers to events."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, redirect_stdout
from typing import Any, get_args

import click

from bridge.cli.event_files import read_events
from bridge.cli.loading import load_target
from bridge.cli.outcomes import Outcome, outcome_of
from bridge.cli.output import as_json, print_outcome, print_summary
from bridge.cli.timeout import ending_after
from bridge.testing.context import LambdaContext
from bridge.testing.functions import function_of
from bridge.testing.interface import Function
from bridge.testing.services import ServiceName

__all__ = ["invoke"]

# From how many invocations on a terminal shows their progress.
_MANY = 20


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.argument("events", metavar="EVENT.json...", nargs=-1, required=True)
@click.option(
    "--source", type=click.Choice(get_args(ServiceName)), help="The service, if the event's shape does not tell."
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="The function's timeout, in seconds.",
)
@click.option(
    "--times", type=click.IntRange(min=1), default=1, help="Invoke with each event so often, and print a summary."
)
def invoke(
    target: str, events: Sequence[str], source: ServiceName | None, is_json: bool, timeout: float, times: int
) -> None:
    """Invoke a function with events, and show what the client would get.

    MODULE:APP is an application, a handler, or a function of event and context. "-" reads the event from stdin, and
    of a folder all files that end in .json count. The exit status is 1 if an event fails, or its response is a 5xx.
    """
    named = read_events(events)
    stdout = sys.stdout
    outcomes = []
    with redirect_stdout(sys.stderr) if is_json else nullcontext():  # what the function prints is not one of our lines
        function = function_of(_loaded(target))
        try:
            for outcome in _shown(_outcomes(function, named, source, timeout, times), len(named) * times, times > 1):
                outcomes.append(outcome)
                if is_json:
                    click.echo(as_json(outcome), file=stdout)
                elif times == 1:
                    print_outcome(outcome)
        finally:
            function.close()
    if times > 1 and not is_json:
        print_summary(outcomes)
    sys.exit(any(outcome.has_failed for outcome in outcomes))


def _loaded(target: str) -> Any:
    try:
        return load_target(target)
    except SystemExit as exc:
        raise click.ClickException(f"The module of {target!r} ends the process: SystemExit: {exc}") from None


def _outcomes(
    function: Function, named: Sequence[tuple[str, Any]], source: ServiceName | None, timeout: float, times: int
) -> Iterator[Outcome]:
    for name, event in named:
        for _ in range(times):
            context = LambdaContext(timeout=timeout)
            result, error = None, None
            start = time.perf_counter()
            with ending_after(timeout, name):
                try:
                    result = function.call(event, context)
                except (Exception, SystemExit) as exc:
                    error = exc
            yield outcome_of(name, event, source, result, error, time.perf_counter() - start)


def _shown(outcomes: Iterator[Outcome], count: int, is_summary: bool) -> Iterator[Outcome]:
    """Pass `outcomes` on, with a progress bar on stderr where there are many and a terminal sees them."""
    if not is_summary or count < _MANY or not sys.stderr.isatty():
        yield from outcomes
        return
    with click.progressbar(outcomes, length=count, file=sys.stderr) as bar:
        yield from bar
