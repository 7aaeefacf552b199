"""The routes of an API: which one has a request.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html

Of an HTTP API a route without a greedy parameter comes first, then one with, then $default. A route of the request's
own method comes before one of ANY. Of a REST API the path alone decides which resource it is, and a resource without
the method refuses the request. That fixed text comes before a parameter, and that before a greedy one, segment by
segment, is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.local.settings import Route
from bridge.testing.setup import MatchedRoute

__all__ = ["find_route"]

_PARAMETER = re.compile(r"\{([^{}]+)\}")
_DEFAULT = "$default"


def find_route(routes: Iterable[Route], method: str, path: str, *, is_rest: bool = False) -> MatchedRoute | None:
    """Return the route of a request; None if it has none. `path`: without the stage, as the client encoded it."""
    having = [(route, found) for route in routes if (found := re.fullmatch(_expression(route.path), path)) is not None]
    if is_rest and having:
        resource = min((route.path for route, _ in having), key=_kinds)
        having = [(route, found) for route, found in having if route.path == resource]
    of_method = [(route, found) for route, found in having if route.method in ("ANY", method)]
    if not of_method:
        return None
    route, found = min(of_method, key=lambda pair: (_order(pair[0].path), pair[0].method == "ANY"))
    names = [name.removesuffix("+") for name in _PARAMETER.findall(route.path)]
    return MatchedRoute(route.method, route.path, dict(zip(names, found.groups(), strict=True)))


def _expression(pattern: str) -> str:
    """Return the expression for a path such as "/users/{id}" or "/files/{rest+}", or for "$default", which is all."""
    if pattern == _DEFAULT:
        return "(?s:.*)"
    *texts, last = _PARAMETER.split(pattern)
    pieces = [re.escape(text) for text in texts[::2]]
    values = ["(.+)" if name.endswith("+") else "([^/]+)" for name in texts[1::2]]
    return "".join(text + value for text, value in zip(pieces, values, strict=True)) + re.escape(last) + "/?"


def _order(pattern: str) -> tuple[bool, bool, list[int]]:
    return pattern == _DEFAULT, "+}" in pattern, _kinds(pattern)


def _kinds(pattern: str) -> list[int]:
    """Return how open each segment is: 0 for fixed text, 1 for a parameter, 2 for a greedy one, 3 for $default."""
    if pattern == _DEFAULT:
        return [3]
    return [2 if "+}" in segment else 1 if "{" in segment else 0 for segment in pattern.strip("/").split("/")]
