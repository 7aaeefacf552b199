"""The web application of these tests: it gives the answers that were set, and records the requests."""

from collections.abc import Iterable
from typing import NamedTuple

from bridge._types import Receive, Scope, Send

__all__ = ["Recorder", "Seen"]

Headers = tuple[tuple[str, str], ...]


class Seen(NamedTuple):
    """One request as it came out of the socket. `port`: the client's, one for each connection."""

    method: str
    target: str
    headers: Headers
    body: bytes
    port: int

    @property
    def asked(self) -> tuple[str, str]:
        """Method and path."""
        return self.method, self.target.partition("?")[0]

    def values(self, name: str) -> list[str]:
        """Return all values of the header called `name` (lower case)."""
        return [value for key, value in self.headers if key == name]


class Answer(NamedTuple):
    status: int
    headers: Headers
    body: bytes


class Recorder:
    """An ASGI application. It answers 404 by default."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._answers: dict[tuple[str, str], Answer] = {}
        self._held: set[tuple[str, str]] = set()

    def reset(self) -> None:
        self.seen.clear()
        self._answers.clear()
        self._held.clear()

    def answer(
        self, method: str, path: str, body: bytes, *, status: int = 200, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Answer this from now on. The content-length is added."""
        self._answers[method, path] = Answer(status, (*headers, ("content-length", str(len(body)))), body)

    def hold(self, method: str, path: str) -> None:
        """Give no answer to this."""
        self._held.add((method, path))

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Method and target of all requests, in order."""
        return [(seen.method, seen.target) for seen in self.seen]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = await _seen(scope, receive)
        self.seen.append(seen)
        if seen.asked in self._held:
            await receive()  # until the client has gone
            return
        answer = self._answers.get(seen.asked, Answer(404, (), b""))
        headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


async def _seen(scope: Scope, receive: Receive) -> Seen:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    query = scope["query_string"].decode("ascii")
    path = scope["raw_path"].decode("ascii")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Seen(scope["method"], f"{path}?{query}" if query else path, headers, b"".join(parts), scope["client"][1])
