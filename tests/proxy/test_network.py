"""One connection: how it is made, what httpcore asks of it, and what it records of the wire."""

import math
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from bridge._httpx import httpcore
from bridge.proxy.network import CURRENT_ATTEMPT, Attempt, Network, SocketStream
from tests.proxy.origins import LIMIT, OK, Origin, answering, both_loops

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\n\r\n"
ANSWER_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@contextmanager
def connection() -> Iterator[tuple[SocketStream, socket.socket]]:
    """Yield a stream, and the other end of it, which blocks."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(LIMIT)
    with ours, theirs:
        yield SocketStream(ours), theirs


async def answered(stream: SocketStream, theirs: socket.socket) -> None:
    """Have the head of a response read: what is received afterwards is a body."""
    theirs.sendall(ANSWER_HEAD)
    assert await stream.read(1000) == ANSWER_HEAD


@contextmanager
def attempt(*, max_idle: float = math.inf) -> Iterator[Attempt]:
    made = Attempt(max_idle=max_idle)
    token = CURRENT_ATTEMPT.set(made)
    try:
        yield made
    finally:
        CURRENT_ATTEMPT.reset(token)


# Reading


async def test_read_gives_what_is_there_and_then_waits() -> None:
    with connection() as (stream, theirs):
        await answered(stream, theirs)
        theirs.sendall(b"abc")
        assert await stream.read(2) == b"ab"
        assert await stream.read(65536) == b"c"
        later = threading.Timer(0.01, theirs.sendall, [b"later"])
        later.start()
        assert await stream.read(65536) == b"later"
        later.join()
        theirs.close()
        assert await stream.read(65536) == b""


async def test_a_reader_that_never_waits_lets_others_run() -> None:
    """A server on the same machine may fill the socket as fast as it is read."""
    turns: list[int] = []

    async def run() -> None:
        turns.append(1)

    with connection() as (stream, theirs):
        await answered(stream, theirs)
        theirs.sendall(b"ab")
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            while not turns:
                assert await stream.read(1)


async def test_a_connection_may_be_closed_twice_and_then_fails() -> None:
    with connection() as (stream, theirs):
        await stream.aclose()
        await stream.aclose()
        assert theirs.recv(1) == b""
        with pytest.raises(httpcore().ReadError):
            await stream.read(1)
        with pytest.raises(httpcore().WriteError):
            await stream.write(b"a")


@both_loops
async def test_closing_ends_a_read_and_a_write_that_wait() -> None:
    raised: list[type[Exception]] = []

    async def wait(action: Callable[[], Awaitable[object]]) -> None:
        try:
            await action()
        except (httpcore().ReadError, httpcore().WriteError) as exc:
            raised.append(type(exc))

    for method, argument in (("read", 1), ("write", bytes(6 << 20))):
        with connection() as (stream, _), anyio.fail_after(LIMIT):
            async with anyio.create_task_group() as group:
                group.start_soon(wait, partial(getattr(stream, method), argument))
                await anyio.wait_all_tasks_blocked()
                await stream.aclose()
            assert stream.get_extra_info("socket").fileno() == -1
    assert raised == [httpcore().ReadError, httpcore().WriteError]


async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    with connection() as (stream, theirs):
        await answered(stream, theirs)
        async with anyio.create_task_group() as group:
            group.start_soon(stream.read, 10)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        theirs.sendall(b"abc")
        assert await stream.read(10) == b"abc"


async def test_a_head_is_read_once_it_is_whole_and_without_the_informational_ones_before_it() -> None:
    wire = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nServer : x\r\n\r\nbody"
    with connection() as (stream, theirs), attempt() as made:
        await stream.write(HEAD)
        theirs.sendall(wire[:-10])
        async with anyio.create_task_group() as group:
            group.start_soon(stream.read, 1000)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        theirs.sendall(wire[-10:])
        assert await stream.read(1000) == b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody"
    assert made.received == len(wire)


# Writing


async def test_write_gives_up_after_its_timeout_and_tells_how_far_it_came() -> None:
    with connection() as (stream, theirs), attempt() as made:
        await stream.write(HEAD)
        with pytest.raises(httpcore().WriteTimeout):
            await stream.write(bytes(6 << 20), timeout=0.01)
        await stream.aclose()
        rest = b""
        while data := theirs.recv(1 << 20):
            rest += data
    assert made.written == len(rest) > len(HEAD)


async def test_writing_to_a_peer_that_left_is_a_write_error() -> None:
    with connection() as (stream, theirs), attempt() as made:
        theirs.close()
        with pytest.raises(httpcore().WriteError):
            await stream.write(HEAD)
    assert made.written == 0


# What is told


async def test_every_request_has_an_account_of_its_own() -> None:
    with connection() as (stream, theirs):
        accounts = []
        for number in (1, 2):
            with attempt() as made:
                await stream.write(HEAD)
                await stream.write(b"x" * number)
            theirs.recv(1000)
            theirs.sendall(OK)
            await stream.read(1000)
            accounts.append((made.connected, made.written, made.received, made.end.is_exact))
    assert accounts == [(False, len(HEAD) + size, len(OK), True) for size in (1, 2)]


async def idle(stream: SocketStream, theirs: socket.socket, answer: bytes = OK) -> None:
    """Exchange one request and its response."""
    with attempt():
        await stream.write(HEAD)
        theirs.sendall(answer)
        await stream.read(1000)


async def test_a_connection_is_readable_unless_it_is_idle_after_exactly_one_response() -> None:
    with connection() as (stream, theirs):
        assert stream.get_extra_info("is_readable") is True  # nothing was asked yet
        await idle(stream, theirs)
        assert stream.get_extra_info("is_readable") is False
        theirs.sendall(b"x")
        assert stream.get_extra_info("is_readable") is True
        assert await stream.read(10) == b"x"
        assert stream.get_extra_info("is_readable") is True
        await idle(stream, theirs)
        theirs.close()
        assert stream.get_extra_info("is_readable") is True
    with connection() as (stream, theirs):
        await idle(stream, theirs, OK + b"surplus")
        assert stream.get_extra_info("is_readable") is True
    with connection() as (stream, theirs):
        await idle(stream, theirs)
        await stream.aclose()
        assert stream.get_extra_info("is_readable") is True


async def test_a_connection_with_an_unsent_rest_of_its_request_is_not_idle() -> None:
    with connection() as (stream, theirs), attempt():
        await stream.write(HEAD)
        theirs.sendall(OK)
        await stream.write(bytes(6 << 20))
        await stream.read(1000)
        assert stream.get_extra_info("is_readable") is True


async def test_a_connection_is_too_old_for_some_requests_on_whichever_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its age is that of the last moment at which the server certainly had something to do."""
    clocks = SimpleNamespace(monotonic=5_000.0, wall=1_700_000_000.0)
    times = SimpleNamespace(monotonic=lambda: clocks.monotonic, time=lambda: clocks.wall)
    monkeypatch.setattr("bridge.proxy.network.time", times)
    for monotonic, wall, is_old in ((0.9, 0.9, False), (1.1, 0, True), (0, 1.1, True), (1.1, -600, True)):
        with connection() as (stream, theirs):
            await idle(stream, theirs)
            clocks.monotonic += monotonic
            clocks.wall += wall
            with attempt(max_idle=1):
                assert stream.get_extra_info("is_readable") is is_old, (monotonic, wall)
            with attempt():
                assert stream.get_extra_info("is_readable") is False
            assert stream.get_extra_info("is_readable") is False  # nothing asks for it
    with connection() as (stream, theirs), attempt(max_idle=1):
        await stream.write(HEAD)
        theirs.sendall(OK)
        clocks.monotonic += 2  # the answer may have been here all the time
        assert await stream.read(1000) == OK
        assert stream.get_extra_info("is_readable") is True


