"""The access line and the tracing hook: one of each for every request, in every mode."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bridge import Bridge, Handler, Settings
from bridge._httpx import httpx
from bridge.errors import DeadlineExceeded
from bridge.exchange import Exchange
from bridge.invocation import request_id
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.logged import assert_logged

LOGGED = Settings(access_log=True)
Call = Callable[[Handler, Any], Coroutine[Any, Any, Any]]


class Context:
    aws_request_id = "the-id"


async def handled(handler: Handler, event: Any) -> object:
    return await handler.handle(event, Context())


async def called(handler: Handler, event: Any) -> object:
    return await asyncio.to_thread(handler, event, Context())


async def answered(handler: Handler, event: Any) -> object:
    result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    await handler._answer(event, Context(), result)
    return await result


async def streamed(handler: Handler, event: Any) -> object:
    async with handler.stream(event, Context()) as response:
        return [part async for part in response.body]


async def left(handler: Handler, event: Any) -> None:
    async with handler.stream(event, Context()) as response:
        await anext(response.body)


WHOLE = [handled, called, answered]


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"body"]


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("secret")


async def fails_later(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(part(b"body", more=True))
    raise LookupError("secret")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "bridge.access"]


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(part(b"body"))


CASES = [
    (ok, {}, 200, 4, None),
    (wsgi_app, {}, 200, 4, None),
    (fails, {}, 500, 21, "LookupError"),
    (ok, {"body": "%", "isBase64Encoded": True}, 400, 11, None),
]


@every_case(("app", "changes", "status", "size", "error"), CASES)
@every_case("call", [*WHOLE, streamed])
def test_a_request_has_one_line(
    make_event: Any,
    caplog: pytest.LogCaptureFixture,
    call: Call,
    app: Any,
    changes: Any,
    status: int,
    size: int,
    error: Any,
) -> None:
    handler = Bridge(app, settings=LOGGED, lifespan="auto" if app is wsgi_app else "off")
    asyncio.run(call(handler, make_event(path="/a%0Ab", **changes)))
    handler.close()
    (line,) = lines(caplog)
    assert line.pop("duration_ms") >= 0
    assert line.pop("cold_start") in (True, False)
    expected = {
        "method": "GET",
        "status": status,
        "bytes": size,
        "source": "function-url",
        "request_id": "the-id",
        "trace_id": "",
        "restored": False,
        "complete": True,
    }
    assert "\n" not in line.pop("path")
    assert line == expected | ({"error_type": error} if error else {})


@every_case(
    ("app", "call", "error"),
    [
        (fails_later, streamed, "LookupError"),
        (sending(START, part(b"body", more=True), part(b"more")), left, None),
    ],
)
def test_a_stream_that_did_not_end_has_one_line_that_says_so(
    make_event: Any, caplog: pytest.LogCaptureFixture, app: Any, call: Call, error: str | None
) -> None:
    handler = Bridge(app, settings=LOGGED, lifespan="off")
    with suppress(LookupError):
        asyncio.run(call(handler, make_event()))
    (line,) = lines(caplog)
    assert (line["status"], line["bytes"], line["complete"]) == (200, 4, False)
    assert line.get("error_type") == error


ok_json = sending(START, part(b"{}"))

EVENTS = [
    (
        {"Records": [{"eventSource": "aws:sqs", "messageId": "1"}]},
        ok_json,
        "event:aws:sqs",
        200,
        None,
    ),
    ({"source": "aws.events", "detail-type": "x"}, fails, "event:aws.events", None, "LookupError"),
    ({"methodArn": "arn"}, ok_json, "event:other", None, "UnsupportedEvent"),
]


@every_case(("event", "app", "source", "status", "error"), EVENTS)
@every_case("call", WHOLE)
def test_an_event_that_is_not_a_request_has_one_line(
    caplog: pytest.LogCaptureFixture,
    call: Call,
    event: Any,
    app: Any,
    source: str,
    status: int | None,
    error: str | None,
) -> None:
    handler = Bridge(app, settings=LOGGED, lifespan="off")
    with suppress(Exception):  # which the line names
        asyncio.run(call(handler, event))
    handler.close()
    (line,) = lines(caplog)
    assert (line["source"], line["status"], line.get("error_type")) == (source, status, error)


def count(event: Any, context: Any) -> dict[str, int]:
    return {"one": 1}


@every_case("call", WHOLE)
@every_case(
    ("options", "expected"),
    [({}, ("POST", "/events", 2)), ({"on_event": count}, ("on_event", f"{__name__}.count", 10))],
)
def test_the_line_of_an_event_has_the_size_of_its_result(
    caplog: pytest.LogCaptureFixture, call: Call, options: Any, expected: tuple[str, str, int]
) -> None:
    handler = Bridge(ok_json, settings=LOGGED, lifespan="off", **options)
    asyncio.run(call(handler, EVENTS[0][0]))
    handler.close()
    (line,) = lines(caplog)
    assert (line["method"], line["path"], line["bytes"]) == expected


def test_an_invocation_that_is_given_up_has_one_line(make_event: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def given_up() -> None:
        handler = Bridge(sending(START, then=asyncio.Event().wait), settings=LOGGED, lifespan="off")
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(handler._answer(make_event(), None, result))
        await asyncio.sleep(0)
        result.set_result("of the runtime")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(given_up())
    (line,) = lines(caplog)
    assert (line["status"], line["error_type"]) == (504, "DeadlineExceeded")


class ShortContext(Context):
    def __init__(self) -> None:
        self.end = time.monotonic() + 0.2

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.end - time.monotonic()))


@every_case(
    ("event", "expected"), [(None, (504, "DeadlineExceeded")), ({"source": "aws.events"}, (None, "DeadlineExceeded"))]
)
@every_case("is_async", [True, False])
def test_a_call_that_is_given_up_has_one_line(
    make_event: Any, caplog: pytest.LogCaptureFixture, event: Any, expected: Any, is_async: bool
) -> None:
    spans = Spans()
    never = sending(START, then=lambda: asyncio.Event().wait())
    handler = Bridge(never, settings=LOGGED, lifespan="off", tracing=spans)
    with suppress(DeadlineExceeded):
        if is_async:
            asyncio.run(handler.handle(event or make_event(), ShortContext()))
        else:
            handler(event or make_event(), ShortContext())
    handler.close()
    (line,) = lines(caplog)
    assert (line["status"], line["error_type"]) == expected
    ((_, _, status, error, _),) = spans.seen
    assert (status, error) == expected


def test_a_log_in_json_has_the_fields_at_the_top(
    make_event: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.runtime.log.formats import JsonFormatter

    monkeypatch.setenv("AWS_LAMBDA_LOG_FORMAT", "JSON")
    asyncio.run(handled(Bridge(ok, settings=LOGGED, lifespan="off"), make_event(path="/x")))
    (record,) = [record for record in caplog.records if record.name == "bridge.access"]
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["message"], line["status"], line["path"]) == ("INFO", "GET /x 200", 200, "/x")


def test_the_line_is_off_by_default_and_then_no_code_of_it_runs(
    make_event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Bridge(ok, lifespan="off")
    asyncio.run(handled(handler, make_event()))
    assert lines(caplog) == []
    assert handler._parts.exchange is Exchange


# The hook.


class Spans:
    """A hook that writes down its blocks, and gives its request an id that the application sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    @contextmanager
    def __call__(self, call: Any) -> Iterator[None]:
        token = request_id.set("of the hook")
        yield
        request_id.reset(token)
        self.seen.append(
            (call.method, call.path, call.status_code, type(call.error).__name__, call.request is not None)
        )


