"""The gateway: services in front of a pool of environments, and what the inspector can do with them."""

from __future__ import annotations

from typing import Protocol

from bridge.local.history import History
from bridge.local.invocation import Invocation
from bridge.local.settings import FunctionSettings, SourceSettings
from bridge.testing.messages import ClientRequest
from bridge.testing.services import ServiceName

__all__ = ["EnvironmentView", "Inspected"]


class EnvironmentView(Protocol):
    """One execution environment, for a page that shows it.

    `state`: "starting", "snapshot" (before restore/next), "idle", "frozen", "busy", "stopping" or "stopped".
    `pid`: None before it runs. `log`: the last lines of its output, also those outside of invocations.
    """

    number: int
    state: str

    @property
    def pid(self) -> int | None: ...

    @property
    def log(self) -> list[str]: ...


class Inspected(Protocol):
    """What the inspector uses of a gateway. All methods are called on the gateway's event loop."""

    history: History
    function: FunctionSettings
    sources: tuple[SourceSettings, ...]

    @property
    def environments(self) -> list[EnvironmentView]:
        """The environments that run, the oldest first."""

    async def invoke(self, event: bytes, *, replay_of: str | None = None) -> Invocation:
        """Invoke the function with an event (JSON), and return its record when the response is whole."""

    async def request(
        self, request: ClientRequest, source: ServiceName, *, replay_of: str | None = None
    ) -> Invocation | None:
        """Send a request through a service, and return its record when the response is whole.

        None if the service itself refuses the request. The service need not be one of `sources`.
        """

    async def replay(self, id: str, *, source: ServiceName | None = None) -> Invocation | None:
        """Repeat an invocation, through another service if `source` says so. Raises KeyError for an unknown id.

        An event from the invoke API has no request: raises ValueError with a source.
        """

    async def cold_start(self) -> None:
        """End the environments; those with an invocation end after it. The next invocation starts a new one."""

    async def freeze(self) -> None:
        """Stop the processes of all idle environments until their next invocation."""

    async def restore(self) -> None:
        """Start a new environment from a snapshot: its init phase, the snapshot, and the restore.

        Raises ValueError without --snapstart.
        """
