"""A gateway from its start to its end: its sockets, its web server, and what watches its files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from bridge.local.gateway import Gateway
from bridge.local.invocation import Invocation
from bridge.local.reload import watch_files
from bridge.local.server import GatewayApp, make_server, open_sockets
from bridge.local.settings import FunctionSettings, SourceSettings
from bridge.local.tasks import Tasks

__all__ = ["Listener", "run"]


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Whom the gateway tells what happens: its sources with their ports, lines of output, answers, and reloads."""

    started: Callable[[Sequence[SourceSettings]], None]
    line: Callable[[int, str], None]
    answered: Callable[[Invocation], None]
    reloaded: Callable[[Sequence[str]], None]


async def run(
    function: FunctionSettings,
    sources: Sequence[SourceSettings],
    listener: Listener,
    *,
    host: str = "127.0.0.1",
    reloads: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError if a port is taken."""
    sockets = open_sockets(host, [source.port for source in sources])
    ports = [each.getsockname()[1] for each in sockets]
    bound = [replace(source, port=port) for source, port in zip(sources, ports, strict=True)]
    gateway = Gateway(function, bound, echo=listener.line)

    def reload(paths: Sequence[str]) -> None:
        listener.reloaded(paths)
        gateway.reload()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        tasks = Tasks()
        async with gateway.running():
            tasks.start(_report(gateway, listener.answered), name="report")
            if reloads:
                tasks.start(watch_files(function.folder, reload), name="reload")
            listener.started(bound)
            try:
                yield
            finally:
                await tasks.close()

    await make_server(GatewayApp(gateway, ports, lifespan=lifespan)).serve(sockets)


async def _report(gateway: Gateway, answered: Callable[[Invocation], None]) -> None:
    """Call `answered` with each invocation once, when its response is whole."""
    reported: set[str] = set()
    with gateway.history.subscribe() as subscription:
        async for batch in subscription:
            for invocation in batch:
                is_answered = invocation.response is not None or invocation.source == "invoke"
                if invocation.timeline.end is not None and is_answered and invocation.id not in reported:
                    answered(invocation)
                    reported.add(invocation.id)
                if invocation.status == "done" and is_answered:
                    reported.discard(invocation.id)
