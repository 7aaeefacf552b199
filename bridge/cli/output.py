"""What a command prints about an outcome: for a person, or as JSON, one object on a line.

Nothing that an application sends reaches a terminal as a control character.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from statistics import median
from typing import Any

import click

from bridge.cli.outcomes import Outcome
from bridge.testing.messages import ClientResponse, values_of

__all__ = ["as_json", "print_outcome", "print_summary", "safe"]

# How much of a body is shown to a person, in characters.
_MAX_SHOWN = 20_000


def print_outcome(outcome: Outcome) -> None:
    """Print request, status, headers and body readably. click leaves colours out where stdout is not a terminal."""
    about = f"{outcome.source}, {outcome.name}, {outcome.seconds * 1000:.1f} ms"
    click.echo(
        click.style(safe(outcome.request_line or "Event"), bold=True) + click.style(f"  ({safe(about)})", dim=True)
    )
    if outcome.error is not None:
        error = outcome.error
        click.echo(click.style(f"{type(error).__name__}: {safe(_message(error))}", fg="red"))
    elif outcome.response is None:
        click.echo(safe(json.dumps(outcome.result, indent=2, ensure_ascii=False, default=str)))
    else:
        _print_response(outcome.response)
    click.echo()


def _print_response(response: ClientResponse) -> None:
    click.echo(click.style(f"{response.status} {_phrase(response.status)}", fg=_colour(response.status), bold=True))
    for name, value in response.headers:
        click.echo(f"{click.style(name, fg='cyan')}: {safe(_text(value))}")
    for reason in response.reasons:
        click.echo(click.style(f"note: {safe(reason)}", fg="yellow"))
    if response.body:
        click.echo()
        click.echo(safe(_readable(response)))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _colour(status: int) -> str:
    return "green" if status < 300 else "cyan" if status < 400 else "yellow" if status < 500 else "red"


def _readable(response: ClientResponse) -> str:
    try:
        text = response.body.decode("utf-8")
    except UnicodeDecodeError:
        return f"({len(response.body)} bytes that are not text)"
    if "json" in "".join(values_of(response.headers, "content-type")):
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    rest = len(text) - _MAX_SHOWN
    return text if rest <= 0 else f"{text[:_MAX_SHOWN]}\n({rest} more characters; --json shows all of them)"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as exc:  # a class of the application's own
        return f"(its message cannot be read: {type(exc).__name__})"


def _text(value: str) -> str:
    """Return a header's value, of which each character is one byte, as a person reads it."""
    return value.encode("latin-1").decode("utf-8", "replace")


def safe(text: str) -> str:
    """Escape control characters other than line ends and tabs: they could change what a terminal shows.

    A no-break space stays: runtime clients indent tracebacks with it.
    """
    return "".join(char if char.isprintable() or char in "\n\t\xa0" else ascii(char)[1:-1] for char in text)


def as_json(outcome: Outcome) -> str:
    """Return the outcome as one line of JSON. A body that is not text is in base64."""
    found: dict[str, Any] = {
        "event": outcome.name,
        "source": outcome.source,
        "durationMs": round(outcome.seconds * 1000, 3),
    }
    if outcome.error is not None:
        found["error"] = {"type": type(outcome.error).__name__, "message": _message(outcome.error)}
    elif outcome.response is None:
        found["result"] = outcome.result
    else:
        response = outcome.response
        found |= {"request": outcome.request_line, "status": response.status}
        found["headers"] = [(name, _text(value)) for name, value in response.headers]
        try:
            found |= {"body": response.body.decode("utf-8"), "isBase64Encoded": False}
        except UnicodeDecodeError:
            found |= {"body": b64encode(response.body).decode("ascii"), "isBase64Encoded": True}
        if response.reasons:
            found["reasons"] = response.reasons
    return json.dumps(found, default=str)


def print_summary(outcomes: Sequence[Outcome]) -> None:
    """Print how many invocations there were, how they ended, and how long they took."""
    times = sorted(outcome.seconds * 1000 for outcome in outcomes)
    ends = Counter(_end(outcome) for outcome in outcomes)
    click.echo(f"{len(outcomes)} invocations: " + ", ".join(f"{count} x {end}" for end, count in sorted(ends.items())))
    p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
    click.echo(
        f"ms: first {outcomes[0].seconds * 1000:.2f}, median {median(times):.2f}, p95 {p95:.2f}, max {times[-1]:.2f}"
    )


def _end(outcome: Outcome) -> str:
    if outcome.error is not None:
        return type(outcome.error).__name__
    return "a result" if outcome.response is None else str(outcome.response.status)
