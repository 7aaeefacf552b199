"""What was registered on an application after its startup.

awslambdaric has no moment between the import of the function's module and the end of the init phase, so there the
startup runs on the line that makes the handler. Middleware, routes and lifespan handlers below that line come too late,
and some frameworks do not say so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge._interface import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LateChanges"]

logger = logging.getLogger("bridge")

# How many middleware wrapped around an application are looked through: those that name it `app`, as Starlette's do.
_MAX_WRAPPERS = 20


class LateChanges:
    """The public collections and functions that `app`, what it wraps and their routers hold now."""

    def __init__(self, app: object) -> None:
        self._app = app
        self._before = dict(_registered(app))

    def warn(self) -> None:
        """Log which of them have changed since."""
        after = dict(_registered(self._app))
        changed = sorted(name for name, value in self._before.items() if name in after and after[name] != value)
        if changed:
            logger.warning(
                "The application was changed after its startup (%s): a middleware, a route or a lifespan handler may "
                "have no effect. This runtime runs the startup on the line that makes the handler: put it last.",
                ", ".join(changed),
            )


def _registered(app: object) -> Iterator[tuple[str, int]]:
    """Yield the name of each, and its length or its identity."""
    for _ in range(_MAX_WRAPPERS):
        for prefix, holder in (("", app), ("router.", attribute(app, "router"))):
            for name, value in (attribute(holder, "__dict__") or {}).items():
                if not name.startswith("_") and issubclass(type(value), list | dict | set):
                    yield prefix + name, len(value)
                elif not name.startswith("_") and callable(value):
                    yield prefix + name, id(value)
        app = attribute(app, "app")
        if app is None:
            return