# Connecting


async def test_the_next_address_of_a_name_is_tried_if_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def addresses(host: str, port: int, *, type: int) -> list[tuple[object, ...]]:
        kinds = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kinds, ("127.0.0.1", 1)), (*kinds, ("127.0.0.1", port))]

    monkeypatch.setattr(anyio, "getaddrinfo", addresses)
    with Origin(answering(OK)) as origin:
        async with aclosing(await Network().connect_tcp("app.test", origin.port)) as stream:
            assert stream.get_extra_info("socket").getpeername() == ("127.0.0.1", origin.port)


async def test_an_invalid_host_or_path_is_a_connect_error() -> None:
    for host in ("", "a b", "nobody.invalid", "x" * 70 + ".test", "caf\u00e9.invalid"):
        with pytest.raises(httpcore().ConnectError):
            await Network().connect_tcp(host, 1)
    for path in ("/nowhere/app.sock", "/dev/null", "/" + "x" * 200, "/a\x00b"):
        with pytest.raises(httpcore().ConnectError):
            await Network().connect_unix_socket(path)


@contextmanager
def full_backlog(folder: Path) -> Iterator[tuple[str, socket.socket]]:
    """Yield a UNIX socket that has no room for another connection until one is accepted."""
    path = str(folder / "full.sock")
    waiting = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        try:
            while True:
                sock = socket.socket(socket.AF_UNIX)
                waiting.append(sock)
                sock.setblocking(False)
                try:
                    sock.connect(path)
                except BlockingIOError:
                    break
            yield path, listener
        finally:
            for sock in waiting:
                sock.close()


async def test_a_full_backlog_is_waited_for(tmp_path: Path) -> None:
    with full_backlog(tmp_path) as (path, listener):
        async with anyio.create_task_group() as group:
            streams: list[SocketStream] = []

            async def connect() -> None:
                streams.append(await Network().connect_unix_socket(path, timeout=LIMIT))

            group.start_soon(connect)
            await anyio.wait_all_tasks_blocked()
            assert streams == []
            listener.accept()[0].close()
        await streams[0].aclose()


@pytest.mark.usefixtures("nothing_unclosed")
async def test_a_connection_attempt_that_is_cancelled_leaves_no_socket(tmp_path: Path) -> None:
    with full_backlog(tmp_path) as (path, _):
        async with anyio.create_task_group() as group:
            group.start_soon(Network().connect_unix_socket, path)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
