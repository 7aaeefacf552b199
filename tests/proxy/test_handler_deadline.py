"""The client is answered before Lambda ends the environment, whatever the web server does."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge.errors import OriginTimeout
from tests.proxy.programs import Programs, Proxies, wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Logged = Callable[[], list[tuple[int, str]]]

GATEWAY_TIMEOUT = {
    "statusCode": 504,
    "headers": {"content-type": "text/plain; charset=utf-8", "content-length": "15"},
    "cookies": [],
    "body": "Gateway Timeout",
    "isBase64Encoded": False,
}


class Context:
    """Lambda's context, of which only the time that is left matters here: 0.3 s and the margin."""

    def __init__(self, milliseconds: Any = 550) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> Any:
        return self._milliseconds


@pytest.fixture
def time_limit() -> int:
    return 60


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    yield made
    made.end()


@pytest.fixture
def make() -> Iterator[Proxies]:
    made = Proxies()
    yield made
    made.end()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    return lambda: [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "bridge"]


def late(what: str) -> tuple[int, str]:
    return logging.ERROR, f"{what} had no answer in time: the invocation's deadline is near."


async def test_no_answer_is_a_504(make: Proxies, programs: Programs, make_event: MakeEvent, logged: Logged) -> None:
    program = programs()
    handler = make(program)
    async with handler:
        event = make_event("POST", "/hang", rawQueryString="token=secret")
        assert await handler.handle(event, Context()) == GATEWAY_TIMEOUT
        assert (await handler.handle(make_event(), Context(60_000)))["statusCode"] == 200
    assert program.targets == ["GET /health", "POST /hang?token=secret", "GET /"]
    assert logged() == [late("POST /hang")]


async def test_half_an_answer_is_a_504(
    make: Proxies, programs: Programs, make_event: MakeEvent, logged: Logged
) -> None:
    program = programs()
    handler = make(program)
    async with handler:
        assert await handler.handle(make_event(path="/stuck"), Context()) == GATEWAY_TIMEOUT
        program.wait_for("gone")
    assert logged() == [late("GET /stuck")]


async def test_no_answer_is_a_504_when_it_is_streamed(
    make: Proxies, programs: Programs, make_event: MakeEvent, logged: Logged
) -> None:
    handler = make(programs())
    async with handler, handler.stream(make_event(path="/hang"), Context()) as response:
        assert response.prelude["statusCode"] == 504
        assert [part async for part in response.body] == [b"Gateway Timeout"]
    assert logged() == [late("GET /hang")]


