"""The failures of a route, a background task, a stream and a `close()` are told apart, however the call is made."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask, Response
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bridge import Bridge
from tests.apps import START, part, sending
from tests.cases import every_case


async def handled(handler: Bridge, event: Any) -> Any:
    return await handler.handle(event, None)


async def called(handler: Bridge, event: Any) -> Any:
    return await asyncio.to_thread(handler, event, None)


async def answered(handler: Bridge, event: Any) -> Any:
    result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    await handler._answer(event, None, result)
    return await result


async def streamed(handler: Bridge, event: Any) -> Any:
    async with handler.stream(event, None) as response:
        _ = [each async for each in response.body]
    return response.prelude


def fail(*_: Any) -> Any:
    raise KeyError("sku")


async def background(request: Any) -> PlainTextResponse:
    return PlainTextResponse("body", background=BackgroundTask(fail))


STARLETTE = Starlette(routes=[Route("/fail", fail), Route("/background", background)])

FLASK = Flask(__name__)


@FLASK.get("/close")
def close() -> Response:
    response = Response("body")
    response.call_on_close(fail)
    return response


class Closing(list[bytes]):
    def close(self) -> None:
        fail()


def wsgi_closes(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    return Closing([b"body"])


def wsgi_iterates(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"body"
    fail()


RAISED = r"The application raised KeyError\.$"
ANSWERED = r"The application answered 500, and raised KeyError\.$"
LATER = r"The application raised KeyError after its response was complete\. That response, a 20., stays"
CLOSED = r"The application raised KeyError in the close\(\) of its response\. The response stays"

# The application, its path, and the line and the status of a whole response and of a stream. No line: the stream
# raises the application's exception.
CASES: list[Any] = [
    (sending(then=fail), "/x", (RAISED, 500), (RAISED, 500)),
    (STARLETTE, "/fail", (ANSWERED, 500), (ANSWERED, 500)),
    (STARLETTE, "/background", (LATER, 200), (LATER, 200)),
    (sending(START, part(b"body"), then=fail), "/x", (LATER, 200), (LATER, 200)),
    (sending(START, part(b"body", more=True), then=fail), "/x", (RAISED, 500), None),
    (fail, "/x", (RAISED, 500), (RAISED, 500)),
    (wsgi_iterates, "/x", (RAISED, 500), None),
    (wsgi_closes, "/x", (CLOSED, 200), (CLOSED, 200)),
    (FLASK, "/close", (CLOSED, 200), (CLOSED, 200)),
]


@every_case("call", [handled, called, answered, streamed])
@every_case(("app", "path", "whole", "stream"), CASES)
def test_the_line_says_what_failed(
    make_event: Any, caplog: pytest.LogCaptureFixture, app: Any, path: str, whole: Any, stream: Any, call: Any
) -> None:
    caplog.clear()
    is_wsgi = app in (fail, wsgi_iterates, wsgi_closes, FLASK)
    handler = Bridge(app, interface="wsgi" if is_wsgi else "asgi", lifespan="auto")
    expected = stream if call is streamed else whole
    answer: Any = None
    with suppress(KeyError):
        answer = asyncio.run(call(handler, make_event(path=path)))
    handler.close()
    found = [record for record in caplog.records if record.levelname == "ERROR"]
    if expected is None:
        assert (answer, found) == (None, [])
        return
    line, status = expected
    (record,) = found
    assert answer["statusCode"] == status
    assert re.match(f"GET {path}: {line}", record.getMessage())
    assert "in fail" in caplog.handler.format(record)
