"""Events that are not HTTP requests: who gets them (the application, or a function), and who none."""

import asyncio
from typing import Any

import pytest

from bridge import Bridge, Handler, Proxy, Settings
from bridge._httpx import httpx
from bridge.errors import ApplicationCancelled, ConfigurationError, ResultTooLarge, UnsupportedEvent
from tests.cases import every_case
from tests.events.calls import CALLS, Call, called
from tests.events.records import CUSTOM, SCHEDULE, failures, queue
from tests.logged import assert_logged
from tests.sources.exchange import CONTEXT, Answer

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]


@pytest.fixture(params=CALLS, ids=lambda call: call.__name__)
def call(request: pytest.FixtureRequest) -> Call:
    made: Call = request.param
    return made


def bridge(app: Any = None, **options: Any) -> Bridge:
    return Bridge(app or Answer(status=204), lifespan="off", **options)


# Warm-up pings.

PINGS: list[Event] = [
    {},
    {"source": "serverless-plugin-warmup"},
    {"source": "serverless-plugin-warmup", "stage": "prod"},
    {"warmer": True},
    {"warmer": True, "concurrency": 3},
]


def test_a_warm_up_ping_is_answered_without_the_application(call: Call) -> None:
    for event in PINGS:
        app = Answer(500)
        assert call(bridge(app), event, None) is None
        assert not app.scope


@every_case(
    "event",
    [
        *(SCHEDULE, {**SCHEDULE, "source": "serverless-plugin-warmup"}, {**SCHEDULE, "warmer": True}, CUSTOM),
        *({"warmer": False}, {"warmer": 1}, {"warmer": "true"}, {"source": "warmup"}, [], "", None, [{}]),
    ],
)
def test_any_other_event_reaches_the_application(event: Any) -> None:
    app = Answer(status=204)
    called(bridge(app), event)
    assert app.scope


# A function in place of the application.


def test_a_function_gets_the_event_and_the_context_and_its_value_is_the_result(call: Call) -> None:
    async def asynchronous(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        return [event, context]

    for function in (lambda event, context: [event, context], asynchronous):
        for event in (queue("1"), CUSTOM, [1], None, *PINGS):
            app = Answer()
            assert call(bridge(app, on_event=function), event, CONTEXT) == [event, CONTEXT]
            assert not app.scope


def test_a_function_runs_on_the_loop_of_the_application_after_its_startup() -> None:
    loops: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for name in ("startup", "shutdown"):
            await receive()
            loops.append(asyncio.get_running_loop())
            await send({"type": f"lifespan.{name}.complete"})

    called(Bridge(app, on_event=lambda event, context: loops.append(asyncio.get_running_loop())), CUSTOM)
    assert len(loops) == 3
    assert len(set(loops)) == 1


def test_an_exception_of_the_function_passes_through_unchanged(caplog: pytest.LogCaptureFixture, call: Call) -> None:
    error = LookupError("no such order")

    def fail(event: Any, context: Any) -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        call(bridge(on_event=fail), CUSTOM, None)
    assert caught.value is error
    assert_logged(caplog)


def test_a_function_that_cancels_itself_does_not_cancel_its_caller(call: Call) -> None:
    def cancel(event: Any, context: Any) -> None:
        raise event["error"]

    for error in (asyncio.CancelledError(), BaseExceptionGroup("several", [asyncio.CancelledError()])):
        with pytest.raises(ApplicationCancelled):
            call(bridge(on_event=cancel), {"error": error}, None)


def test_every_handler_has_the_argument(make_event: Any) -> None:
    def on_event(event: Any, context: Any) -> str:
        return "mine"

    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="http"))
    assert called(Handler(transport, on_event=on_event), CUSTOM) == "mine"
    assert called(Handler(transport, on_event=on_event), make_event())["body"] == "http"
    assert Proxy(url="http://127.0.0.1:1", on_event=on_event)._parts.on_event is on_event
    with pytest.raises(ConfigurationError, match=r"on_event to be a function.* but got str"):
        bridge(on_event="main.on_event")


