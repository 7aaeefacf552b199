"""The Extensions API on the wire: who may register, what they are told, and what is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.local.invocation import Failure
from tests.local.runtime_api_peer import Api, running_api

REGISTER = "POST /2020-01-01/extension/register"
NEXT = "GET /2020-01-01/extension/event/next"


@pytest.fixture
async def api(anyio_backend: str) -> AsyncIterator[Api]:
    async with running_api(extensions=("/opt/extensions/outer",)) as api:
        yield api


async def register(api: Api, name: str, *events: str) -> str:
    """Return the header with the identifier."""
    body = json.dumps({"events": events}).encode()
    status, headers, _ = await api.ask(REGISTER, f"Lambda-Extension-Name: {name}", body=body)
    assert status == 200
    return f"Lambda-Extension-Identifier: {headers['lambda-extension-identifier']}"


def error_type(body: bytes) -> Any:
    return json.loads(body)["errorType"]


async def test_registration_says_which_function_it_is(api: Api) -> None:
    name, feature = "Lambda-Extension-Name: outer", "Lambda-Extension-Accept-Feature: accountId"
    status, _, body = await api.ask(REGISTER, name, feature, body=b"{}")
    expected = {"functionName": "shop", "functionVersion": "$LATEST", "handler": "shop.app"}
    assert (status, json.loads(body)) == (200, {**expected, "accountId": "123456789012"})


async def test_the_runtime_waits_for_external_extensions_to_register(api: Api) -> None:
    extensions = api.api.extensions
    await register(api, "inner")
    assert (extensions.missing, extensions.are_registered.is_set()) == (["outer"], False)
    await register(api, "outer", "SHUTDOWN")
    assert (extensions.missing, extensions.are_registered.is_set()) == ([], True)


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("outer", b'{"events": ["NOTHING"]}', "Extension.InvalidEventType"),
        ("inner", b'{"events": ["SHUTDOWN"]}', "Extension.InvalidEventType"),
        ("", b'{"events": []}', "Extension.InvalidExtensionName"),
        ("outer", b"{", "InvalidRequestFormat"),
        ("outer", b"[]", "InvalidRequestFormat"),
        ("outer", b'{"events": 1}', "InvalidRequestFormat"),
        pytest.param("outer", b"[" * 100_000, "InvalidRequestFormat", id="deep"),
        ("twice", b"{}", "Extension.InvalidExtensionState"),
    ],
)
async def test_an_extension_that_cannot_be(name: str, body: bytes, expected: str, api: Api) -> None:
    await register(api, "twice")
    status, _, answer = await api.ask(REGISTER, f"Lambda-Extension-Name: {name}", body=body)
    assert (status, error_type(answer)) == (403, expected)


async def test_there_are_ten_extensions_at_most(api: Api) -> None:
    for number in range(10):
        await register(api, f"inner-{number}")
    status, _, body = await api.ask(REGISTER, "Lambda-Extension-Name: one-more", body=b"{}")
    assert (status, error_type(body)) == (403, "Extension.TooManyExtensions")


async def test_nobody_registers_after_the_init_phase(api: Api) -> None:
    await api.begin()
    status, _, body = await api.ask(REGISTER, "Lambda-Extension-Name: inner", body=b"{}")
    assert (status, error_type(body)) == (403, "Extension.RegistrationClosed")


async def test_managed_instances_tell_extensions_of_no_invocation(anyio_backend: str) -> None:
    async with running_api(concurrency=8) as api:
        status, _, body = await api.ask(REGISTER, "Lambda-Extension-Name: x", body=b'{"events": ["INVOKE"]}')
    assert (status, error_type(body)) == (403, "Extension.InvalidEventType")


async def test_an_extension_hears_of_invocations_and_delays_the_next_one(api: Api) -> None:
    identifier = await register(api, "inner", "INVOKE")
    idle = [api.api.extensions.are_idle]
    waiting = asyncio.ensure_future(api.ask(NEXT, identifier))
    await api.environment.wait_for("polled")
    idle.append(api.api.extensions.are_idle)
    answer = await api.begin()
    _, headers, body = await waiting
    event = json.loads(body)
    trace = event.pop("tracing")
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:shop"
    expected = {"eventType": "INVOKE", "deadlineMs": 1234500, "requestId": answer.invocation.id}
    assert event == {**expected, "invokedFunctionArn": arn}
    assert (trace["type"], trace["value"][:7]) == ("X-Amzn-Trace-Id", "Root=1;")
    assert "lambda-extension-event-identifier" in headers
    idle.append(api.api.extensions.are_idle)
    assert idle == [False, True, False]


async def test_the_end_is_told_to_those_that_want_to_know(api: Api) -> None:
    outer = await register(api, "outer", "SHUTDOWN")
    await register(api, "inner", "INVOKE")
    waiting = asyncio.ensure_future(api.ask(NEXT, outer))
    await api.environment.wait_for("polled")
    assert api.api.extensions.shut_down("spindown", 12.5) == {"outer"}
    event = json.loads((await waiting)[2])
    assert event == {"eventType": "SHUTDOWN", "deadlineMs": 12500, "shutdownReason": "spindown"}


@pytest.mark.parametrize("report", ["init", "exit"])
async def test_an_extension_reports_its_failure(report: str, api: Api) -> None:
    identifier = await register(api, "outer")
    path, error = f"POST /2020-01-01/extension/{report}/error", "Lambda-Extension-Function-Error-Type: Extension.NoKey"
    refused, _, body = await api.ask(path, identifier)
    assert (refused, error_type(body)) == (403, "Extension.MissingHeader")
    status, _, _ = await api.ask(path, identifier, error, body=b'{"errorMessage": "no key"}')
    assert status == 202
    failure = api.environment.seen[-1]
    assert isinstance(failure, Failure)
    assert failure.error_type == {"init": "Extension.InitError", "exit": "Extension.ExitError"}[report]
    assert "outer says Extension.NoKey" in failure.message


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("", "Extension.MissingExtensionIdentifier"),
        ("x", "Extension.InvalidExtensionIdentifier"),
        ("85083764-ff1e-476f-ada1-d51f26e4f6b4", "Extension.UnknownExtensionIdentifier"),
    ],
)
async def test_an_unknown_extension(identifier: str, expected: str, api: Api) -> None:
    error = "Lambda-Extension-Function-Error-Type: Extension.NoKey"
    for request_line in (NEXT, "POST /2020-01-01/extension/init/error", "POST /2020-01-01/extension/exit/error"):
        status, _, body = await api.ask(request_line, f"Lambda-Extension-Identifier: {identifier}", error)
        assert (status, error_type(body)) == (403, expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("2022-07-01/telemetry", "Telemetry.NotSupported"), ("2020-08-15/logs", "Logs.NotSupported")],
)
async def test_telemetry_is_accepted_and_not_sent(path: str, expected: str, api: Api) -> None:
    status, _, body = await api.ask(f"PUT /{path}", await register(api, "outer"), body=b"{}")
    assert (status, error_type(body)) == (202, expected)
