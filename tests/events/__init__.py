"""The project's own events: one valid request of every source, after the shapes that AWS documents.

All describe the same client request as far as their source lets them: `POST /orders/caf%C3%A9?tag=a&tag=b&q=x+y%26z`
with a JSON body of ten bytes, two cookies, and two values of `accept`.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["BASES", "MISSING", "MakeEvent", "load", "paths", "replaced"]

# The type of the fixture `make_event`.
MakeEvent = Callable[..., dict[str, Any]]

# The source that has to be picked for each base event.
BASES: Final = {
    "alb": "alb",
    "alb_multi": "alb",
    "function_url": "function-url",
    "http_api_v1": "http-api-v1",
    "http_api_v2": "http-api-v2",
    "lambda_edge": "lambda-edge",
    "rest_api": "rest-api",
    "vpc_lattice_v1": "vpc-lattice-v1",
    "vpc_lattice_v2": "vpc-lattice-v2",
}

# As an override: the key goes.
MISSING: Final = object()

# From the event down to a value: keys of objects and indices of lists.
Steps = tuple[str | int, ...]


def load(name: str, **overrides: Any) -> dict[str, Any]:
    """Return a copy of the base event `name` in which each override takes the place of one value.

    Two underscores lead into an object or a list: `requestContext__http__path="/x"`, `Records__0__cf__config=None`.
    """
    event: dict[str, Any] = json.loads(_read(name))
    for dotted, value in overrides.items():
        _replace(event, tuple(int(step) if step.isdigit() else step for step in dotted.split("__")), value)
    return event


def replaced(event: dict[str, Any], steps: Steps, value: Any) -> dict[str, Any]:
    """Return a copy of `event` with `value` at the end of `steps`."""
    event = deepcopy(event)
    _replace(event, steps, value)
    return event


def paths(value: Any, *steps: str | int) -> Iterator[Steps]:
    """Yield the steps to everything within `value` that can be missing, outermost first."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        if isinstance(value, dict):
            yield (*steps, step)
        yield from paths(child, *steps, step)


@cache
def _read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8")


def _replace(event: Any, steps: Steps, value: Any) -> None:
    for step in steps[:-1]:
        event = event[step]
    if value is MISSING:
        del event[steps[-1]]
    else:
        event[steps[-1]] = value