def test_with_batches_a_function_gets_each_record_on_its_own() -> None:
    async def on_event(event: Any, context: Any) -> None:
        if event["Records"][0]["messageId"] == "2":
            raise KeyError("2")

    settings = Settings(batch="per-record")
    assert called(bridge(on_event=on_event, settings=settings), queue("1", "2", "3")) == failures("2")


# What must not be guessed, not by a function either.

METHOD_ARN = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/orders"

REFUSED: list[tuple[Event, str]] = [
    ({"type": "TOKEN", "methodArn": METHOD_ARN, "authorizationToken": "t"}, "authorizer"),
    ({"type": "REQUEST", "routeArn": METHOD_ARN, "version": "2.0"}, "authorizer"),
    ({"authorizationToken": "t", "requestContext": {"apiId": "a", "queryString": "query"}}, "authorizer"),
    ({"token": "t", "signatureVerified": True, "protocols": ["tls"]}, "authorizer"),
    ({"signatureVerified": False, "protocolData": {}}, "authorizer"),
    ({"connection-id": "cvpn-1", "endpoint-id": "cvpn-2", "username": "u"}, "Client VPN"),
    ({"username": "u", "password": "p", "protocol": "SFTP", "serverId": "s-1", "sourceIp": "192.0.2.1"}, "Transfer"),
    ({"Records": [{"cf": {"config": {}, "request": {}, "response": {"status": "200"}}}]}, "Edge"),
    ({"DurableExecutionArn": "arn:aws:lambda", "CheckpointToken": "t", "InitialExecutionState": {}}, "durable"),
    # Requests that lack a part.
    ({"httpMethod": None, "rawPath": "/a"}, "complete"),
    ({"requestContext": {"http": {}}}, "complete"),
    ({"Records": [{"cf": {}}]}, "complete"),
    ({"body": "x", "isBase64Encoded": False}, "complete"),
]


def test_an_event_whose_answer_must_not_be_guessed_is_unsupported(call: Call) -> None:
    for event, why in REFUSED:
        for options in ({}, {"on_event": lambda event, context: {"isAuthorized": True}}):
            app = Answer(content=b'{"isAuthorized": true}')
            with pytest.raises(UnsupportedEvent, match=why):
                call(bridge(app, **options), event, None)
            assert not app.scope


@every_case(
    "event",
    [
        # A Bedrock agent's has a method and a path, a destination's a request context, and neither is a request.
        {"messageVersion": "1.0", "actionGroup": "orders", "apiPath": "/orders", "httpMethod": "GET"},
        {"version": "1.0", "requestContext": {"requestId": "1", "condition": "Success"}, "requestPayload": {}},
        {"username": "u", "userPoolId": "p", "triggerSource": "PreSignUp_SignUp"},
        *({"requestContext": {}}, {"requestContext": "x"}, {"Records": "x"}, {"Records": [None]}, {"headers": {}}),
    ],
)
def test_what_only_resembles_these_reaches_the_application(event: Event) -> None:
    app = Answer(status=204)
    called(bridge(app), event)
    assert app.scope["aws.event"] is event


# Limits, and streams.


def test_a_result_that_is_too_large_fails_the_invocation_alone() -> None:
    large = Answer(content=b'"%s"' % (b"a" * 6_291_556))
    with pytest.raises(ResultTooLarge, match="6291558 bytes"):
        called(bridge(large), CUSTOM)
    with pytest.raises(ResultTooLarge):
        called(bridge(on_event=lambda event, context: "a" * 7_000_000), CUSTOM)


def test_an_event_has_no_stream_and_no_substitute() -> None:
    handler = bridge()
    assert handler._can_stream(queue("1")) is False
    assert handler._substitute(queue("1"), 504) is None

    async def main() -> None:
        async with handler.stream(queue("1"), None):
            raise AssertionError("not reached")

    with pytest.raises(UnsupportedEvent):
        asyncio.run(main())
