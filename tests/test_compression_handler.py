"""AWS_LWA_ENABLE_COMPRESSION through a whole handler: every source, whole results and streams."""

import zlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anyio
import pytest

from bridge import Bridge, Handler, Settings
from bridge._httpx import httpx
from bridge._types import ASGIApp, Receive, Scope, Send
from bridge.errors import ErrorStatus
from bridge.sources._size import MAX_RESULT
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.decoded import CODINGS, decoded, make_decoder
from tests.events import BASES, MakeEvent, load
from tests.logged import assert_logged
from tests.sources.exchange import Answer, as_client

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
Pairs = list[tuple[bytes, bytes]]

ON = Settings(compression=True)
TEXT = b"A text that is long enough. " * 50
PLAIN = (b"content-type", b"text/plain; charset=utf-8")


def accepting(event: Event, accepted: str) -> Event:
    """Return `event`, of any source, with this header."""
    holder = event["Records"][0]["cf"]["request"] if "Records" in event else event
    if "Records" in event:
        holder["headers"]["accept-encoding"] = [{"key": "Accept-Encoding", "value": accepted}]
        return event
    for name, value in (("headers", accepted), ("multiValueHeaders", [accepted])):
        if holder.get(name) is not None:
            is_list = any(isinstance(other, list) for other in holder[name].values())
            holder[name]["accept-encoding"] = [accepted] if is_list else value
    return event


def result_of(app: ASGIApp, event: Event, settings: Settings = ON) -> dict[str, Any]:
    with closing(Bridge(app, lifespan="off", settings=settings)) as handler:
        return handler(event, None)


@every_case("name", BASES)
@every_case("coding", CODINGS)
def test_every_source_returns_the_compressed_bytes(name: str, coding: str) -> None:
    app = Answer(headers=[PLAIN, (b"content-length", b"%d" % len(TEXT))], content=TEXT)
    status, headers, body = as_client(result_of(app, accepting(load(name), coding)))
    assert (status, decoded(coding, body)) == (200, TEXT)
    expected = [("content-encoding", coding), ("content-type", PLAIN[1].decode()), ("vary", "Accept-Encoding")]
    # CloudFront sets the length itself.
    length = [] if name == "lambda_edge" else [("content-length", str(len(body)))]
    assert headers == sorted(expected + length)


@every_case(("environ", "is_coded"), [({}, False), ({"AWS_LWA_ENABLE_COMPRESSION": "true"}, True)])
def test_it_is_off_by_default(
    environ: dict[str, str], is_coded: bool, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = result_of(Answer(headers=[PLAIN], content=TEXT), accepting(make_event(), "gzip"), Settings())
    assert result["headers"].get("content-encoding") == ("gzip" if is_coded else None)
    assert ("vary" in result["headers"], result["isBase64Encoded"]) == (is_coded, is_coded)


def test_any_transport_is_compressed(make_event: MakeEvent) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=TEXT.decode()))
    with closing(Handler(transport, settings=ON)) as handler:
        result = handler(accepting(make_event(), "br"), None)
    assert result["headers"]["content-encoding"] == "br"
    assert decoded("br", as_client(result)[2]) == TEXT


@every_case(
    ("name", "size"), [("function_url", 2 * MAX_RESULT), ("alb", 2 * 1024 * 1024), ("lambda_edge", 2 * 1024 * 1024)]
)
def test_the_limit_of_a_result_counts_after_compression(name: str, size: int, caplog: pytest.LogCaptureFixture) -> None:
    app = Answer(headers=[PLAIN], content=b"x" * size)
    status, headers, body = as_client(result_of(app, accepting(load(name), "gzip")))
    assert (status, dict(headers)["content-encoding"], len(decoded("gzip", body))) == (200, "gzip", size)
    assert_logged(caplog)
    status, headers, body = as_client(result_of(app, accepting(load(name), "identity")))
    assert (status, "content-encoding" in dict(headers)) == (500, False)
    assert_logged(caplog, ("ERROR", "at most"))


def test_a_failure_is_reported_as_it_was_before_compression(make_event: MakeEvent) -> None:
    app = Answer(status=503, headers=[PLAIN], content=TEXT)
    with pytest.raises(ErrorStatus, match="A text that is long enough"):
        result_of(app, accepting(make_event(), "gzip"), Settings(compression=True, error_status_codes=frozenset({503})))


