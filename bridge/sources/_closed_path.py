"""The check that keeps clients away from the paths that are for events alone."""

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
    from bridge.settings import Settings

__all__ = ["check_path"]

logger = logging.getLogger("bridge")


def check_path(request: httpx.Request, settings: Settings) -> None:
    """Raise MalformedEvent, with 403, for a client's request to a path that is set for events, in any spelling.

    That is the path of passed events, and all under the path of a WebSocket API's. The application may look for its
    routes after the root path, so the path counts with it and without it. It may also resolve ".." before it does that.
    """
    closed = "" if settings.open_pass_through_path else settings.pass_through_path
    prefix = "" if settings.open_websocket_path else settings.websocket_path
    scope = request.extensions["asgi"]
    path, root_path = scope.get("path") or "", scope.get("root_path") or ""
    targets = [request_target(request)]
    if root_path and has_prefix(path, root_path):
        targets.append(quoted(path[len(root_path) :] or "/"))
    guards = [_guard(before, closed, prefix) for before in {"", root_path}]
    if any(guard.refuses(target) for guard in guards for target in targets):
        logger.warning("%s: a client asked for the path of events, and gets a 403.", request_line(request))
        raise MalformedEvent("The path is for events alone.", status_code=403)


@lru_cache(maxsize=8)
def _guard(root_path: str, path: str, prefix: str) -> PathGuard:
    return PathGuard(path and root_path + path, prefix=prefix and root_path + prefix)
