"""One connection: what httpcore asks of it, and what it tells about the wire."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import anyio
import pytest

from bridge._httpx import httpcore
from bridge.proxy.network import CURRENT_ATTEMPT, Attempt, Network, SocketStream
from tests.proxy.origins import LIMIT, OK, Origin, answering, wakes_readers

anyio_test = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\n\r\n"


@contextmanager
def connection() -> Iterator[tuple[SocketStream, socket.socket]]:
    """A stream, and the other end of it, which blocks."""
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
async def test_a_timeout_that_is_over_at_once_still_reads_what_is_there() -> None:
    with connection() as (stream, theirs):
        theirs.sendall(b"abc")
        assert await stream.read(65536, timeout=0) == b"abc"


@anyio_test
async def test_reading_a_closed_connection_is_a_read_error() -> None:
    with connection() as (stream, _):
        await stream.aclose()
        with pytest.raises(httpcore().ReadError):
            await stream.read(1)


@anyio_test
async def test_writing_to_a_closed_connection_is_a_write_error() -> None:
    with connection() as (stream, _):
        await stream.aclose()
        with pytest.raises(httpcore().WriteError):
            await stream.write(b"a")


@anyio_test
async def test_closing_twice_is_closing() -> None:
    with connection() as (stream, theirs):
        await stream.aclose()
        await stream.aclose()
        assert theirs.recv(1) == b""


@wakes_readers
@anyio_test
async def test_closing_ends_a_read_that_waits() -> None:
    raised: list[Exception] = []

    async def read() -> None:
        try:
            await stream.read(1)
        except httpcore().ReadError as exc:
            raised.append(exc)

    with connection() as (stream, theirs), anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await stream.aclose()
        assert theirs.recv(1) == b""
    assert len(raised) == 1


@wakes_readers
@anyio_test
async def test_closing_ends_a_write_that_waits() -> None:
    raised: list[Exception] = []

    async def write() -> None:
        try:
            await stream.write(bytes(6 << 20))
        except httpcore().WriteError as exc:
            raised.append(exc)

    with connection() as (stream, _), anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            await stream.aclose()
    assert len(raised) == 1


@anyio_test
async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    with connection() as (stream, theirs):
        with anyio.move_on_after(0):
            await stream.read(10)
        theirs.sendall(b"abc")
        assert await stream.read(10) == b"abc"


# Writing


@anyio_test
@pytest.mark.parametrize("size", [1, 1000, 6 << 20])
async def test_write_sends_all_of_it(size: int) -> None:
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
    assert (made.stream, made.written) == (None, 0)


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
async def test_writing_to_somebody_who_left_is_a_write_error() -> None:
    with connection() as (stream, theirs), attempt() as made:
        theirs.close()
        with pytest.raises(httpcore().WriteError):
            await stream.write(HEAD)
    assert (made.written, made.sent_body) == (0, False)


@anyio_test
async def test_what_was_said_during_a_write_is_read_afterwards_and_in_order() -> None:
    """Both sides send 4 MB at once, and only then read."""
    theirs_data = b"HTTP/1.1 200 OK\r\n\r\n" + os.urandom(4 << 20)
    ours_data = os.urandom(4 << 20)
    with connection() as (stream, theirs), attempt() as made, anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            received: list[bytes] = []

            def talk() -> None:
                theirs.sendall(theirs_data)
                received.append(read_all(theirs, len(HEAD) + len(ours_data)))
                theirs.sendall(b"!")

            group.start_soon(anyio.to_thread.run_sync, talk)
            await stream.write(HEAD)
            with pytest.raises(httpcore().WriteError):  # the rest goes out while the answer is read
                await stream.write(ours_data)
            heard = b""
            while len(heard) <= len(theirs_data):
                heard += await stream.read(65536)
    assert heard == theirs_data + b"!"
    assert received == [HEAD + ours_data]
    assert (made.received, made.written) == (len(heard), len(HEAD) + len(ours_data))


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
            theirs.sendall(b"y" * 10 * number)
            await stream.read(1000)
            accounts.append((made.connected, made.head, made.written, made.received, made.stream is stream))
    assert accounts == [(False, len(HEAD), len(HEAD) + 1, 10, True), (False, len(HEAD), len(HEAD) + 2, 20, True)]


@anyio_test
async def test_a_connection_works_without_an_account() -> None:
    with connection() as (stream, theirs):
        await stream.write(b"a")
        assert theirs.recv(1) == b"a"
        theirs.sendall(b"b")
        assert await stream.read(1) == b"b"


@anyio_test
async def test_an_idle_connection_is_readable_once_there_is_something_or_the_end() -> None:
    with connection() as (stream, theirs):
        assert stream.get_extra_info("is_readable") is False
        theirs.sendall(b"x")
        assert stream.get_extra_info("is_readable") is True
        assert await stream.read(10) == b"x"  # looking does not take it
        assert stream.get_extra_info("is_readable") is False
        stream.is_spoilt = True
        assert stream.get_extra_info("is_readable") is True
    with connection() as (stream, theirs):
        theirs.close()
        assert stream.get_extra_info("is_readable") is True
    with connection() as (stream, _):
        await stream.aclose()
        assert stream.get_extra_info("is_readable") is True


@anyio_test
async def test_it_tells_its_socket_and_addresses_and_nothing_else() -> None:
    with Origin(answering(OK)) as origin:
        stream = await Network().connect_tcp("127.0.0.1", origin.port)
        async with aclosing(stream):
            sock = stream.get_extra_info("socket")
            assert isinstance(sock, socket.socket)
            assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)
            assert stream.get_extra_info("client_addr") == sock.getsockname()
            assert stream.get_extra_info("ssl_object") is None
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