def test_a_length_of_the_application_that_is_wrong_is_dropped(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = Answer(headers=[PLAIN, (b"content-length", b"5")], content=TEXT)
    result = result_of(app, accepting(make_event(), "gzip"))
    assert "content-length" not in result["headers"]
    assert_logged(caplog, ("WARNING", "content-length", "'5'"))


# Streams.


Stream = tuple[dict[str, Any], list[bytes]]


def stream_of(app: ASGIApp, event: Event) -> Stream:
    async def main() -> Stream:
        async with Bridge(app, lifespan="off", settings=ON).stream(event, None) as response:
            return response.prelude, [item async for item in response.body]

    return anyio.run(main)


@every_case("coding", CODINGS)
def test_a_reader_can_decode_each_part_before_the_next_is_sent(coding: str, make_event: MakeEvent) -> None:
    async def main() -> None:
        seen = anyio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "headers": [PLAIN, (b"etag", b'"a"'), (b"content-length", b"99")]})
            await send(part(b"first", more=True))
            await seen.wait()
            await send(part(TEXT, more=True))
            await send(part(b""))

        async with Bridge(app, lifespan="off", settings=ON).stream(accepting(make_event(), coding), None) as response:
            assert response.prelude == {
                "statusCode": 200,
                "headers": {
                    "content-type": PLAIN[1].decode(),
                    "etag": 'W/"a"',
                    "content-encoding": coding,
                    "vary": "Accept-Encoding",
                },
                "cookies": [],
            }
            decode = make_decoder(coding)
            assert decode(await anext(response.body)) == b"first"
            seen.set()
            assert b"".join([decode(item) async for item in response.body]) == TEXT
            assert [item async for item in response.body] == []

    anyio.run(main)


@every_case(
    ("method", "headers", "status"),
    [
        ("HEAD", [PLAIN], 200),
        ("GET", [PLAIN], 204),
        ("GET", [(b"content-type", b"text/event-stream")], 200),
        ("GET", [PLAIN, (b"content-length", b"9")], 200),
    ],
)
def test_a_stream_that_may_not_be_compressed_is_left_as_it_is(
    method: str, headers: Pairs, status: int, make_event: MakeEvent
) -> None:
    app = sending({**START, "headers": headers, "status": status}, part(b"data: one", more=True), part(b""))
    prelude, parts = stream_of(app, accepting(make_event(method), "gzip"))
    assert prelude["headers"] == {"content-type": headers[0][1].decode()}
    assert parts == ([] if method == "HEAD" or status == 204 else [b"data: one"])


def test_a_stream_that_breaks_off_has_no_end(make_event: MakeEvent) -> None:
    app = sending(START, part(b"first", more=True), then=ZeroDivisionError())
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)

    async def main() -> None:
        async with Bridge(app, lifespan="off", settings=ON).stream(accepting(make_event(), "gzip"), None) as response:
            assert reader.decompress(await anext(response.body)) == b"first"
            with pytest.raises(ZeroDivisionError):
                await anext(response.body)

    anyio.run(main)
    assert not reader.eof


def test_our_own_answer_to_a_failure_is_not_compressed(make_event: MakeEvent, caplog: pytest.LogCaptureFixture) -> None:
    prelude, parts = stream_of(sending(then=ZeroDivisionError()), accepting(make_event(), "gzip"))
    assert prelude["headers"] == {"content-type": "text/plain; charset=utf-8"}
    assert parts == [b"Internal Server Error"]
    assert_logged(caplog, ("ERROR", "ZeroDivisionError"))


def test_nothing_of_it_is_imported_while_it_is_off(run_python: Callable[..., Any]) -> None:
    code = """
import sys
from bridge import Handler
from bridge._httpx import httpx
Handler(httpx.MockTransport(lambda request: httpx.Response(200))).close()
print(sorted({"bridge.compression", "bridge.codecs"} & set(sys.modules)))
"""
    assert run_python(code).stdout == "[]\n"
    assert "bridge.codecs" in run_python(code, AWS_LWA_ENABLE_COMPRESSION="true").stdout
