"""The Runtime API on the wire: every route, also with what a runtime does wrong."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from bridge.local.answer import Answer
from bridge.local.invocation import Failure, Invocation
from bridge.local.runtime_api import RuntimeApi

LIMIT = 30.0


class RecordingEnvironment:
    """An environment that only notes what happens."""

    is_concurrent = False

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
            return await _reply(reader)
        finally:
            writer.close()

    async def begin(self, event: bytes = b"{}") -> Answer:
        """Give an event to a poll, and return its answer."""
        answer = Answer(Invocation(source="invoke", event=event, trace_id="Root=1"), lambda _: None)
        self.environment.seen.clear()
        poll = asyncio.ensure_future(self.ask("GET /2018-06-01/runtime/invocation/next"))
        await self.environment.wait_for("polled")
        self.api.hand_over(answer, 1234.5)
        status, headers, body = await poll
        assert (status, body) == (200, event)
        assert headers["lambda-runtime-aws-request-id"] == answer.invocation.id
        assert (headers["lambda-runtime-deadline-ms"], headers["lambda-runtime-trace-id"]) == ("1234500", "Root=1")
        return answer


async def _reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))


@pytest.fixture
async def api(anyio_backend: str) -> AsyncIterator[Api]:
    environment = RecordingEnvironment()
    runtime_api = RuntimeApi(environment, name="shop", handler="shop.app")
    yield Api(environment, runtime_api, await runtime_api.start())
    await runtime_api.close()


def path_of(answer: Answer, kind: str = "response") -> str:
    return f"POST /2018-06-01/runtime/invocation/{answer.invocation.id}/{kind}"


async def test_a_whole_result(api: Api) -> None:
    answer = await api.begin(b'{"a": 1}')
    status, _, _ = await api.ask(path_of(answer), "Content-Type: application/json", body=b'"done"')
    assert (status, await answer.whole(), answer.failure) == (202, b'"done"', None)
    assert answer.invocation.content_type == "application/json"
    assert (await api.ask(path_of(answer), body=b"again"))[0] == 400


async def test_a_stream_and_the_trailers_that_say_how_it_broke(api: Api) -> None:
    answer = await api.begin()
    document = base64.b64encode(b'{"errorType": "ValueError", "errorMessage": "no"}').decode()
    body = b"5\r\nhello\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.X\r\n"
    body += f"Lambda-Runtime-Function-Error-Body: {document}\r\n\r\n".encode()
    headers = ["Transfer-Encoding: chunked", "Lambda-Runtime-Function-Response-Mode: streaming"]
    status, _, _ = await api.ask(path_of(answer), *headers, body=body)
    assert (status, await answer.whole(), answer.invocation.is_streamed) == (202, b"hello", True)
    assert answer.failure is not None
    assert (answer.failure.error_type, answer.failure.message) == ("ValueError", "no")


async def test_a_connection_that_ends_in_the_middle_is_a_truncated_response(api: Api) -> None:
    answer = await api.begin()
    _, writer = await api.connect()
    writer.write(f"{path_of(answer)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel".encode())
    await answer.started()
    writer.close()
    assert await answer.whole() in (b"hel", b"")
    assert answer.failure is not None
    assert answer.failure.error_type == "Runtime.TruncatedResponse"


async def test_a_result_that_is_too_large(api: Api) -> None:
    answer = await api.begin()
    reading = asyncio.ensure_future(answer.whole())
    status, _, body = await api.ask(path_of(answer), body=bytes(6_291_557))
    await reading
    assert (status, json.loads(body)["errorType"]) == (413, "RequestEntityTooLarge")
    assert answer.failure is not None
    assert answer.failure.error_type == "Function.ResponseSizeTooLarge"


async def test_a_body_that_waits_to_be_asked_for(api: Api) -> None:
    """libcurl, which awslambdaric has, sends such a header with a result of more than 1 MB."""
    answer = await api.begin()
    reader, writer = await api.connect()
    writer.write(f"{path_of(answer)} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode())
    assert (await _reply(reader))[0] == 100
    writer.write(b"{}")
    assert (await _reply(reader))[0] == 202
    writer.close()
    assert await answer.whole() == b"{}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"errorType": "ValueError", "errorMessage": "no"}', ("ValueError", "no")),
        (b"not JSON", ("Function.X", "not JSON")),
        (b"[]", ("Function.X", "[]")),
    ],
)
async def test_an_error(body: bytes, expected: tuple[str, str], api: Api) -> None:
    answer = await api.begin()
    status, _, _ = await api.ask(path_of(answer, "error"), "Lambda-Runtime-Function-Error-Type: Function.X", body=body)
    assert (status, await answer.whole()) == (202, b"")
    assert answer.failure is not None
    assert (answer.failure.error_type, answer.failure.message) == expected


async def test_errors_of_the_init_phase_and_of_a_restore(api: Api) -> None:
    for phase in ("init", "restore"):
        body = json.dumps({"errorType": "Runtime.X", "errorMessage": phase}).encode()
        status, _, _ = await api.ask(f"POST /2018-06-01/runtime/{phase}/error", body=body)
        assert status == 202
        assert api.environment.seen[-1] == Failure("Runtime.X", phase, body)


async def test_the_restore_is_answered_when_it_comes(api: Api) -> None:
    waiting = asyncio.ensure_future(api.ask("GET /2018-06-01/runtime/restore/next"))
    await api.environment.wait_for("snapshot")
    assert not waiting.done()
    api.api.restore()
    assert (await waiting)[0] == 200


async def test_a_poll_whose_runtime_has_left_gets_no_event(api: Api) -> None:
    _, writer = await api.connect()
    writer.write(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
    await api.environment.wait_for("polled")
    writer.close()
    async with asyncio.timeout(LIMIT):
        while api.api.polls:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await api.begin()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /2018-06-01/runtime/invocation/next", 403),  # the last one has no answer
        ("POST /2018-06-01/runtime/invocation/unknown/response", 400),
        ("GET /elsewhere", 404),
        ("GET /2020-01-01/extension/event/next", 403),
        ("POST /2020-01-01/extension/register", 403),  # without a name
    ],
)
async def test_what_is_refused(request_line: str, status: int, api: Api) -> None:
    await api.begin()
    found, _, body = await api.ask(request_line)
    assert (found, set(json.loads(body))) == (status, {"errorMessage", "errorType"})


async def test_an_answer_after_the_timeout_is_gone(api: Api) -> None:
    answer = await api.begin()
    api.api.open.clear()
    api.api.timed_out.add(answer.invocation.id)
    assert (await api.ask(path_of(answer), body=b"{}"))[0] == 410


async def test_an_extension_hears_of_invocations_and_delays_the_next_one(api: Api) -> None:
    name = "Lambda-Extension-Name: inner"
    status, headers, body = await api.ask("POST /2020-01-01/extension/register", name, body=b'{"events": ["INVOKE"]}')
    assert (status, json.loads(body)["functionName"]) == (200, "shop")
    idle = [api.api.extensions.are_idle]
    identifier = f"Lambda-Extension-Identifier: {headers['lambda-extension-identifier']}"
    waiting = asyncio.ensure_future(api.ask("GET /2020-01-01/extension/event/next", identifier))
    await api.environment.wait_for("polled")
    idle.append(api.api.extensions.are_idle)
    api.environment.seen.clear()
    answer = await api.begin()
    event = json.loads((await waiting)[2])
    assert (event["eventType"], event["requestId"]) == ("INVOKE", answer.invocation.id)
    idle.append(api.api.extensions.are_idle)
    assert idle == [False, True, False]


@pytest.mark.parametrize("body", [b'{"events": ["SHUTDOWN"]}', b"[]", b"{", b'{"events": 1}'])
async def test_an_extension_that_cannot_be(body: bytes, api: Api) -> None:
    status, _, _ = await api.ask("POST /2020-01-01/extension/register", "Lambda-Extension-Name: x", body=body)
    assert status in (400, 403)
