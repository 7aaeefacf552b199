"""The Extensions API for internal extensions: those that the function's own process registers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
Measured with AWS's emulator: they cannot have SHUTDOWN, and one without events never gets an answer to its poll.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable

from bridge.local.http import Reply, Request

__all__ = ["Extensions", "refusal"]


def refusal(status: int, error_type: str, message: str) -> Reply:
    """Return a reply with an error, in the shape that both APIs have."""
    return Reply(status, json.dumps({"errorMessage": message, "errorType": error_type}).encode())


class _Extension:
    def __init__(self, name: str, events: frozenset[str]) -> None:
        self.name, self.events = name, events
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_polling = False


class Extensions:
    """The extensions of one environment. `polled`: called when one asks for its next event."""

    def __init__(self, polled: Callable[[], None]) -> None:
        self._polled = polled
        self._by_id: dict[str, _Extension] = {}

    def __bool__(self) -> bool:
        return bool(self._by_id)

    @property
    def are_idle(self) -> bool:
        """Whether all that are told of invocations wait for the next one."""
        return all(each.is_polling for each in self._by_id.values() if "INVOKE" in each.events)

    def tell(self, event: bytes) -> None:
        """Tell those that want to know of an invocation."""
        for extension in self._by_id.values():
            if "INVOKE" in extension.events:
                extension.is_polling = False
                extension.waiting.put_nowait(event)

    async def register(self, request: Request, about: dict[str, str]) -> Reply:
        """Register an extension. `about`: the function, for the reply."""
        name = request.headers.get("lambda-extension-name", "")
        try:
            document = json.loads(await request.body() or b"{}")
            events = frozenset(str(event) for event in document.get("events", []))
        except (ValueError, AttributeError, TypeError):
            return refusal(400, "InvalidRequestFormat", "Expected an object with a list of events.")
        if not name:
            return refusal(403, "Extension.InvalidExtensionName", "Expected a header Lambda-Extension-Name.")
        if name in {each.name for each in self._by_id.values()}:
            return refusal(403, "Extension.AlreadyRegistered", f"There is an extension called {name!r}.")
        if not events <= {"INVOKE"}:
            return refusal(403, "Extension.InvalidEventType", "An internal extension can have INVOKE alone.")
        identifier = str(uuid.uuid4())
        self._by_id[identifier] = _Extension(name, events)
        headers = (("content-type", "application/json"), ("lambda-extension-identifier", identifier))
        return Reply(200, json.dumps(about).encode(), headers)

    async def next(self, request: Request) -> Reply:
        """Wait for the next event of an extension."""
        extension = self._by_id.get(request.headers.get("lambda-extension-identifier", ""))
        if extension is None:
            return refusal(403, "Extension.UnknownExtensionIdentifier", "Expected the identifier of an extension.")
        await request.body()
        extension.is_polling = True
        self._polled()
        return Reply(200, await extension.waiting.get())
