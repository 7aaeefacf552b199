"""Streams of a web server that Proxy forwards to: early, broken off, too late, and without a reader."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bridge import Proxy
from tests.events import MakeEvent
from tests.proxy.origins import Origin, Peer
from tests.runtime.double import LIMIT, RuntimeDouble
from tests.runtime.slots import Gate, Running, Slots
from tests.runtime.streamed_apps import HEAD, ends_with

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"


@contextmanager
def server(slots: Slots, respond: Callable[[Peer], None]) -> Iterator[Running]:
    """Slots with a web server that answers each request by `respond`."""

    def script(peer: Peer) -> None:
        while peer.read_request().line.startswith(b"GET /ready"):
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        respond(peer)

    with Origin(script) as origin:
        running = slots.on_loop(Proxy(url=f"http://127.0.0.1:{origin.port}", readiness_path="/ready"), streams=True)
        yield running
        running.end()


@pytest.mark.parametrize("breaks_off", [False, True], ids=["to its end", "broken off"])
def test_a_web_servers_response_streams_too(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, breaks_off: bool
) -> None:
    gate = Gate()

    def respond(peer: Peer) -> None:
        peer.send(CHUNKED)
        gate.wait()
        if not breaks_off:
            peer.send(b"4\r\nmore\r\n0\r\n\r\n")
        peer.close()

    with server(slots, respond):
        invocation = api.invoke(make_event())
        invocation.wait_for(ends_with(b"half"))
        gate.open()
        answer = invocation.answer()
        assert answer.prelude == HEAD
        if breaks_off:
            assert (answer.payload, answer.error["errorType"]) == (b"half", "OriginBroken")
        else:
            assert (answer.payload, answer.is_whole, answer.trailers) == (b"halfmore", True, {})


def test_a_web_server_hears_that_the_caller_has_gone(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    has_heard = threading.Event()

    def respond(peer: Peer) -> None:
        peer.send(CHUNKED)
        try:
            peer.wait_until_gone()
        finally:
            has_heard.set()

    with server(slots, respond):
        invocation = api.invoke(make_event())
        invocation.wait_for(ends_with(b"half"))
        invocation.hang_up()
        assert has_heard.wait(LIMIT)
        api.wait_for_polls(1)