async def says_id(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(part(request_id.get().encode()))


def wsgi_says_id(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield request_id.get().encode()


@every_case("app", [says_id, wsgi_says_id])
@every_case("call", [*WHOLE, streamed])
def test_the_hook_is_around_the_application(make_event: Any, call: Call, app: Any) -> None:
    spans = Spans()
    handler = Bridge(app, tracing=spans)
    answer = asyncio.run(call(handler, make_event(path="/x")))
    handler.close()
    assert (answer if call is streamed else answer["body"]) == ([b"of the hook"] if call is streamed else "of the hook")
    assert spans.seen == [("GET", "/x", 200, "NoneType", True)]


@every_case("call", [*WHOLE, streamed])
def test_the_hook_sees_a_failure(make_event: Any, call: Call) -> None:
    spans = Spans()
    handler = Bridge(fails, lifespan="off", tracing=spans)
    asyncio.run(call(handler, make_event(path="/x")))
    handler.close()
    assert spans.seen == [("GET", "/x", 500, "LookupError", True)]


def raising_first(call: Any) -> Any:
    raise ValueError("in the hook")


@contextmanager
def raising_last(call: Any) -> Iterator[None]:
    yield
    raise ValueError("in the hook")


@every_case("hook", [raising_first, raising_last])
@every_case("call", [handled, answered, streamed])
def test_a_hook_that_fails_is_logged(make_event: Any, caplog: pytest.LogCaptureFixture, call: Call, hook: Any) -> None:
    answer = asyncio.run(call(Bridge(ok, lifespan="off", tracing=hook), make_event(path="/x")))
    assert answer == [b"body"] if call is streamed else answer["statusCode"] == 200
    assert_logged(caplog, ("ERROR", "GET /x", "tracing hook", "in the hook"))


def test_the_example_of_the_docs_makes_spans(make_event: Any) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    page = Path(__file__).parent.parent / "docs" / "observability.md"
    code = page.read_text().partition("```python\n")[2].partition("```")[0]
    assert "opentelemetry" in code
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    names: dict[str, Any] = {"provider": provider}
    exec(code.replace("trace.get_tracer(", "provider.get_tracer("), names)
    asyncio.run(streamed(Bridge(fails, lifespan="off", tracing=names["span"]), make_event(path="/x")))
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {})["http.response.status_code"] == 500
    assert span.status.status_code.name == "ERROR"
    assert [event.name for event in span.events] == ["exception"]


def test_any_transport_is_observed(make_event: Any, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    asyncio.run(handled(Handler(httpx.MockTransport(refuse), settings=LOGGED), make_event()))
    assert [(line["status"], line["error_type"]) for line in lines(caplog)] == [(502, "ConnectError")]
