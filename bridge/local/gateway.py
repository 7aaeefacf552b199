"""The gateway: services in front of a pool of environments, and what the inspector can do with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Protocol, Self, cast

from bridge.local.answer import Answer
from bridge.local.history import History
from bridge.local.invocation import Invocation
from bridge.local.pool import Pool
from bridge.local.services import Front, Sent
from bridge.local.settings import AnySource, FunctionSettings, SourceSettings, WebSocketSettings
from bridge.local.websocket.front import WebSocketFront
from bridge.testing.messages import ClientRequest, Refused
from bridge.testing.services import ServiceName, service_of

__all__ = ["EnvironmentView", "Gateway"]


class EnvironmentView(Protocol):
    """One execution environment, for a page that shows it.

    `state`: "starting", "snapshot" (before restore/next), "idle", "frozen", "busy", "stopping" or "stopped". `pid`:
    None before it runs. `log`: the last lines of its output, also those outside of invocations.
    """

    @property
    def number(self) -> int: ...

    @property
    def state(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    @property
    def log(self) -> list[str]: ...


def _silent(number: int, lines: Sequence[str]) -> None:
    """Echo nothing."""


class Gateway:
    """A function behind `sources`, on one event loop. `echo`: called with an environment's number and lines.

    `history` has the record of each invocation. Nothing runs before the `running` block, or after it.
    """

    def __init__(
        self,
        function: FunctionSettings,
        sources: Sequence[AnySource] = (),
        *,
        echo: Callable[[int, Sequence[str]], None] = _silent,
    ) -> None:
        self.function = function
        self.sources = tuple(sources)
        self.history = History()
        services = [source for source in self.sources if isinstance(source, SourceSettings)]
        self.fronts = {source.name: Front(source, self.submit) for source in services}
        apis = [source for source in self.sources if isinstance(source, WebSocketSettings)]
        self.websocket = WebSocketFront(apis[0], self.submit) if apis else None
        self._pool = Pool(function, echo=echo)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """End all environments after the block. With SnapStart the first one starts, up to its snapshot."""
        if self.function.snapstart:
            self._pool.prepare()
        try:
            yield self
        finally:
            await self.close()

    async def close(self) -> None:
        """End all environments. What waits for them gets the service's error. Idempotent."""
        await self._pool.close()

    @property
    def environments(self) -> Sequence[EnvironmentView]:
        """The environments that run, the oldest first."""
        return list(self._pool.environments)

    def submit(self, invocation: Invocation) -> Answer:
        """Invoke the function, and return the answer on its way. It must be read, or left."""
        answer = Answer(invocation, self.history.changed)
        answer.changed()
        self._pool.submit(answer)
        return answer

    async def invoke(self, event: bytes, *, client_context: str = "", replay_of: str | None = None) -> Invocation:
        """Invoke the function with an event (JSON), and return its record when the response is whole."""
        invocation = Invocation(source="invoke", event=event, client_context=client_context, replay_of=replay_of)
        await self.submit(invocation).whole()
        return invocation

    async def request(self, request: ClientRequest, source: ServiceName, *, replay_of: str | None = None) -> Sent:
        """Send a request through a service, which need not be one of `sources`. Return when the response is whole.

        Its `parts` are None: the record has what the function streamed. Its `invocation` is None if the service itself
        refuses the request.
        """
        sent = await self._front(source).send(request, replay_of=replay_of)
        if sent.parts is not None:
            async with aclosing(sent.parts) as parts:
                async for _ in parts:
                    pass
        return replace(sent, parts=None)

    def _front(self, source: ServiceName) -> Front:
        return self.fronts.get(source) or Front(self._like(source), self.submit)

    def _like(self, source: ServiceName) -> SourceSettings:
        """Return the settings of a source that has no port: it streams if the function does, and it can."""
        return SourceSettings(name=source, is_streamed=self.function.is_streamed and service_of(source).streams)

    async def replay(self, id: str, *, source: ServiceName | None = None) -> Invocation:
        """Repeat an invocation, through another service if `source` says so.

        Raises KeyError for an unknown id, ValueError for a source with an event that had no request, and Refused if the
        service itself refuses the request.
        """
        old = self.history.get(id)
        if old is None:
            raise KeyError(id)
        if old.request is None:
            if source is not None:
                raise ValueError("An event has no request that another source could send.")
            if self.websocket is not None and old.source == "websocket":
                return await self.websocket.invoke(json.loads(old.event), replay_of=id)
            return await self.invoke(old.event, client_context=old.client_context, replay_of=id)
        before = cast("ServiceName", old.source)  # what has a request came from a service
        name = source or before
        request = self._front(name).moved(old.request, self._front(before))
        sent = await self.request(request, name, replay_of=id)
        if sent.invocation is None:
            raise Refused(sent.response)
        return sent.invocation

    def reload(self) -> None:
        """Start a new environment now, and end the others, each after the invocations that it has."""
        self._pool.drain()
        self._pool.prepare()

    async def cold_start(self) -> None:
        """End the environments; those with an invocation end after it. The next invocation starts a new one."""
        self._pool.drain()

    async def freeze(self) -> None:
        """Stop the processes of all idle environments until their next invocation."""
        self._pool.freeze()

    async def restore(self) -> None:
        """End the environments, and take a new snapshot. The next invocation is the first after its restore.

        Raises ValueError without SnapStart.
        """
        if not self.function.snapstart:
            raise ValueError("The function has no SnapStart: start the gateway with --snapstart.")
        self.reload()
