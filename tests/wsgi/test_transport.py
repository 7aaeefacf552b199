"""WSGITransport as httpx clients and handlers use it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any
from wsgiref.validate import validator

import pytest

from bridge._httpx import httpx
from bridge._loop import OwnLoop
from bridge._messages import WHOLE_RESPONSE, CompleteResponse, EventRequest, InProcess
from bridge.errors import ConfigurationError
from bridge.wsgi import WSGITransport
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

PAIRS = [("Content-Type", "text/plain")]


@pytest.fixture
def anyio_backend() -> str:
    """A thread's answer comes to an asyncio loop alone."""
    return "asyncio"


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", PAIRS)
    seen = [environ["REQUEST_METHOD"], environ["SCRIPT_NAME"], environ["PATH_INFO"], environ.get("REMOTE_ADDR")]
    return [repr(seen).encode(), environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]


def client_of(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=WSGITransport(app, **options), base_url="http://shop.test")


@pytest.mark.anyio
async def test_a_client_gets_the_response_of_a_valid_server() -> None:
    async with client_of(validator(echo), script_name="/shop", remote_addr="192.0.2.1") as client:
        response = await client.post("/shop/a%20b?x=1", content=b"body")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain")
    assert response.text == "['POST', '/shop', '/a b', '192.0.2.1']body"


@pytest.mark.anyio
async def test_a_body_that_is_a_stream_arrives_whole() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a", b"", b"b"):
            yield part

    async with client_of(echo) as client:
        assert (await client.post("/", content=parts())).text.endswith("ab")


def test_an_application_that_is_certainly_not_wsgi_is_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="Expected a WSGI application"):
        WSGITransport(app)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_part_arrives_before_the_application_makes_the_next() -> None:
    made: list[int] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        for number in range(3):
            made.append(number)
            yield b"%d" % number

    async with client_of(app) as client, client.stream("GET", "/") as response:
        received = [(part, list(made)) async for part in response.aiter_raw()]
    assert received == [(b"0", [0]), (b"1", [0, 1]), (b"2", [0, 1, 2])]


@pytest.mark.anyio
async def test_all_of_an_exchange_runs_in_one_thread_and_one_context() -> None:
    context: ContextVar[str] = ContextVar("context", default="")
    seen: list[tuple[int, str]] = []

    class Body:
        def __init__(self) -> None:
            self.parts = iter([b"a", b"b"])

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            seen.append((threading.get_ident(), context.get()))
            return next(self.parts)

        def close(self) -> None:
            seen.append((threading.get_ident(), context.get()))

    def app(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", PAIRS)
        context.set(f"{threading.get_ident()}")
        return Body()

    async with client_of(app) as client:
        await asyncio.gather(client.get("/"), client.get("/"))
    assert len(seen) == 8
    assert {text == str(ident) for ident, text in seen} == {True}
    assert threading.get_ident() not in {ident for ident, _ in seen}
    assert context.get() == ""


@pytest.mark.anyio
async def test_concurrent_requests_have_a_thread_each_and_leave_it_to_later_ones() -> None:
    barrier = threading.Barrier(3)
    idents: list[int] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        idents.append(threading.get_ident())
        barrier.wait(30)
        start_response("200 OK", PAIRS)
        return [repr(environ["wsgi.multithread"]).encode()]

    async with client_of(app) as client:
        for _ in range(2):
            answers = await asyncio.gather(*(client.get("/") for _ in range(3)))
            assert [answer.text for answer in answers] == ["True"] * 3
    assert len(set(idents)) == 3


@pytest.mark.anyio
async def test_a_reader_that_leaves_early_closes_the_response() -> None:
    ended: list[str] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        try:
            while True:
                yield b"more"
        except GeneratorExit:
            ended.append("closed")
            raise

    async with client_of(app) as client, client.stream("GET", "/") as response:
        async for _ in response.aiter_raw():
            break
    assert ended == ["closed"]


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ValueError("own"), StopAsyncIteration("own"), asyncio.CancelledError("own")])
@pytest.mark.parametrize("parts", [0, 1])
async def test_what_the_application_raises_reaches_the_reader(error: BaseException, parts: int) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        yield from [b"part"] * parts
        raise error

    expected = RuntimeError if isinstance(error, StopAsyncIteration) and parts else type(error)
    async with client_of(app) as client:
        with pytest.raises(expected):
            await client.get("/")


