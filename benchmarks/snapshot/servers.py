"""The services in the machine, which go by the wall clock: a web server and a database, each a thread.

As a program, the web server alone, on the port in `PORT`.

A connection that was idle for longer than `KEEP_ALIVE` since its last answer is closed, whatever comes over it then.
"""

import os
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.snapshot.functions.services import DATABASE

__all__ = ["KEEP_ALIVE", "late_requests", "start"]

# In seconds: longer than the 5 of httpx's pool, which so never meets a closed connection while its clock is right.
KEEP_ALIVE = 10.0

# How long an answer takes, in seconds, so that concurrent requests have connections of their own.
_DELAY = 0.05

_PARTS = [b'{"origin": ', b'"fine"', b"}"]
_HOST = "127.0.0.1"
_PORT = 8001


# What came over a connection after its time, and got no answer.
_late: list[object] = []


class _Age:
    """How long ago the last answer on a connection was, by the wall clock."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def is_over(self) -> bool:
        return self._since is not None and not 0 <= time.time() - self._since <= KEEP_ALIVE

    def renew(self) -> None:
        self._since = time.time()


class _Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self._age = _Age()

    def parse_request(self) -> bool:
        if self._age.is_over:
            _late.append(self.client_address)
            self.close_connection = True
            return False
        return super().parse_request()

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        time.sleep(_DELAY)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for part in [*_PARTS, b""]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self._age.renew()

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Database(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        age = _Age()
        for line in self.rfile:
            if age.is_over:
                return
            self.wfile.write(line)
            age.renew()


class _DatabaseServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


def late_requests() -> int:
    """Return how many requests came to the web server over a connection that was idle for too long."""
    return len(_late)


def start() -> None:
    """Start both. They end with the process."""
    for server in (ThreadingHTTPServer((_HOST, _PORT), _Origin), _DatabaseServer(DATABASE, _Database)):
        threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    ThreadingHTTPServer((_HOST, int(os.environ["PORT"])), _Origin).serve_forever()
