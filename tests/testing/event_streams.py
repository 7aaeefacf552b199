"""An encoder of AWS's event streams, and an endpoint that answers with one."""

import json
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zlib import crc32

__all__ = ["WITH_PRELUDE", "chunk", "complete", "endpoint", "event", "message", "prelude"]

WITH_PRELUDE = "application/vnd.awslambda.http-integration-response"


def message(headers: bytes, payload: bytes, *, length: int | None = None) -> bytes:
    """Return one message. `length`: what it claims to be, in place of its own."""
    total = 12 + len(headers) + len(payload) + 4 if length is None else length
    start = struct.pack(">II", total, len(headers))
    body = start + struct.pack(">I", crc32(start)) + headers + payload
    return body + struct.pack(">I", crc32(body))


def event(kind: str, payload: bytes, **more: str) -> bytes:
    names = {":message-type": "event", ":event-type": kind, ":content-type": "application/octet-stream"}
    names |= {f":{name.replace('_', '-')}": value for name, value in more.items()}
    return message(b"".join(_header(name, value) for name, value in names.items()), payload)


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()


def chunk(payload: bytes) -> bytes:
    return event("PayloadChunk", payload)


def complete(**report: str) -> bytes:
    return event("InvokeComplete", json.dumps(report).encode())


def prelude(body: bytes = b"", **fields: Any) -> bytes:
    return json.dumps(fields).encode() + bytes(8) + body


@contextmanager
def endpoint(
    parts: Callable[[str, Any], Iterable[bytes]], content_type: str = WITH_PRELUDE, status: int = 200
) -> Iterator[str]:
    """Yield the URL of an endpoint that answers each request with these bytes, as `parts(path, event)` yields them."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.end_headers()
            try:
                for part in parts(self.path, document):
                    self.wfile.write(part)
                    self.wfile.flush()
            except OSError:
                pass  # the client has left

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
