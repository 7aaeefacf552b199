"""The routes of an API: which requests it has.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.local.settings import Route

__all__ = ["matches"]

_PARAMETER = re.compile(r"\{[^{}]+\}")


def matches(routes: Iterable[Route], method: str, path: str) -> bool:
    """Return whether one of `routes` has the request. `path`: without the stage, as the client encoded it."""
    return any(route.method in ("ANY", method) and _has(route.path, path) for route in routes)


def _has(pattern: str, path: str) -> bool:
    return pattern == "$default" or re.fullmatch(_expression(pattern), path) is not None


def _expression(pattern: str) -> str:
    """Return the expression for a path such as "/users/{id}" or "/files/{rest+}"."""
    texts = map(re.escape, _PARAMETER.split(pattern))
    values = [".+" if parameter.endswith("+}") else "[^/]+" for parameter in _PARAMETER.findall(pattern)]
    return "".join(text + value for text, value in zip(texts, [*values, ""], strict=True)) + "/?"
