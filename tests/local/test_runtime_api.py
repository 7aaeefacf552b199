"""The Runtime API on the wire: every route, also with what a runtime does wrong."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator

import pytest

from bridge.local.invocation import Failure
from tests.local.runtime_api_peer import LIMIT, Api, path_of, read_reply, running_api


@pytest.fixture
async def api(anyio_backend: str) -> AsyncIterator[Api]:
    async with running_api() as api:
        yield api


async def test_a_whole_result(api: Api) -> None:
    answer = await api.begin(b'{"a": 1}')
    status, _, _ = await api.ask(path_of(answer), "Content-Type: application/json", body=b'"done"')
    assert (status, await answer.whole(), answer.failure) == (202, b'"done"', None)
    assert answer.invocation.content_type == "application/json"


async def test_a_second_answer(api: Api) -> None:
    first = await api.begin()
    await api.ask(path_of(first), body=b'"done"')
    for kind in ("response", "error"):
        status, _, body = await api.ask(path_of(first, kind), body=b"again")
        assert (status, json.loads(body)["errorType"]) == (403, "InvalidStateTransition")
    await api.begin()
    status, _, body = await api.ask(path_of(first), body=b"again")
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")
    assert await first.whole() == b'"done"'


async def test_a_response_mode_that_does_not_exist_fails_the_invocation(api: Api) -> None:
    answer = await api.begin()
    status, _, body = await api.ask(path_of(answer), "Lambda-Runtime-Function-Response-Mode: other", body=b"{}")
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidFunctionResponseMode")
    async with asyncio.timeout(LIMIT):
        await answer.whole()
    assert answer.failure is not None
    assert answer.failure.error_type == "Runtime.InvalidResponseModeHeader"


async def test_what_the_runtime_gets_with_an_event(api: Api) -> None:
    """Lambda passes a trace id on with all its fields, makes one where there is none, and names what was invoked."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:shop"
    for sent, qualifier, pattern, invoked in [
        ("", "", r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", arn),
        ("Root=1;Sampled=1;x=y", "live", r"Root=1;Sampled=1;x=y;Parent=[0-9a-f]{16}", f"{arn}:live"),
    ]:
        answer = await api.begin(trace_id=sent, qualifier=qualifier, client_context='{"a": 1}')
        headers = api.headers
        assert re.fullmatch(pattern, headers["lambda-runtime-trace-id"])
        assert headers["lambda-runtime-invoked-function-arn"] == invoked
        assert headers["lambda-runtime-client-context"] == '{"a": 1}'
        assert headers["lambda-runtime-invocation-id"] == answer.invocation.id
        assert headers["content-type"] == "application/json"
        await api.ask(path_of(answer), body=b"{}")


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
    assert (await read_reply(reader))[0] == 100
    writer.write(b"{}")
    assert (await read_reply(reader))[0] == 202
    writer.close()
    assert await answer.whole() == b"{}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"errorType": "ValueError", "errorMessage": "no"}', ("ValueError", "no")),
        (b"not JSON", ("Function.X", "not JSON")),
        (b"[]", ("Function.X", "[]")),
        pytest.param(b"[" * 100_000, ("Function.X", "[" * 500), id="deep"),
        ("{}".encode("utf-16-le"), ("Function.X", "{\0}\0")),
    ],
)
async def test_an_error(body: bytes, expected: tuple[str, str], api: Api) -> None:
    answer = await api.begin()
    status, _, _ = await api.ask(path_of(answer, "error"), "Lambda-Runtime-Function-Error-Type: Function.X", body=body)
    assert (status, await answer.whole()) == (202, b"")
    assert answer.failure is not None
    assert (answer.failure.error_type, answer.failure.message) == expected


async def report(api: Api, phase: str) -> int:
    """Report an error of a phase, and return the status of the answer."""
    body = json.dumps({"errorType": "Runtime.X", "errorMessage": phase}).encode()
    status, _, _ = await api.ask(f"POST /2018-06-01/runtime/{phase}/error", body=body)
    if status == 202:
        assert api.environment.seen[-1] == Failure("Runtime.X", phase, body)
    return status


async def test_a_restore_and_the_errors_before_and_after_it(anyio_backend: str) -> None:
    async with running_api(snapstart=True) as api:
        before = [await report(api, "init"), await report(api, "restore")]
        waiting = asyncio.ensure_future(api.ask("GET /2018-06-01/runtime/restore/next"))
        await api.environment.wait_for("snapshot")
        assert not waiting.done()
        api.api.restore()
        assert (await waiting)[0] == 200
        after = [await report(api, "init"), await report(api, "restore")]
        await api.begin()
        at_last = [await report(api, "init"), await report(api, "restore")]
    assert (before, after, at_last) == ([202, 403], [202, 202], [403, 403])


async def test_a_snapshot_is_taken_when_all_extensions_wait(anyio_backend: str) -> None:
    async with running_api(snapstart=True) as api:
        name = "Lambda-Extension-Name: inner"
        _, headers, _ = await api.ask("POST /2020-01-01/extension/register", name, body=b"{}")
        waiting = asyncio.ensure_future(api.ask("GET /2018-06-01/runtime/restore/next"))
        identifier = f"Lambda-Extension-Identifier: {headers['lambda-extension-identifier']}"
        polling = asyncio.ensure_future(api.ask("GET /2020-01-01/extension/event/next", identifier))
        await api.environment.wait_for("snapshot")
        await api.environment.wait_for("polled")
        assert api.environment.seen.count("snapshot") == 1
        api.api.restore()
        assert (await waiting)[0] == 200
        polling.cancel()


async def test_without_snapstart_there_is_no_restore(api: Api) -> None:
    assert await report(api, "restore") == 404
    assert (await api.ask("GET /2018-06-01/runtime/restore/next"))[0] == 404
    assert await report(api, "init") == 202


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


async def test_a_runtime_that_asks_again_gets_the_same_event_until_it_answers(api: Api) -> None:
    answer = await api.begin(b'{"a": 1}')
    status, headers, body = await api.ask("GET /2018-06-01/runtime/invocation/next")
    assert (status, headers["lambda-runtime-aws-request-id"], body) == (200, answer.invocation.id, b'{"a": 1}')
    _, writer = await api.connect()
    writer.write(f"{path_of(answer)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel".encode())
    await answer.started()
    status, _, body = await api.ask("GET /2018-06-01/runtime/invocation/next")
    assert (status, json.loads(body)["errorType"]) == (403, "InvalidStateTransition")
    writer.close()


async def test_an_answer_after_the_timeout_is_gone(api: Api) -> None:
    answer = await api.begin()
    api.api.open.clear()
    api.api.timed_out.add(answer.invocation.id)
    assert (await api.ask(path_of(answer), body=b"{}"))[0] == 410
