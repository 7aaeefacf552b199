"""Streams of applications that fail, before their response or in the middle of it."""

import asyncio

import pytest

from bridge import Bridge, Settings
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.errors import ApplicationCancelled, ClientDisconnected, IncompleteResponse
from tests.events import MakeEvent
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import Slots, part
from tests.runtime.streamed_apps import HEAD, TEXT, sending


def test_an_application_that_fails_before_its_response_is_a_500(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    slots.on_loop(sending(then=ValueError("oops")), streams=True)
    answer = api.invoke(make_event()).answer()
    assert (answer.is_whole, answer.trailers, answer.prelude["statusCode"]) == (True, {}, 500)
    assert answer.payload == b"Internal Server Error"


def half(*messages: Message, then: BaseException | None = None) -> ASGIApp:
    return sending(TEXT, part(b"half", more=True), *messages, then=then)


# The application, the type of the error, and a fact of its message.
FAILURES: list[tuple[ASGIApp, str, str]] = [
    (half(then=ValueError("oops")), "Function.ValueError", "oops"),
    (half(), "Function.IncompleteResponse", str(IncompleteResponse())),
    (half(TEXT), "Function.UnexpectedMessage", "'http.response.start'"),
    (half(then=ExceptionGroup("all", [ValueError("oops"), KeyError("a")])), "Function.ExceptionGroup", "all"),
    (half(then=asyncio.CancelledError("not by us")), "Function.ApplicationCancelled", str(ApplicationCancelled())),
    (half({"type": "http.response.body", "body": "text"}), "Function.InvalidMessage", "'body'"),
    (half(then=ClientDisconnected("of another stream")), "Function.ClientDisconnected", "of another stream"),
]


def test_an_application_that_fails_in_the_middle_breaks_the_stream_off_with_its_error_in_the_trailers(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    for app, error_type, fact in FAILURES:
        running = slots.on_loop(app, streams=True)
        invocation = api.invoke(make_event(), invocation_id="one/2")
        answer = invocation.answer()
        assert (answer.prelude, answer.payload) == (HEAD, b"half"), error_type  # and no word of the error
        assert answer.headers["lambda-runtime-invocation-id"] == "one/2"
        assert answer.trailers["lambda-runtime-function-error-type"] == error_type
        assert answer.error["errorType"] == error_type.partition(".")[2]
        assert fact in answer.error["errorMessage"]
        assert answer.error["requestId"] == invocation.request_id
        assert slots.reports.pop()["errorMessage"] == answer.error["errorMessage"]
        running.end()


def test_an_exit_in_the_middle_ends_the_slots_and_leaves_no_clean_end(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    running = slots.on_loop(sending(TEXT, part(b"half", more=True), then=SystemExit(3)), streams=True)
    answer = api.invoke(make_event()).answer()
    assert (answer.payload, answer.is_whole) == (b"half", False)
    assert isinstance(running.join(), SystemExit)


LONG_HEAD: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x-long", b"x" * 20_000)]}


def test_a_head_that_is_longer_than_aws_reads_is_a_500(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[OSError] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(LONG_HEAD)
        try:
            await send(part(b"never read"))
        except OSError as exc:
            errors.append(exc)
            raise

    slots.on_loop(Bridge(app, lifespan="off"), streams=True)
    answer = api.invoke(make_event()).answer()
    assert (answer.prelude["statusCode"], answer.is_whole, answer.trailers) == (500, True, {})
    assert b"20069 bytes" in answer.payload
    api.wait_for_polls(1)
    assert_logged(caplog, ("ERROR", "20069 bytes", "16384 at most"))
    assert [type(error) for error in errors] == [ClientDisconnected]


def test_a_head_that_is_too_long_fails_the_invocation_where_a_500_does(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    handler = Bridge(sending(LONG_HEAD, part(b"x")), settings=Settings(error_status_codes=frozenset({500})))
    slots.on_loop(handler, streams=True)
    answer = api.invoke(make_event()).answer()
    assert (answer.kind, answer.error["errorType"]) == ("error", "ErrorStatus")


def test_a_request_that_cannot_be_decoded_is_a_400_in_a_stream(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    slots.on_loop(sending(TEXT, part(b"x")), streams=True)
    answer = api.invoke(make_event() | {"body": "!", "isBase64Encoded": True}).answer()
    assert (answer.is_whole, answer.prelude["statusCode"], answer.payload) == (True, 400, b"Bad Request")