@pytest.mark.anyio
async def test_a_request_that_is_cancelled_does_not_wait_for_its_thread() -> None:
    started, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Body(list[bytes]):
        def close(self) -> None:
            closed.set()

    def app(environ: Any, start_response: Any) -> Body:
        started.set()
        assert go_on.wait(30)
        start_response("200 OK", PAIRS)
        return Body([b"late"])

    async with client_of(app) as client:
        for extensions in ({}, {WHOLE_RESPONSE: True}, {WHOLE_RESPONSE: lambda response: None}):
            request = client.build_request("GET", "/", extensions=extensions)
            task = asyncio.ensure_future(client.send(request))
            assert await asyncio.to_thread(started.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            assert await asyncio.to_thread(closed.wait, 30), "close() must be called all the same"
            for event in (started, go_on, closed):
                event.clear()


def test_on_an_own_loop_the_application_runs_in_the_thread_of_the_caller(own: OwnLoop) -> None:
    seen: list[object] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        for part in (b"a", b"b"):
            seen.append(threading.get_ident())
            asyncio.run(asyncio.sleep(0))  # as an async view of a synchronous framework does
            yield part
        seen.append(environ["wsgi.multithread"])

    async def main(*, is_concurrent: bool, **extensions: Any) -> bytes:
        transport = WSGITransport(app, is_concurrent=is_concurrent)
        response = await transport.handle_async_request(httpx.Request("GET", "http://a/", extensions=extensions))
        body = response.body if isinstance(response, CompleteResponse) else await response.aread()
        await response.aclose()
        await transport.aclose()
        return body

    here = threading.get_ident()
    for extensions in ({}, {WHOLE_RESPONSE: True}):
        assert own.run(main(is_concurrent=False, **extensions)) == b"ab"
        assert seen == [here, here, False]
        seen.clear()
        assert own.run(main(is_concurrent=True, **extensions)) == b"ab"
        assert (seen[0] != here, seen[0] == seen[1], seen[2]) == (True, True, True)
        seen.clear()


@pytest.mark.parametrize("has_code", [True, False])
def test_the_handler_gets_a_whole_response_before_its_close_runs(own: OwnLoop, has_code: bool) -> None:
    steps: list[str] = []

    class Body(list[bytes]):
        if has_code:

            def close(self) -> None:
                steps.append("closed")

    def app(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", PAIRS)
        return Body([b"a"])

    async def other() -> None:
        await asyncio.sleep(0)
        steps.append("another task")

    async def main() -> CompleteResponse:
        def finish(response: CompleteResponse) -> None:
            steps.append(f"finished {response.body!r}")
            asyncio.ensure_future(other())  # noqa: RUF006

        request = httpx.Request("GET", "http://a/", extensions={WHOLE_RESPONSE: finish})
        response = await WSGITransport(app).handle_async_request(request)
        assert isinstance(response, CompleteResponse)
        return response

    assert own.run(main()).body == b"a"
    assert steps == (["finished b'a'", "another task", "closed"] if has_code else [])


def test_a_class_that_derives_from_it_does_not_answer_early_by_itself() -> None:
    class Derived(WSGITransport): ...

    assert (WSGITransport.answers_early, Derived.answers_early) == (True, False)
    assert issubclass(Derived, InProcess)


@pytest.mark.anyio
async def test_a_failing_close_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Body(list[bytes]):
        def close(self) -> None:
            raise ValueError("late")

    def app(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", PAIRS)
        return Body([b"a"])

    async with client_of(app) as client:
        assert (await client.get("/orders")).text == "a"
    assert_logged(caplog, ("ERROR", "GET /orders", "ValueError", "late"))


def test_only_a_call_that_waits_for_nothing_needs_no_event_loop() -> None:
    class Derived(WSGITransport): ...

    whole = EventRequest("GET", b"/", [], b"", {"scheme": "https"})
    streamed = httpx.Request("POST", "http://a/", content=b"body")
    found = [
        WSGITransport(echo).may_wait(whole),
        WSGITransport(echo).may_wait(streamed),
        WSGITransport(echo, is_concurrent=True).may_wait(whole),
        Derived(echo).may_wait(whole),
        InProcess().may_wait(whole),
    ]
    assert found == [False, True, True, True, True]
