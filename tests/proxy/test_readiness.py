"""Waiting for the web server: how often it is asked, what is said meanwhile, and what ends the wait.

Time is trio's here, and jumps: hours of waiting take no time, and every moment can be told exactly.
"""

import logging
import math
from collections.abc import Awaitable, Callable

import anyio
import pytest
from trio.testing import MockClock

from bridge._httpx import httpx
from bridge._messages import CompleteResponse
from bridge.errors import OriginLost, OriginNotStarted
from bridge.proxy.readiness import Readiness
from bridge.proxy.server import OriginSettings

pytestmark = pytest.mark.anyio

Answer = Callable[[], Awaitable[int]]
Logged = Callable[[], list[tuple[int, str]]]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    return lambda: [(record.levelno, record.getMessage()) for record in caplog.records]


class Server:
    """What a probe reaches: answers, one after the other, the last one again and again; and when it was asked."""

    def __init__(self, *answers: int | Exception | Answer) -> None:
        self._answers = list(answers)
        self.times: list[float] = []
        self.requests: list[tuple[str, bytes, list[tuple[bytes, bytes]], bytes]] = []
        self.start = anyio.current_time()

    async def handle_buffered_request(self, request: httpx.Request) -> CompleteResponse:
        target = request.extensions["target"]
        self.requests.append((request.method, target, request.headers.raw, await request.aread()))
        return CompleteResponse(await self._next(), [], b"")

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
    """There is a point in waiting."""


async def never() -> int:
    await anyio.sleep_forever()
    raise AssertionError


async def test_a_ready_server_is_asked_once_and_at_once(logged: Logged) -> None:
    server = Server(200)
    settings = OriginSettings(host="127.0.0.1", port=8081, readiness_path="/health?deep=1")
    await Readiness(server, settings, check_alive=alive).wait(9.8)
    assert server.times == [0]
    assert server.requests == [
        ("GET", b"/health?deep=1", [(b"host", b"127.0.0.1:8081"), (b"user-agent", b"bridge-readiness")], b"")
    ]
    assert logged() == []


async def test_its_own_port_is_in_the_host_header() -> None:
    server = Server(200)
    settings = OriginSettings(host="::1", port=8081, readiness_port=9090)
    await Readiness(server, settings, check_alive=alive).wait(9.8)
    assert server.requests == [("GET", b"/", [(b"host", b"[::1]:9090"), (b"user-agent", b"bridge-readiness")], b"")]


async def test_it_is_asked_less_and_less_often_down_to_ten_times_a_second() -> None:
    server = Server(*[REFUSED] * 9, 200)
    await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
    assert server.times == [0, 0.01, 0.025, 0.0475, 0.0813, 0.1319, 0.2078, 0.3078, 0.4078, 0.5078]


@pytest.mark.parametrize("status", [100, 204, 301, 404, 499])
async def test_every_answer_but_a_server_error_is_healthy_by_default(status: int) -> None:
    server = Server(status)
    await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
    assert server.times == [0]


async def test_only_the_healthy_statuses_that_were_set_count() -> None:
    server = Server(200, 404, 503, 204)
    await Readiness(server, OriginSettings(healthy_status=frozenset({204})), check_alive=alive).wait(9.8)
    assert server.times == [0, 0.01, 0.025, 0.0475]


async def test_over_tcp_a_connection_is_enough() -> None:
    server = Server(REFUSED, 0)
    await Readiness(server, OriginSettings(readiness_protocol="tcp"), check_alive=alive).wait(9.8)
    assert (server.times, server.requests) == ([0, 0.01], [])


async def test_every_two_seconds_the_log_says_what_is_waited_for(logged: Logged) -> None:
    async def becomes_unhealthy() -> int:
        await anyio.sleep(3.5)
        return 500

    server = Server(becomes_unhealthy, becomes_unhealthy, 200)
    await Readiness(server, OriginSettings(port=8081), check_alive=alive).wait(math.inf)
    where = "The web server at http://127.0.0.1:8081 is not ready after"
    said = "GET / was answered with status 500."
    assert logged() == [
        (logging.WARNING, f"{where} 2 s: not asked yet."),
        (logging.WARNING, f"{where} 4 s: {said}"),
        (logging.WARNING, f"{where} 6 s: {said}"),
    ]


async def test_a_look_that_hangs_is_given_up_and_the_next_one_taken(logged: Logged) -> None:
    server = Server(never, 200)
    await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
    assert server.times == [0, 5.01]
    assert len(logged()) == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (REFUSED, "[Errno 111] Connection refused"),
        (httpx.ReadError(""), "ReadError"),
        (503, "GET / was answered with status 503"),
        (never, "no answer within 5 s"),
    ],
)
async def test_at_the_limit_the_error_says_what_was_seen_last_and_what_to_do(
    answer: int | Exception | Answer, why: str
) -> None:
    server = Server(answer)
    with pytest.raises(OriginNotStarted) as caught:
        await Readiness(server, OriginSettings(uds="/tmp/app.sock"), check_alive=alive).wait(9.8)
    assert server.waited == 9.8
    assert str(caught.value) == (
        f"The web server at unix:/tmp/app.sock was not ready within 9.8 s: {why}. Does it listen there? Its port is "
        "AWS_LWA_PORT, the path of the check AWS_LWA_READINESS_CHECK_PATH; a server that needs longer needs "
        "AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS or AWS_LWA_ASYNC_INIT=true."
    )


async def test_without_a_limit_it_waits_for_as_long_as_it_takes(logged: Logged) -> None:
    async def an_hour_later() -> int:
        await anyio.sleep(4)
        if server.waited < 3600:
            raise REFUSED
        return 200

    server = Server(an_hour_later)
    await Readiness(server, OriginSettings(), check_alive=alive).wait(math.inf)
    assert 3600 <= server.waited < 3605
    assert len(logged()) >= 1799


@pytest.mark.parametrize("error", [OriginNotStarted("it ended"), OriginLost("it ended again")])
async def test_what_says_that_there_is_no_point_in_waiting_ends_it_at_once(error: BaseException) -> None:
    server = Server(REFUSED)

    def check() -> None:
        if len(server.times) == 3:
            raise error

    with pytest.raises(type(error)) as caught:
        await Readiness(server, OriginSettings(), check_alive=check).wait(9.8)
    assert (caught.value, server.waited) == (error, 0.0475)


async def test_an_end_while_a_look_hangs_is_seen_behind_it() -> None:
    server = Server(never)

    def check() -> None:
        if server.times:
            raise OriginNotStarted("it ended")

    with pytest.raises(OriginNotStarted):
        await Readiness(server, OriginSettings(), check_alive=check).wait(math.inf)
    assert server.waited == 5.01


async def test_whoever_waits_can_be_cancelled() -> None:
    server = Server(REFUSED)
    with anyio.move_on_after(3) as scope:
        await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)
    assert (scope.cancelled_caught, server.waited) == (True, 3)


async def test_a_fault_of_our_own_is_raised_as_it_is() -> None:
    server = Server(ValueError("a fault"))
    with pytest.raises(ValueError, match="a fault"):
        await Readiness(server, OriginSettings(), check_alive=alive).wait(9.8)


async def test_an_interruption_is_raised_as_it_is() -> None:
    server = Server(200)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await Readiness(server, OriginSettings(), check_alive=interrupted).wait(9.8)


async def test_two_may_wait_at_once() -> None:
    server = Server(*[REFUSED] * 4, 200)
    readiness = Readiness(server, OriginSettings(), check_alive=alive)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(readiness.wait, 9.8)
            group.start_soon(readiness.wait, 9.8)
    assert server.waited < 0.1