async def test_a_streamed_body_that_stops_is_broken_at_the_deadline(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    program = programs()
    handler = make(program)
    async with handler:
        async with handler.stream(make_event(path="/stuck"), Context()) as response:
            assert await anext(response.body) == b"one"
            with pytest.raises(OriginTimeout) as caught:
                await anext(response.body)
        program.wait_for("gone")
    assert str(caught.value) == late("GET /stuck")[1]


async def test_a_body_without_end_is_broken_at_the_deadline(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    handler = make(programs())
    async with handler, handler.stream(make_event(path="/endless"), Context()) as response:
        with pytest.raises(OriginTimeout):
            async for _ in response.body:
                pass


async def test_a_body_without_end_is_a_504(make: Proxies, programs: Programs, make_event: MakeEvent) -> None:
    handler = make(programs())
    async with handler:
        assert await handler.handle(make_event(path="/endless"), Context()) == GATEWAY_TIMEOUT


async def test_a_body_without_end_keeps_nobody_else_from_the_loop(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    handler = make(programs())

    async def read_on() -> None:
        async with handler.stream(make_event(path="/endless"), None) as response:
            async for _ in response.body:
                pass

    async with handler, anyio.create_task_group() as group:
        group.start_soon(read_on)
        for _ in range(5):
            assert (await handler.handle(make_event(), None))["statusCode"] == 200
        group.cancel_scope.cancel()


@pytest.mark.parametrize("milliseconds", [0, 100, -5])
async def test_a_deadline_that_has_passed_already_is_a_504(
    make: Proxies, programs: Programs, make_event: MakeEvent, milliseconds: int
) -> None:
    handler = make(programs())
    async with handler:
        assert await handler.handle(make_event(), Context(milliseconds)) == GATEWAY_TIMEOUT
        assert (await handler.handle(make_event(), Context(60_000)))["statusCode"] == 200


@pytest.mark.parametrize("context", [None, object(), {"deadline": 1}, Context(None), Context("soon")])
async def test_without_a_deadline_there_is_no_limit(
    make: Proxies, programs: Programs, make_event: MakeEvent, context: object
) -> None:
    handler = make(programs())
    async with handler:
        assert (await handler.handle(make_event(), context))["statusCode"] == 200


async def test_a_server_that_stands_still_is_a_504_also_on_a_used_connection(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    program = programs()
    handler = make(program)
    async with handler:
        await handler.handle(make_event(), Context(60_000))
        os.kill(program.pids[0], signal.SIGSTOP)
        stat = Path(f"/proc/{program.pids[0]}/stat")
        wait_until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "T")
        try:
            assert await handler.handle(make_event(), Context()) == GATEWAY_TIMEOUT
        finally:
            os.kill(program.pids[0], signal.SIGCONT)
        # The connection whose answer nobody waited for is not used again: that answer would be taken for another's.
        result = await handler.handle(make_event(path="/mine"), Context(60_000))
        assert '"target": "/mine"' in result["body"]


async def test_the_wait_of_the_first_request_ends_at_its_deadline(
    make: Proxies,
    programs: Programs,
    make_event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    logged: Logged,
) -> None:
    monkeypatch.setattr("bridge.proxy.settings.INIT_LIMIT", 0.1)
    program = programs(listen_when=tmp_path / "listen")
    handler = make(program, async_init=True)
    async with handler:
        assert await handler.handle(make_event(), Context()) == GATEWAY_TIMEOUT
        async with handler.stream(make_event(), Context()) as response:
            assert response.prelude["statusCode"] == 504
        (tmp_path / "listen").touch()
        assert (await handler.handle(make_event(), Context(60_000)))["statusCode"] == 200
    assert program.targets == ["GET /health", "GET /"]
    assert logged()[1:] == [late("GET /")] * 2


async def test_the_wait_for_the_next_server_ends_at_the_deadline(
    make: Proxies, programs: Programs, make_event: MakeEvent, tmp_path: Path
) -> None:
    program = programs(again={"listen_when": tmp_path / "listen"})
    handler = make(program)
    async with handler:
        assert (await handler.handle(make_event(path="/exit/1"), None))["statusCode"] == 502
        assert await handler.handle(make_event(), Context()) == GATEWAY_TIMEOUT
        (tmp_path / "listen").touch()
        assert (await handler.handle(make_event(), Context(60_000)))["statusCode"] == 200


async def test_a_failure_is_answered_before_the_deadline_although_the_servers_end_is_waited_for(
    make: Proxies, programs: Programs, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.proxy.server.EXIT_NOTICE", 3600)
    handler = make(programs())
    async with handler:
        with anyio.fail_after(10):
            assert (await handler.handle(make_event("POST", "/drop"), Context()))["statusCode"] == 502


async def test_a_caller_that_leaves_first_is_no_timeout(
    make: Proxies, programs: Programs, make_event: MakeEvent, logged: Logged
) -> None:
    program = programs()
    handler = make(program)
    async with handler:
        with anyio.move_on_after(0.2) as scope:
            await handler.handle(make_event(path="/stuck"), Context(60_000))
        assert scope.cancelled_caught
        program.wait_for("gone")
    assert logged() == []


async def test_a_cancelled_request_does_not_disturb_the_others(
    make: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    handler = make(programs())
    results: list[int] = []

    async def call(path: str, milliseconds: int) -> None:
        results.append((await handler.handle(make_event(path=path), Context(milliseconds)))["statusCode"])

    async with handler:
        await call("/", 60_000)
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(call, "/hang", 450)
                group.start_soon(call, "/", 60_000)
    assert sorted(results) == [200] * 11 + [504] * 10
