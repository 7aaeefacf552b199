"""Handler._answer(): the result before the application's end; and the replacement of one that is late or too large."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import Message
from bridge.errors import ErrorStatus, StartupFailed, UnsupportedEvent
from bridge.sources import make_request
from tests.apps import START, Journal, part, sending
from tests.cases import every_case
from tests.events import BASES, load

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_unclosed")]

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Result = asyncio.Future[dict[str, Any]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def result(nothing_left: None) -> AsyncIterator[Result]:
    """Yield the future that the runtime waits for."""
    future: Result = asyncio.get_running_loop().create_future()
    yield future
    future.cancel()


def handler_of(*messages: Message, then: Callable[[], Any] | None = None, **options: Any) -> Bridge:
    return Bridge(sending(*messages, then=then), lifespan="off", **options)


# The answer.


async def test_the_result_is_what_handle_returns(make_event: MakeEvent, result: Result) -> None:
    handler = handler_of(START, part(b"one ", more=True), part(b"two"))
    await handler._answer(make_event(), None, result)
    assert result.result() == await handler.handle(make_event(), None)
    assert result.result()["body"] == "one two"


async def test_it_is_there_with_the_last_message_and_the_call_returns_with_the_application(
    make_event: MakeEvent, result: Result
) -> None:
    gate = asyncio.Event()
    handler = handler_of(START, part(b"one "), then=gate.wait)
    task = asyncio.create_task(handler._answer(make_event(), None, result))
    assert (await result)["body"] == "one "
    assert not task.done()
    gate.set()
    await task


async def test_a_broken_event_is_a_400(make_event: MakeEvent, result: Result) -> None:
    await handler_of(START, part(b""))._answer(make_event(body="%", isBase64Encoded=True), None, result)
    assert result.result()["statusCode"] == 400


async def test_an_event_that_is_no_request_raises(result: Result) -> None:
    with pytest.raises(UnsupportedEvent):
        await handler_of(START, part(b""))._answer({"methodArn": "arn"}, None, result)
    assert not result.done()


async def test_a_startup_that_fails_raises(make_event: MakeEvent, result: Result) -> None:
    with pytest.raises(StartupFailed):
        await Bridge(Journal(startup=LookupError("no database")))._answer(make_event(), None, result)
    assert not result.done()


class Source:
    """One of the user's, that cannot encode everything."""

    name = "users"

    def matches(self, event: Event) -> bool:
        return True

    def decode(self, event: Event, settings: Settings) -> Any:
        return make_request(method="GET", path="/", headers=[])

    def encode(self, response: Any, event: Event, settings: Settings) -> Any:
        raise KeyError(response.status_code)


async def test_what_encoding_raises_is_the_results_and_not_the_applications(result: Result) -> None:
    ends: list[str] = []

    async def go_on() -> None:
        ends.append("the end")

    await handler_of(START, part(b""), then=go_on, sources=[Source()])._answer({}, None, result)
    assert ends == ["the end"]
    with pytest.raises(KeyError):
        result.result()


async def test_a_status_that_fails_the_invocation_is_raised_by_the_result(
    make_event: MakeEvent, result: Result
) -> None:
    settings = Settings(error_status_codes=frozenset({200}))
    await handler_of(START, part(b"body"), settings=settings)._answer(make_event(), None, result)
    with pytest.raises(ErrorStatus) as caught:
        result.result()
    assert json.loads(str(caught.value)) == {"statusCode": 200, "body": "body"}


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_result_that_somebody_else_has_settled_stays_as_it_is(
    make_event: MakeEvent, result: Result, is_cancelled: bool
) -> None:
    if is_cancelled:
        result.cancel()
    else:
        result.set_result({"statusCode": 504})
    await handler_of(START, part(b"late"))._answer(make_event(), None, result)
    assert result.cancelled() if is_cancelled else result.result() == {"statusCode": 504}


# Who takes a stream.


@every_case("name", BASES)
def test_two_services_take_a_stream(name: str) -> None:
    assert handler_of()._can_stream(load(name)) is (name in ("function_url", "rest_api"))


def test_an_event_that_is_no_request_or_of_a_source_of_the_users_takes_no_stream() -> None:
    assert handler_of()._can_stream({"Records": []}) is False
    assert handler_of(sources=[Source()])._can_stream({}) is False


# The replacement of a result.


PLAIN = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"15")]
gateway_timeout = sending({**START, "status": 504, "headers": PLAIN}, part(b"Gateway Timeout"))


@every_case("name", BASES)
def test_a_substitute_is_what_an_application_could_have_answered(name: str) -> None:
    event = load(name)
    with closing(Bridge(gateway_timeout, lifespan="off")) as handler:
        expected = handler(event, None)
    assert handler_of()._substitute(event, 504) == expected


def test_a_substitute_may_say_more(make_event: MakeEvent) -> None:
    result = handler_of()._substitute(make_event(), 500, "too large")
    assert result is not None
    assert result["body"] == "too large"
    prelude, body = handler_of()._substitute_stream(504)
    assert prelude == {
        "statusCode": 504,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "cookies": [],
    }
    assert body == b"Gateway Timeout"


def test_a_substitute_can_be_set_to_fail_the_invocation(make_event: MakeEvent) -> None:
    handler = handler_of(settings=Settings(error_status_codes=frozenset({504})))
    with pytest.raises(ErrorStatus):
        handler._substitute(make_event(), 504)
    with pytest.raises(ErrorStatus):
        handler._substitute_stream(504)
    result = handler._substitute(make_event(), 500)
    assert result is not None
    assert result["statusCode"] == 500


def test_there_is_no_substitute_for_what_is_no_request() -> None:
    assert handler_of()._substitute({"Records": []}, 504) is None
