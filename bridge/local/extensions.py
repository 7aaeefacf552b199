"""The Extensions API: external extensions, which are processes, and internal ones, which the runtime registers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
Statuses, error types and the telemetry stubs are those of AWS's emulator.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence

from bridge.local.http import Reply, Request
from bridge.local.invocation import Failure
from bridge.testing.setup import ACCOUNT
from bridge.testing.strict_json import strict_json

__all__ = ["ACCEPTED", "Extensions", "refusal"]

ACCEPTED = Reply(202, b'{"status":"OK"}\n')

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html does not have it: the emulator's.
_MAX_EXTENSIONS = 10

_API = "/2020-01-01/extension/"

# Errors by the path that reports them, and by the path of a stub what the emulator says instead of sending telemetry.
_REPORTS = {_API + "init/error": "Extension.InitError", _API + "exit/error": "Extension.ExitError"}
_STUBS = {"/2022-07-01/telemetry": "Telemetry", "/2020-08-15/logs": "Logs"}


def refusal(status: int, error_type: str, message: str) -> Reply:
    """Return a reply with an error, in the shape that both APIs have."""
    return Reply(status, json.dumps({"errorMessage": message, "errorType": error_type}).encode())


class _Extension:
    def __init__(self, name: str, events: frozenset[str]) -> None:
        self.name, self.events = name, events
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_polling = False


class Extensions:
    """The extensions of one environment. `external`: the names of those that must register before the runtime starts.

    `polled`: called when one asks for its next event. `failed`: called when one reports that it has failed.
    `are_registered`: set when all external ones have registered, or are not waited for any more.
    """

    def __init__(
        self,
        external: Sequence[str],
        about: dict[str, str],
        *,
        has_invocations: bool,
        polled: Callable[[], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self._external, self._about = frozenset(external), about
        self._has_invocations = has_invocations
        self._polled, self._failed = polled, failed
        self._by_id: dict[str, _Extension] = {}
        self._is_closed = False
        self.are_registered = asyncio.Event()
        self._note_registered()

    def __bool__(self) -> bool:
        return bool(self._by_id)

    @property
    def missing(self) -> list[str]:
        """The names of the external extensions that have not registered."""
        return sorted(self._external - {each.name for each in self._by_id.values()})

    @property
    def are_idle(self) -> bool:
        """Whether all wait for their next event: those without INVOKE do so since the init phase."""
        return all(each.is_polling for each in self._by_id.values())

    def _note_registered(self) -> None:
        if not self.missing:
            self.are_registered.set()

    def close_registration(self) -> None:
        """Accept no more extensions: the runtime asks for its first event, or for the restore."""
        self._is_closed = True

    def invoke(self, event: dict[str, object]) -> None:
        """Tell those that want to know of an invocation."""
        self._tell({"eventType": "INVOKE", **event})

    def shut_down(self, reason: str, deadline: float) -> set[str]:
        """Tell those that want to know of the end. Return their names. `deadline`: seconds since the epoch."""
        event = {"eventType": "SHUTDOWN", "deadlineMs": int(deadline * 1000), "shutdownReason": reason}
        return self._tell(event)

    def _tell(self, event: dict[str, object]) -> set[str]:
        told = [each for each in self._by_id.values() if event["eventType"] in each.events]
        for extension in told:
            extension.is_polling = False
            extension.waiting.put_nowait(json.dumps(event).encode())
        return {each.name for each in told}

    async def handle(self, request: Request) -> Reply | None:
        """Return the reply to a request; None for one that is not of this API."""
        body = await request.body()
        match request.method, request.path:
            case "POST", "/2020-01-01/extension/register":
                return self._register(request, body)
            case "GET", "/2020-01-01/extension/event/next":
                return await self._next(request)
            case "POST", path if path in _REPORTS:
                return self._report(request, body)
            case "PUT", path if path in _STUBS:
                name = _STUBS[path]
                return refusal(202, f"{name}.NotSupported", f"{name} API is not supported")
        return None

    def _register(self, request: Request, body: bytes) -> Reply:
        name = request.headers.get("lambda-extension-name", "")
        events = _events(body)
        if not name:
            return refusal(403, "Extension.InvalidExtensionName", "Empty extension name")
        if events is None:
            return refusal(403, "InvalidRequestFormat", "Expected an object with a list of events.")
        if (refused := self._refused(name, events)) is not None:
            return refused
        identifier = str(uuid.uuid4())
        self._by_id[identifier] = _Extension(name, events)
        self._note_registered()
        features = request.headers.get("lambda-extension-accept-feature", "")
        account = {"accountId": ACCOUNT} if "accountId" in map(str.strip, features.split(",")) else {}
        headers = (("content-type", "application/json"), ("lambda-extension-identifier", identifier))
        return Reply(200, json.dumps(self._about | account).encode(), headers)

    def _refused(self, name: str, events: frozenset[str]) -> Reply | None:
        known = {each.name for each in self._by_id.values()}
        for event in sorted(events):
            if reason := self._unknown_event(name, event):
                return refusal(403, "Extension.InvalidEventType", f"{event}: {reason}")
        if self._is_closed and name not in self._external:
            return refusal(403, "Extension.RegistrationClosed", "Extension registration closed already")
        if name in known:
            return refusal(403, "Extension.InvalidExtensionState", "Extension with this name already registered")
        if len(known) == _MAX_EXTENSIONS:
            return refusal(403, "Extension.TooManyExtensions", f"Extension limit ({_MAX_EXTENSIONS}) reached")
        return None

    def _unknown_event(self, name: str, event: str) -> str:
        if event == "SHUTDOWN":
            return "" if name in self._external else "ShutdownEventNotSupportedForInternalExtension"
        return "" if event == "INVOKE" and self._has_invocations else "ErrorInvalidEventType"

    async def _next(self, request: Request) -> Reply:
        """Wait for the next event of an extension."""
        extension = self._extension(request)
        if isinstance(extension, Reply):
            return extension
        extension.is_polling = True
        self._polled()
        event = await extension.waiting.get()
        headers = (("content-type", "application/json"), ("lambda-extension-event-identifier", str(uuid.uuid4())))
        return Reply(200, event, headers)

    def _report(self, request: Request, body: bytes) -> Reply:
        header = "Lambda-Extension-Function-Error-Type"
        error_type = request.headers.get(header.lower(), "")
        missing = None if error_type else refusal(403, "Extension.MissingHeader", f"{header} not found")
        extension = self._extension(request, missing)
        if isinstance(extension, Reply):
            return extension
        text = body.decode("utf-8", "replace")[:500]
        self._failed(Failure(_REPORTS[request.path], f"The extension {extension.name} says {error_type}: {text}"))
        return ACCEPTED

    def _extension(self, request: Request, refused: Reply | None = None) -> _Extension | Reply:
        """Return the extension that asks. `refused`: what even a known one gets."""
        identifier = request.headers.get("lambda-extension-identifier", "")
        if not identifier:
            message = "Missing Lambda-Extension-Identifier header"
            return refusal(403, "Extension.MissingExtensionIdentifier", message)
        try:
            identifier = str(uuid.UUID(identifier))
        except ValueError:
            return refusal(403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
        unknown = refusal(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")
        return refused if refused is not None else self._by_id.get(identifier, unknown)


def _events(body: bytes) -> frozenset[str] | None:
    """Return the names of the events; None for what is not a request to register."""
    try:
        document = strict_json(body)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    events = document.get("events") or []
    is_list = isinstance(events, list) and all(isinstance(event, str) for event in events)
    return frozenset(events) if is_list else None
