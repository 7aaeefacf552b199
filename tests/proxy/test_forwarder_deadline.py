"""The deadline of an invocation: when a request is given up, by whom, and with which words.

The clock is trio's, and jumps whenever everything waits. The web server is a transport in this process.
"""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from trio.testing import MockClock

from bridge import invocation
from bridge._httpx import httpx
from bridge._messages import WHOLE_RESPONSE, CompleteResponse, EventRequest
from bridge.errors import OriginBroken, OriginTimeout
from bridge.proxy.forwarder import Forwarder
from bridge.proxy.server import Origin
from bridge.proxy.settings import OriginSettings
from tests.logged import assert_logged

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Body(httpx.AsyncByteStream):
    """`part`, and then nothing, or the same again and again."""

    def __init__(self, part: bytes, *, is_endless: bool) -> None:
        self._part = part
        self._is_endless = is_endless

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._part
        while self._is_endless:
            await anyio.sleep(1)
            yield self._part
        await anyio.sleep_forever()


class FakeTransport(httpx.AsyncBaseTransport):
    """Answers /hang never, /stuck and /endless in part, /drop with an error, and everything else immediately."""

    is_ready = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.extensions["target"]
        await anyio.lowlevel.checkpoint()
        if path == b"/hang":
            await anyio.sleep_forever()
        if path == b"/drop":
            raise httpx.ReadError("it broke")
        if path in (b"/stuck", b"/endless"):
            response = httpx.Response(200, stream=Body(b"one", is_endless=path == b"/endless"))
            if not request.extensions.get(WHOLE_RESPONSE):
                return response
            async for _ in cast("httpx.AsyncByteStream", response.stream):
                pass
        return CompleteResponse(200 if self.is_ready else 500, [], b"ok")

    async def check_connection(self) -> None:
        """It can always be reached."""


async def unchanged(request: httpx.Request) -> httpx.Request:
    return request


def make_forwarder(**settings: Any) -> Forwarder:
    forwarder = Forwarder(OriginSettings(**settings), None, prepare=unchanged)
    forwarder.transport = FakeTransport()  # type: ignore[assignment]  # in place of a socket
    forwarder.origin = Origin(OriginSettings(**settings), None, server=FakeTransport(), probe=FakeTransport())
    return forwarder


def make_request(path: str, context: object, *, is_whole: bool = True) -> httpx.Request:
    request = EventRequest("POST", path.encode(), [(b"host", b"a")], b"", {"aws.context": context})
    if is_whole:
        request.extensions[WHOLE_RESPONSE] = True
    return request


def left(seconds: float) -> SimpleNamespace:
    """The Lambda context of an invocation with so much time left."""
    return SimpleNamespace(get_remaining_time_in_millis=lambda: seconds * 1000)


async def read(response: httpx.Response) -> bytes:
    return b"".join([part async for part in cast("httpx.AsyncByteStream", response.stream)])


async def given_up_after(forwarder: Forwarder, request: httpx.Request) -> float:
    start = anyio.current_time()
    with pytest.raises(OriginTimeout, match="deadline"):
        await forwarder.handle_async_request(request)
    return round(anyio.current_time() - start, 3)


async def test_a_request_without_an_answer_is_given_up_before_the_deadline() -> None:
    forwarder = make_forwarder()
    for path in ("/hang", "/stuck", "/endless"):
        assert await given_up_after(forwarder, make_request(path, left(60))) == 59.75
    assert await given_up_after(forwarder, make_request("/hang", left(60), is_whole=False)) == 59.75


async def test_the_margin_is_that_of_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.runtime.settings import RuntimeSettings

    assert OriginSettings().deadline_margin == RuntimeSettings().deadline_margin == 0.25
    monkeypatch.setenv("BRIDGE_DEADLINE_MARGIN", "1500")
    assert OriginSettings().deadline_margin == RuntimeSettings().deadline_margin == 1.5
    assert await given_up_after(make_forwarder(), make_request("/hang", left(60))) == 58.5


async def test_near_the_deadline_a_request_is_tried_for_half_of_the_time() -> None:
    forwarder = make_forwarder()
    assert (await forwarder.handle_async_request(make_request("/", left(0.1)))).status_code == 200
    assert await given_up_after(forwarder, make_request("/hang", left(0.1))) == 0.05
    for seconds in (0, -5):
        assert await given_up_after(forwarder, make_request("/hang", left(seconds))) == 0


async def test_a_streamed_body_is_given_up_with_an_error_that_names_the_request() -> None:
    forwarder = make_forwarder()
    for path in ("/stuck", "/endless"):
        response = await forwarder.handle_async_request(make_request(path, left(60), is_whole=False))
        start = anyio.current_time()
        with pytest.raises(OriginTimeout, match=f"POST {path}: .*deadline"):
            await read(response)
        assert 59 <= anyio.current_time() - start <= 59.75
        await response.aclose()


async def test_without_a_deadline_there_is_no_limit() -> None:
    forwarder = make_forwarder()
    for context in (None, object(), {"deadline": 1}, SimpleNamespace(get_remaining_time_in_millis=lambda: "soon")):
        with anyio.move_on_after(1e6) as scope:
            await forwarder.handle_async_request(make_request("/hang", context))
        assert scope.cancelled_caught


async def test_the_wait_for_the_server_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeTransport, "is_ready", False)
    assert await given_up_after(make_forwarder(), make_request("/", left(60))) == 59.75


async def test_a_failure_is_raised_before_the_deadline_although_the_servers_end_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forwarder = make_forwarder()
    monkeypatch.setattr(forwarder.origin, "check_after_failure", anyio.sleep_forever)
    start = anyio.current_time()
    with pytest.raises(OriginBroken, match="it broke"):
        await forwarder.handle_async_request(make_request("/drop", left(60)))
    assert round(anyio.current_time() - start, 3) == 59.75


async def test_a_caller_that_leaves_first_is_not_a_timeout(caplog: pytest.LogCaptureFixture) -> None:
    with anyio.move_on_after(30) as scope:
        await make_forwarder().handle_async_request(make_request("/hang", left(60)))
    assert scope.cancelled_caught
    assert_logged(caplog)


async def test_where_the_runtime_keeps_the_deadline_it_alone_answers_and_the_log_names_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    forwarder = make_forwarder()
    for given_up, lines in ((10.0, []), (40.0, [("ERROR", "POST /hang", "deadline")])):
        invocation.deadline.set(anyio.current_time() + 40)
        with anyio.CancelScope(deadline=anyio.current_time() + given_up) as runtime:
            await forwarder.handle_async_request(make_request("/hang", left(20)))
        assert runtime.cancelled_caught
        assert_logged(caplog, *lines)
