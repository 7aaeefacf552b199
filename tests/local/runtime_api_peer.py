"""A client of the Runtime API on the wire, and an environment that notes what the API tells it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bridge.local.answer import Answer
from bridge.local.invocation import Failure, Invocation
from bridge.local.runtime_api import RuntimeApi
from bridge.local.settings import FunctionSettings

__all__ = ["LIMIT", "Api", "path_of", "read_reply", "running_api"]

LIMIT = 30.0


class RecordingEnvironment:
    """An environment that only notes what happens."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.news = asyncio.Event()

    def _note(self, what: Any) -> None:
        self.seen.append(what)
        self.news.set()

    async def wait_for(self, what: Any) -> None:
        async with asyncio.timeout(LIMIT):
            while what not in self.seen:
                self.news.clear()
                await self.news.wait()

    def polled(self) -> None:
        self._note("polled")

    def snapshot_reached(self) -> None:
        self._note("snapshot")

    def answered(self, answer: Answer) -> None:
        self._note("answered")

    def init_failed(self, failure: Failure) -> None:
        self._note(failure)


@dataclass
class Api:
    environment: RecordingEnvironment
    api: RuntimeApi
    address: str
    headers: dict[str, str] = field(default_factory=dict)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.address.partition(":")
        return await asyncio.open_connection(host, int(port))

    async def ask(self, request_line: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        reader, writer = await self.connect()
        head = [f"{request_line} HTTP/1.1", "Host: x", *headers]
        if not any(header.lower().startswith("transfer-encoding") for header in headers):
            head.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        try:
            return await read_reply(reader)
        finally:
            writer.close()

    async def begin(self, event: bytes = b"{}", *, trace_id: str = "Root=1", **fields: Any) -> Answer:
        """Give an event to a poll, and return its answer. `headers` has what the runtime got with it."""
        answer = Answer(Invocation(source="invoke", event=event, trace_id=trace_id, **fields), lambda _: None)
        self.environment.seen.clear()
        poll = asyncio.ensure_future(self.ask("GET /2018-06-01/runtime/invocation/next"))
        await self.environment.wait_for("polled")
        self.api.hand_over(answer, 1234.5)
        status, headers, body = await poll
        self.headers = headers
        assert (status, body) == (200, event)
        assert headers["lambda-runtime-aws-request-id"] == answer.invocation.id
        assert headers["lambda-runtime-deadline-ms"] == "1234500"
        return answer


async def read_reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))


@asynccontextmanager
async def running_api(**options: Any) -> AsyncIterator[Api]:
    environment = RecordingEnvironment()
    runtime_api = RuntimeApi(environment, FunctionSettings(target="shop:app", name="shop", **options))
    yield Api(environment, runtime_api, await runtime_api.start())
    await runtime_api.close()


def path_of(answer: Answer, kind: str = "response") -> str:
    return f"POST /2018-06-01/runtime/invocation/{answer.invocation.id}/{kind}"
