"""One connection: how it is made, what httpcore asks of it, and what it records of the wire."""

import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from bridge._httpx import httpcore
from bridge.proxy.network import CURRENT_ATTEMPT, Attempt, Network, SocketStream
from tests.proxy.origins import LIMIT, OK, Origin, answering, both_loops

anyio_test = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\n\r\n"


@contextmanager
def connection() -> Iterator[tuple[SocketStream, socket.socket]]:
    """Yield a stream, and the other end of it, which blocks."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(LIMIT)
    with ours, theirs:
        yield SocketStream(ours), theirs


@contextmanager
def attempt() -> Iterator[Attempt]:
    made = Attempt()
    token = CURRENT_ATTEMPT.set(made)
    try:
        yield made
    finally:
        CURRENT_ATTEMPT.reset(token)


def read_all(theirs: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += theirs.recv(1 << 20)
    return data


# Reading


@anyio_test
async def test_read_gives_what_is_there_and_then_waits() -> None:
    with connection() as (stream, theirs):
        theirs.sendall(b"abc")
        assert await stream.read(2) == b"ab"
        assert await stream.read(65536) == b"c"
        later = threading.Timer(0.01, theirs.sendall, [b"later"])
        later.start()
        assert await stream.read(65536) == b"later"
        later.join()
        theirs.close()
        assert await stream.read(65536) == b""


@anyio_test
async def test_read_gives_up_after_its_timeout() -> None:
    with connection() as (stream, _), pytest.raises(httpcore().ReadTimeout):
        await stream.read(1, timeout=0.01)


@anyio_test
async def test_a_connection_may_be_closed_twice_and_then_fails() -> None:
    with connection() as (stream, theirs):
        await stream.aclose()
        await stream.aclose()
        assert theirs.recv(1) == b""
        with pytest.raises(httpcore().ReadError):
            await stream.read(1)
        with pytest.raises(httpcore().WriteError):
            await stream.write(b"a")


@anyio_test
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


@anyio_test
async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    with connection() as (stream, theirs):
        async with anyio.create_task_group() as group:
            group.start_soon(stream.read, 10)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        theirs.sendall(b"abc")
        assert await stream.read(10) == b"abc"


# Writing


@anyio_test
@both_loops
async def test_write_sends_all_of_it() -> None:
    size = 6 << 20
    data = os.urandom(size)
    with connection() as (stream, theirs), attempt() as made:
        received: list[bytes] = []
        async with anyio.create_task_group() as group:

            async def read() -> None:
                received.append(await anyio.to_thread.run_sync(read_all, theirs, len(HEAD) + size))

            group.start_soon(read)
            await stream.write(HEAD)
            await stream.write(data)
    assert received == [HEAD + data]
    assert (made.head, made.written, made.sent_body) == (len(HEAD), len(HEAD) + size, True)


@anyio_test
async def test_writing_nothing_is_nothing() -> None:
    with connection() as (stream, theirs), attempt() as made:
        await stream.write(b"")
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    assert (made.head, made.written) == (0, 0)


@anyio_test
async def test_write_gives_up_after_its_timeout_and_tells_how_far_it_came() -> None:
    with connection() as (stream, theirs), attempt() as made:
        await stream.write(HEAD)
        with pytest.raises(httpcore().WriteTimeout):
            await stream.write(bytes(6 << 20), timeout=0.01)
        await stream.aclose()
        rest = b""
        while data := theirs.recv(1 << 20):
            rest += data
    assert made.written == len(rest)
    assert made.sent_body


@anyio_test
async def test_writing_to_a_peer_that_left_is_a_write_error() -> None:
    with connection() as (stream, theirs), attempt() as made:
        theirs.close()
        with pytest.raises(httpcore().WriteError):
            await stream.write(HEAD)
    assert (made.written, made.sent_body) == (0, False)


@anyio_test
@both_loops
async def test_a_write_returns_when_there_is_something_to_read_and_the_rest_goes_out_meanwhile() -> None:
    """Both sides send 4 MB before they read."""
    theirs_data = b"HTTP/1.1 200 OK\r\n\r\n" + os.urandom(4 << 20)
    ours_data = os.urandom(2 << 20)
    with connection() as (stream, theirs), attempt() as made, anyio.fail_after(LIMIT):
        received: list[bytes] = []

        def talk() -> None:
            theirs.sendall(theirs_data)
            received.append(read_all(theirs, len(HEAD) + 2 * len(ours_data)))
            theirs.sendall(b"!")

        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, talk)
            await stream.write(HEAD)
            await stream.write(ours_data)
            await stream.write(ours_data)
            heard = b""
            while len(heard) <= len(theirs_data):
                heard += await stream.read(65536)
    assert heard == theirs_data + b"!"
    assert received == [HEAD + ours_data * 2]
    assert (made.received, made.written) == (len(heard), len(HEAD) + 2 * len(ours_data))


# What is told


@anyio_test
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
            accounts.append((made.connected, made.head, made.written, made.received, made.end.is_exact))
    expected = (False, len(HEAD), len(HEAD) + 1, len(OK), True)
    assert accounts == [expected, (*expected[:2], len(HEAD) + 2, *expected[3:])]


async def idle(stream: SocketStream, theirs: socket.socket, answer: bytes = OK) -> None:
    """Exchange one request and its response."""
    with attempt():
        await stream.write(HEAD)
        theirs.sendall(answer)
        await stream.read(1000)


@anyio_test
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


@anyio_test
async def test_a_connection_with_an_unsent_rest_of_its_request_is_not_idle() -> None:
    with connection() as (stream, theirs), attempt():
        await stream.write(HEAD)
        theirs.sendall(OK)
        await stream.write(bytes(6 << 20))
        await stream.read(1000)
        assert stream.get_extra_info("is_readable") is True


# Connecting


@anyio_test
async def test_it_connects_to_addresses_and_names() -> None:
    for host in ("127.0.0.1", "localhost"):
        with Origin(answering(OK)) as origin, attempt() as made:
            async with aclosing(await Network().connect_tcp(host, origin.port)) as stream:
                assert stream.get_extra_info("socket").getpeername()[1] == origin.port
        assert made.connected


@anyio_test
async def test_the_next_address_of_a_name_is_tried_if_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def addresses(host: str, port: int, *, type: int) -> list[tuple[object, ...]]:
        kinds = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kinds, ("127.0.0.1", 1)), (*kinds, ("127.0.0.1", port))]

    monkeypatch.setattr(anyio, "getaddrinfo", addresses)
    with Origin(answering(OK)) as origin:
        async with aclosing(await Network().connect_tcp("app.test", origin.port)) as stream:
            assert stream.get_extra_info("socket").getpeername() == ("127.0.0.1", origin.port)


@anyio_test
async def test_the_last_address_that_refuses_is_the_error() -> None:
    with Origin(answering(OK)) as origin, attempt() as made:
        origin.refuse()
        with pytest.raises(httpcore().ConnectError, match="refused"):
            await Network().connect_tcp("127.0.0.1", origin.port)
    assert not made.connected


@anyio_test
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


@anyio_test
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


@anyio_test
@pytest.mark.usefixtures("nothing_unclosed")
async def test_a_connection_attempt_that_is_cancelled_leaves_no_socket(tmp_path: Path) -> None:
    with full_backlog(tmp_path) as (path, _):
        async with anyio.create_task_group() as group:
            group.start_soon(Network().connect_unix_socket, path)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
