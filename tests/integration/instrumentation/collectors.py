"""Doubles of the services that instrumentation sends to, on loopback: an HTTP endpoint, and X-Ray's daemon."""

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from email.message import Message
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple, Self

import brotli  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.instrumentation.loopback import LoopbackServer

__all__ = ["HTTPCollector", "Span", "XRayDaemon"]


class Post(NamedTuple):
    path: str
    body: bytes


class Span(NamedTuple):
    """The fields of a span by which a test tells it. `parent`: its parent's id, in hex; "" for a root."""

    name: str
    trace_id: str
    id: str
    parent: str
    kind: str
    attributes: dict[str, Any]


class HTTPCollector(LoopbackServer):
    """Answers every POST with 200, and keeps what it got."""

    def __init__(self) -> None:
        super().__init__()
        self._posts: list[Post] = []
        self._lock = Lock()

    def answer(self, path: str, headers: Message, body: bytes) -> tuple[int, bytes]:
        post = Post(path, _decompressed(body, headers.get("Content-Encoding", "")))
        with self._lock:
            self._posts.append(post)
        return 200, b"{}"

    def take(self) -> list[Post]:
        """Return what has arrived since the last call."""
        with self._lock:
            taken, self._posts = self._posts, []
        return taken

    def take_spans(self) -> list[Span]:
        """Return the spans that have arrived as OTLP since the last call."""
        return [span for post in self.take() if post.path == "/v1/traces" for span in _spans(post.body)]

    def take_envelopes(self, kind: str) -> list[dict[str, Any]]:
        """Return Sentry's items of a kind, such as "event", that have arrived since the last call."""
        return [item for post in self.take() for item in _items(post.body, kind)]


def _decompressed(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    decoded: bytes = brotli.decompress(body) if coding == "br" else body
    return decoded


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
                kind = span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                yield Span(span.name, *ids, kind, attributes)


def _items(body: bytes, kind: str) -> Iterator[dict[str, Any]]:
    """Parse an envelope: https://develop.sentry.dev/sdk/data-model/envelopes/."""
    _, _, rest = body.partition(b"\n")
    while rest:
        head, _, rest = rest.partition(b"\n")
        header = json.loads(head)
        length = header.get("length", rest.find(b"\n"))
        payload, rest = rest[:length], rest[length + 1 :]
        if header["type"] == kind:
            yield json.loads(payload)


class XRayDaemon:
    """Receives the documents of segments, one in each datagram."""

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def take(self) -> list[dict[str, Any]]:
        """Return what has arrived since the last call. On loopback a datagram arrives while it is sent."""
        taken = []
        with contextlib.suppress(BlockingIOError):
            while True:
                header, _, document = self._socket.recv(65536).partition(b"\n")
                assert json.loads(header) == {"format": "json", "version": 1}
                taken.append(json.loads(document))
        return taken
