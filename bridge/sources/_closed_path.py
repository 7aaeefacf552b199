"""The check that keeps clients away from a path that is for events alone."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from bridge._messages import request_line, request_target
from bridge.errors import MalformedEvent
from bridge.path_guard import PathGuard
from bridge.sources._path import has_prefix, quoted

if TYPE_CHECKING:
    from bridge._httpx import httpx

__all__ = ["check_path"]

logger = logging.getLogger("bridge")


def check_path(request: httpx.Request, closed: str) -> None:
    """Raise MalformedEvent, with 403, for a client's request to the path `closed`, in any spelling.

    The application may look for its routes after the root path, so the path counts with it and without it.
    """
    guard = _guard(closed)
    scope = request.extensions["asgi"]
    path, root_path = scope.get("path") or "", scope.get("root_path") or ""
    targets = [request_target(request)]
    if root_path and has_prefix(path, root_path):
        targets.append(quoted(path[len(root_path) :] or "/"))
    if any(map(guard.refuses, targets)):
        logger.warning("%s: a client asked for the path of events, and gets a 403.", request_line(request))
        raise MalformedEvent(f"The path {closed} is for events alone.", status_code=403)


@lru_cache(maxsize=8)
def _guard(closed: str) -> PathGuard:
    return PathGuard(closed)
