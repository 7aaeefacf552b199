"""Waiting for the web server: how often it is checked, what is logged meanwhile, and what ends the wait.

The clock is trio's, and jumps: hours of waiting cost no time, and every moment is exact.
"""

import math
from collections.abc import Awaitable, Callable

import anyio
import pytest
from trio.testing import MockClock

from bridge._httpx import httpx
from bridge.errors import OriginLost, OriginNotStarted
from bridge.proxy.readiness import BODY_LIMIT, Readiness
from bridge.proxy.settings import OriginSettings
from tests.logged import assert_logged

pytestmark = pytest.mark.anyio

Answer = Callable[[], Awaitable[int]]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Server:
    """A server for a probe. It gives answers in order, repeats the last one, and records the time of requests."""

    def __init__(self, *answers: int | Exception | Answer) -> None:
        self._answers = list(answers)
        self.times: list[float] = []
        self.requests: list[tuple[str, bytes, list[tuple[bytes, bytes]], bytes]] = []
        self.start = anyio.current_time()
        self.body: httpx.AsyncByteStream = httpx.ByteStream(b"")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = request.extensions["target"]
        self.requests.append((request.method, target, request.headers.raw, await request.aread()))
        return httpx.Response(await self._next(), stream=self.body)

    async def check_connection(self) -> None:
        await self._next()

    async def _next(self) -> int:
        self.times.append(round(anyio.current_time() - self.start, 4))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, int) else await answer()

    @property
    def waited(self) -> float:
        return round(anyio.current_time() - self.start, 4)


REFUSED = httpx.ConnectError("[Errno 111] Connection refused")


def alive() -> None:
    """Do nothing: the server may still become ready."""


async def never() -> int:
    await anyio.sleep_forever()
    raise AssertionError


async def test_a_ready_server_is_asked_once_and_immediately(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(200)
    settings = OriginSettings(host="127.0.0.1", port=8081, readiness_path="/health?deep=1")
    await Readiness(server, settings, check_alive=alive).wait(9.8)
    assert server.times == [0]
    assert server.requests == [
        ("GET", b"/health?deep=1", [(b"host", b"127.0.0.1:8081"), (b"user-agent", b"bridge-readiness")], b"")
    ]
    assert_logged(caplog)


async def test_it_is_asked_every_10_ms() -> None:
    server = Server(*[REFUSED] * 5, 200)
    await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
    assert server.times == [0, 0.01, 0.02, 0.03, 0.04, 0.05]


async def test_a_healthy_status_is_any_except_a_server_errors_or_one_of_those_that_were_set() -> None:
    for status in (100, 204, 301, 404, 499):
        server = Server(500, status)
        await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
        assert server.times == [0, 0.01]
    server = Server(200, 404, 503, 204)
    await Readiness(server, OriginSettings(healthy_status=frozenset({204})), check_alive=alive).wait(9.8)
    assert server.times == [0, 0.01, 0.02, 0.03]


class Endless(httpx.AsyncByteStream):
    """The body of a page with server-sent events."""

    is_closed = False

    def __aiter__(self) -> "Endless":
        return self

    async def __anext__(self) -> bytes:
        await anyio.sleep(0.01)
        return b"data: 1\n\n"

    async def aclose(self) -> None:
        self.is_closed = True


async def test_a_page_without_end_is_healthy_by_its_status() -> None:
    server = Server(200)
    server.body = body = Endless()
    await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
    assert (server.times, server.waited, body.is_closed) == ([0], BODY_LIMIT, True)


async def test_over_tcp_a_connection_is_enough() -> None:
    server = Server(REFUSED, 0)
    await Readiness(server, OriginSettings(readiness_protocol="tcp"), check_alive=alive).wait(9.8)
    assert (server.times, server.requests) == ([0, 0.01], [])


async def test_every_two_seconds_the_log_says_why_the_server_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    async def becomes_ready() -> int:
        return 200 if server.waited >= 5 else 500

    server = Server(becomes_ready)
    await Readiness(server, OriginSettings(port=8081), check_alive=alive).wait(math.inf)
    where = "http://127.0.0.1:8081"
    assert_logged(
        caplog,
        ("WARNING", where, "2 s", "GET /", "status 500"),
        ("WARNING", where, "4 s", "GET /", "status 500"),
    )


async def test_a_check_that_hangs_is_given_up_and_the_next_one_made() -> None:
    server = Server(never, 200)
    await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
    assert server.times == [0, 5.01]


async def test_at_the_limit_the_error_says_what_was_seen_last_and_what_to_do() -> None:
    for answer, why in (
        (REFUSED, "[Errno 111] Connection refused"),
        (503, "GET / was answered with status 503"),
        (never, "no answer within 5 s"),
    ):
        server = Server(answer)
        with pytest.raises(OriginNotStarted) as caught:
            await Readiness(server, OriginSettings(uds="/tmp/app.sock"), check_alive=alive).wait(9.8)
        assert server.waited == 9.8
        for fact in ("unix:/tmp/app.sock", "9.8 s", why, "BRIDGE_UDS", "AWS_LWA_READINESS_CHECK_PATH"):
            assert fact in str(caught.value)


async def test_without_a_limit_it_waits_for_as_long_as_necessary() -> None:
    async def an_hour_later() -> int:
        await anyio.sleep(4)
        if server.waited < 3600:
            raise REFUSED
        return 200

    server = Server(an_hour_later)
    await Readiness(server, OriginSettings(), check_alive=alive).wait(math.inf)
    assert 3600 <= server.waited < 3605


async def test_what_the_check_of_the_server_raises_ends_the_wait() -> None:
    for error in (OriginNotStarted("it ended"), OriginLost("it ended again"), KeyboardInterrupt()):
        server = Server(REFUSED)

        def check(server: Server = server, error: BaseException = error) -> None:
            if len(server.times) == 3:
                raise error

        with pytest.raises(type(error)) as caught:
            await Readiness(server, OriginSettings(), check_alive=check).wait(9.8)
        assert (caught.value, server.waited) == (error, 0.03)


async def test_its_end_while_a_check_hangs_is_seen_after_that_check() -> None:
    server = Server(never)

    def check() -> None:
        if server.times:
            raise OriginNotStarted("it ended")

    with pytest.raises(OriginNotStarted):
        await Readiness(server, OriginSettings(), check_alive=check).wait(math.inf)
    assert server.waited == 5.01


async def test_any_other_exception_is_raised_as_it_is() -> None:
    with pytest.raises(ValueError, match="a fault"):
        await Readiness(Server(ValueError("a fault")), OriginSettings(), check_alive=alive).wait(9.8)
