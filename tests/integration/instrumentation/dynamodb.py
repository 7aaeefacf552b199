"""A table of DynamoDB on loopback, with as much of its API as Powertools' idempotency needs."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

__all__ = ["Table"]

Item = dict[str, dict[str, str]]


class Table:
    """Items by their key `id`. A conditional PutItem fails if the item exists: no test is about expired ones."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        table = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = table._answer(self.headers["X-Amz-Target"].partition(".")[2], request)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the output of the tests quiet."""

        return Handler

    def _answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "PutItem":
            key = request["Item"]["id"]["S"]
            if key in self.items:
                return 400, {"__type": "ConditionalCheckFailedException", "Item": self.items[key]}
            self.items[key] = request["Item"]
            return 200, {}
        key = request["Key"]["id"]["S"]
        if operation == "UpdateItem":
            names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
            self.items[key] |= {name: values[f":{place[1:]}"] for place, name in names.items()}
            return 200, {}
        return 200, {"Item": self.items[key]} if key in self.items else {}
