"""What the inspector uses of a gateway. `Gateway` has all of it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from bridge.local.gateway import EnvironmentView
from bridge.local.history import History
from bridge.local.invocation import Invocation
from bridge.local.services import Sent
from bridge.local.settings import AnySource, FunctionSettings
from bridge.testing.messages import ClientRequest
from bridge.testing.services import ServiceName

__all__ = ["Inspected"]


class Inspected(Protocol):
    """All of it is used on the gateway's event loop. `Gateway` says what each method does."""

    history: History
    function: FunctionSettings
    sources: tuple[AnySource, ...]

    @property
    def environments(self) -> Sequence[EnvironmentView]: ...

    def invoke(self, event: bytes, *, replay_of: str | None = None) -> Coroutine[Any, Any, Invocation]: ...

    def request(
        self, request: ClientRequest, source: ServiceName, *, replay_of: str | None = None
    ) -> Coroutine[Any, Any, Sent]: ...

    def replay(self, id: str, *, source: ServiceName | None = None) -> Coroutine[Any, Any, Invocation]: ...

    async def cold_start(self) -> None: ...

    async def freeze(self) -> None: ...

    async def restore(self) -> None: ...
