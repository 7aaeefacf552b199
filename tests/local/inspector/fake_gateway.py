"""A gateway without processes, and records that are made by hand."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from bridge.local.history import History
from bridge.local.inspector import Inspector
from bridge.local.invocation import Failure, Invocation, LogLine, Part
from bridge.local.services import Sent
from bridge.local.settings import AnySource, FunctionSettings, SourceSettings
from bridge.testing.messages import ClientRequest, ClientResponse, Refused
from bridge.testing.services import ServiceName, service_of
from bridge.testing.setup import Setup

__all__ = ["HOST", "FakeEnvironment", "FakeGateway", "ask", "event_record", "record", "request"]

HOST = "127.0.0.1:3000"


@dataclass
class FakeEnvironment:
    number: int = 1
    state: str = "idle"
    pid: int | None = 77
    log: list[str] = field(default_factory=lambda: ["ready"])


class FakeGateway:
    """It answers every request with what `record` makes, and notes in `did` what else was asked of it."""

    def __init__(self, *invocations: Invocation, **settings: Any) -> None:
        self.history = History()
        self.function = FunctionSettings(target="shop:app", **settings)
        self.sources: tuple[AnySource, ...] = (
            SourceSettings(name="function-url", port=3000),
            SourceSettings(name="rest-api", stage="prod"),
        )
        self.environments: list[FakeEnvironment] = [FakeEnvironment()]
        self.did: list[Any] = []
        for invocation in invocations:
            self.history.changed(invocation)

    def _add(self, invocation: Invocation, replay_of: str | None) -> Invocation:
        invocation.replay_of = replay_of
        self.history.changed(invocation)
        return invocation

    async def invoke(self, event: bytes, *, replay_of: str | None = None) -> Invocation:
        self.did.append(json.loads(event))
        return self._add(event_record(event), replay_of)

    async def request(self, request: ClientRequest, source: ServiceName, *, replay_of: str | None = None) -> Sent:
        self.did.append((source, request))
        if request.path == "/refused":
            return Sent(ClientResponse(414, (), b"", ("The path is too long.",)))
        return Sent(ClientResponse(200, ()), None, self._add(record(request, source=source), replay_of))

    async def replay(self, id: str, *, source: ServiceName | None = None) -> Invocation:
        old = self.history.get(id)
        assert old is not None
        self.did.append(("replay", source))
        if old.request is None:
            return await self.invoke(old.event, replay_of=id)
        if old.request.path == "/refused":
            raise Refused(ClientResponse(414, (), b"", ("The path is too long.",)))
        return self._add(record(old.request, source=source or "function-url"), id)

    async def cold_start(self) -> None:
        self.did.append("cold start")

    async def freeze(self) -> None:
        self.did.append("freeze")

    async def restore(self) -> None:
        if not self.function.snapstart:
            raise ValueError("The function has no SnapStart.")
        self.did.append("restore")


def request(method: str = "GET", target: str = "/", *headers: tuple[str, str], body: bytes = b"") -> ClientRequest:
    return ClientRequest(method=method, target=target, headers=(("Host", HOST), *headers), body=body)


def record(
    request: ClientRequest,
    *,
    source: ServiceName = "function-url",
    status: int = 200,
    body: bytes = b'{"a": 1}',
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),),
    log: str = "",
) -> Invocation:
    """Return an invocation that is over."""
    event = service_of(source).event_for(request, Setup(stage="prod" if source == "rest-api" else ""))
    invocation = Invocation(source=source, event=json.dumps(event).encode(), request=request)
    invocation.response = ClientResponse(status, headers, body)
    invocation.result = bytearray(json.dumps({"statusCode": status, "body": body.decode("latin-1")}).encode())
    invocation.result_size = len(invocation.result)
    invocation.started, invocation.environment = "warm", 1
    _finish(invocation, log)
    return invocation


def event_record(event: bytes, *, failure: Failure | None = None, log: str = "") -> Invocation:
    invocation = Invocation(source="invoke", event=event, failure=failure)
    invocation.result, invocation.result_size = bytearray(b'"done"'), 6
    _finish(invocation, log)
    return invocation


def _finish(invocation: Invocation, log: str) -> None:
    invocation.status = "done"
    line = invocation.timeline
    line.assigned, line.start, line.first_byte, line.end, line.idle = 0.001, 0.002, 0.010, 0.040, 0.050
    line.parts = [Part(0.010, 4), Part(0.030, 4)]
    invocation.logs = [LogLine(0.003, text) for text in log.splitlines()]


def ask(
    gateway: FakeGateway,
    path: str,
    *,
    form: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    client: str = "127.0.0.1",
    method: str | None = None,
    raises: bool = True,
) -> httpx.Response:
    """Return the inspector's answer: to a POST if there is a form. `raises`: what the inspector raises."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(Inspector(gateway), client=(client, 50000), raise_app_exceptions=raises)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as http:
            chosen = method or ("GET" if form is None else "POST")
            return await http.request(chosen, path, data=form, headers=headers)

    return asyncio.run(asked())
