"""One connection of a runtime to the double: HTTP/1.1 with h11, over a blocking socket, in a thread of its own.

The thread is always in `recv` when it has nothing to do, also while a request waits for its answer: so it notices
immediately when the client leaves. Any thread may send the answer.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import h11

__all__ = ["Connection", "Gone", "Headers", "Request", "Trailers"]

# AWS's own client puts a stack trace of up to 1 MiB into a header.
HEAD_LIMIT = 2 * 1024 * 1024

RECEIVE_SIZE = 256 * 1024

Headers = dict[str, str]  # names in lower case; repeated values are joined by commas


class Gone(Exception):
    """Raised when the client has left, or a test has ended the connection."""


class Request(NamedTuple):
    """One request as the log has it. `connection`: its number, counted from 1."""

    connection: int
    method: str
    path: str
    headers: Headers


class Trailers(NamedTuple):
    """The end of a body that came to its end."""

    headers: Headers


class Connection:
    """`serve` is the thread's; everything else may be called by any."""

    def __init__(self, sock: socket.socket, number: int, complain: Callable[[str], None]) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.is_idle = True  # between two requests, or about to be
        self.is_reset = False  # by a test
        self._complain = complain
        self._socket = sock
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._lock = threading.Lock()  # of the two above
        self._has_replied = False
        self._has_ended = False  # the client's side
        self._is_sending = False

    def serve(self, handle: Callable[["Connection", Request], None]) -> None:
        """Give each request to `handle`, which reads its body, and replies or leaves that to another thread."""
        try:
            while (request := self._read_head()) is not None:
                handle(self, request)
                if not self._has_replied:
                    self._wait_for_reply()
                if not self._start_next_cycle():
                    break
        except Gone:
            pass
        except h11.RemoteProtocolError as exc:
            self._complain(f"connection {self.number}: malformed HTTP: {exc}")
            self.reply(exc.error_status_hint, b'{"errorType":"BadRequest"}')
        finally:
            self._close()

    # Requests.

    def _read_head(self) -> Request | None:
        event = self._next_event()
        if not isinstance(event, h11.Request):
            return None
        head = _to_dict(event.headers)
        return Request(self.number, event.method.decode(), event.target.decode("latin-1"), head)

    def body(self) -> Iterator[h11.Data | Trailers]:
        """Yield the parts of a request's body as they arrive, and its trailers. Raises Gone if it is broken off."""
        while True:
            event = self._next_event()
            if isinstance(event, h11.Data):
                yield event
            elif isinstance(event, h11.EndOfMessage):
                yield Trailers(_to_dict(event.headers))
                return

    def read_body(self) -> bytes:
        return b"".join(bytes(event.data) for event in self.body() if isinstance(event, h11.Data))

    def _next_event(self) -> object:
        while True:
            with self._lock:
                event = self._http_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                self._send_continue()
            data = self._receive()
            with self._lock:
                self._http.receive_data(data)

    def _http_event(self) -> object:
        is_in_body = self._http.their_state is h11.SEND_BODY
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError:
            if is_in_body and self._has_ended:
                raise Gone from None  # a body that is broken off is not malformed HTTP
            raise

    def _receive(self) -> bytes:
        try:
            data = self._socket.recv(RECEIVE_SIZE)
        except OSError:
            data = b""
        if self.is_reset:
            raise Gone
        self._has_ended = not data
        self.is_idle = False
        return data

    # Responses.

    def reply(
        self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = (), *, chunk_size: int | None = None
    ) -> None:
        """Send a response, or nothing if the client has gone."""
        framing = [("Content-Length", str(len(body)))] if chunk_size is None else [("Transfer-Encoding", "chunked")]
        response = h11.Response(status_code=status, headers=_to_pairs([*headers, *framing]))
        parts = [body] if chunk_size is None else [body[i : i + chunk_size] for i in range(0, len(body), chunk_size)]
        events: list[h11.Event] = [response, *(h11.Data(data=part) for part in parts), h11.EndOfMessage()]
        with self._lock:
            try:
                data = b"".join([self._http.send(event) or b"" for event in events])
            except h11.LocalProtocolError:
                return
            self._has_replied = True
            self.is_idle = self._http.their_state is h11.DONE
            self._send(data)

    def reply_early(self, status: int, body: bytes) -> None:
        """A response while the request's body is still coming, and the end of what this side sends."""
        self.reply(status, body, [("Content-Type", "application/json"), ("Connection", "close")])
        _shut_down(self._socket, socket.SHUT_WR)

    def _send_continue(self) -> None:
        with self._lock:
            self._send(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")

    def _send(self, data: bytes) -> None:
        self._is_sending = True
        with contextlib.suppress(OSError):  # the client has gone
            if not self.is_reset:
                self._socket.sendall(data)
        self._is_sending = False

    def _wait_for_reply(self) -> None:
        """Wait until the client sends its next request, which it must not do before the reply."""
        data = self._receive()
        if not data:
            raise Gone
        if not self._has_replied:
            self._complain(f"connection {self.number}: {len(data)} bytes came while a request waited for its answer")
            raise Gone
        with self._lock:
            self._http.receive_data(data)

    def _start_next_cycle(self) -> bool:
        """Return whether another request may come."""
        with self._lock:
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return False
            self._http.start_next_cycle()
            self._has_replied = False
            self.is_idle = not self._http.trailing_data[0]
        return True

    # The end.

    def is_open(self) -> bool:
        """Return whether the client still holds the connection. The thread may not have noticed its end yet."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return not self.is_reset
        except OSError:
            return False

    def end(self) -> None:
        """Close it as a server does that has had enough, but not while something is being sent."""
        with self._lock:
            self.is_idle = False
            _shut_down(self._socket, socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close it with a reset: what is left unread is lost, at both ends."""
        self.is_reset = True
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            return
        _shut_down(self._socket, socket.SHUT_RD)  # the thread wakes up, and closes it
        if self._is_sending:
            _shut_down(self._socket, socket.SHUT_WR)

    def _close(self) -> None:
        with self._lock:
            self._socket.close()


def _to_dict(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    headers: Headers = {}
    for name, value in pairs:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _to_pairs(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _shut_down(sock: socket.socket, how: int) -> None:
    """Also if the client, or the connection's own thread, was faster."""
    with contextlib.suppress(OSError):
        sock.shutdown(how)
