"""A gateway from its start to its end: its sockets, its web server, and what watches its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from starlette.routing import Mount

from bridge.local.front_app import Kept
from bridge.local.gateway import Gateway
from bridge.local.inspector import Inspector
from bridge.local.invocation import Invocation
from bridge.local.server import INSPECTOR, GatewayApp, WebServer, open_sockets
from bridge.local.settings import AnySource, FunctionSettings
from bridge.local.tasks import Tasks

__all__ = ["GatewayServer", "Listener"]


def _ignore(*arguments: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Whom the gateway tells what happens: that it runs, output, whole answers, changed files, and a delayed end.

    `kept`: a response that a service gave without the function.
    """

    started: Callable[[], None] = _ignore
    lines: Callable[[int, Sequence[str]], None] = _ignore
    answered: Callable[[Invocation], None] = _ignore
    kept: Kept = _ignore
    reloaded: Callable[[Sequence[str]], None] = _ignore
    waits: Callable[[], None] = _ignore


class GatewayServer:
    """A gateway that listens. `gateway.sources` have the ports. Raises OSError if one is taken."""

    def __init__(
        self,
        function: FunctionSettings,
        sources: Sequence[AnySource],
        listener: Listener,
        *,
        host: str = "127.0.0.1",
        reloads: bool = False,
    ) -> None:
        self._listener, self._reloads = listener, reloads
        self._sockets = open_sockets(host, [source.port for source in sources])
        ports = [each.getsockname()[1] for each in self._sockets]
        bound = [replace(source, port=port) for source, port in zip(sources, ports, strict=True)]
        self.gateway = Gateway(function, bound, echo=listener.lines)
        inspector = Inspector(self.gateway, is_closing=lambda: self._server.should_exit)
        app = GatewayApp(self.gateway, ports, inspector=[Mount(INSPECTOR, inspector)], kept=listener.kept)
        self._server = WebServer(app, self.gateway, waits=listener.waits)

    async def serve(self) -> None:
        """Serve until `stop`, or SIGINT or SIGTERM, which the process gets again in the end."""
        tasks = Tasks()
        async with self.gateway.running():
            tasks.start(self._report(), name="report")
            if self._reloads:
                from bridge.local.reload import watch_files  # a tenth of the start that only --reload needs

                tasks.start(watch_files(self.gateway.function.folder, self._reload), name="reload")
            self._listener.started()
            try:
                await self._server.serve(self._sockets)
            finally:
                await tasks.close()

    def stop(self) -> None:
        """End `serve`. From any thread."""
        self._server.should_exit = True

    def _reload(self, paths: Sequence[str]) -> None:
        self._listener.reloaded(paths)
        self.gateway.reload()

    async def _report(self) -> None:
        """Tell of each invocation once, when its response is whole."""
        reported: set[str] = set()
        with self.gateway.history.subscribe() as subscription:
            async for batch in subscription:
                for invocation in batch:
                    is_answered = invocation.timeline.end is not None and invocation.has_response
                    if is_answered and invocation.id not in reported:
                        self._listener.answered(invocation)
                        reported.add(invocation.id)
                    if invocation.status == "done" and is_answered:
                        reported.discard(invocation.id)
