"""One call of a WSGI application: what it may do, what it must not do, and what becomes of that."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge._httpx import httpx
from bridge.errors import InvalidMessage, NoResponse, ProtocolError
from bridge.wsgi.exchange import WSGIExchange
from tests.cases import every_case
from tests.logged import assert_logged

PAIRS = [("Content-Type", "text/plain")]


def exchange_of(app: Callable[..., Any]) -> WSGIExchange:
    return WSGIExchange(app, {}, httpx.Request("GET", "http://test/orders"))


def answering(*parts: Any, status: Any = "200 OK", headers: Any = PAIRS) -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, headers)
        return parts

    return app


class Closing:
    """An iterable that notes its close(), which may raise."""

    def __init__(self, *parts: Any, error: BaseException | None = None) -> None:
        self.parts = iter(parts)
        self.closed = 0
        self.error = error

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        part = next(self.parts)
        if isinstance(part, BaseException):
            raise part
        return part

    def close(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error


def closing(parts: Any) -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return parts

    return app


def test_a_whole_response() -> None:
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Caf\u00e9", "\u00ff")]
    response = exchange_of(answering(b"a", b"", b"b", status="418 I'm a teapot", headers=headers)).read()
    assert (response.status_code, response.body) == (418, b"ab")
    assert response.raw_headers == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-caf\xe9", b"\xff")]


def test_a_whole_response_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.wsgi.exchange.MAX_WHOLE", 10)
    endless = Closing(*[b"part"] * 100)
    with pytest.raises(InvalidMessage, match="at most 10 bytes"):
        exchange_of(closing(endless)).read()
    assert (endless.closed, len(list(endless.parts))) == (1, 97)


def test_parts_are_asked_for_one_by_one() -> None:
    asked = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        for part in (b"", b"a", b"b"):
            asked.append(part)
            if part == b"a":
                start_response("200 OK", PAIRS)  # as late as PEP 3333 allows
            yield part

    exchange = exchange_of(app)
    assert (exchange.start(), asked, exchange.status_code) == (b"a", [b"", b"a"], 200)
    assert (exchange.next_part(), exchange.next_part(), exchange.next_part()) == (b"b", b"", b"")


def test_what_is_written_comes_before_what_is_yielded() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", PAIRS)
        write(b"a")
        write(b"")
        write(b"b")
        yield b"c"
        write(b"d")

    assert exchange_of(app).read().body == b"abcd"


def test_a_start_that_failed_may_be_replaced_until_the_head_is_sent() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        try:
            raise ValueError
        except ValueError as exc:
            start_response("500 Oops", [], exc_info=(type(exc), exc, exc.__traceback__))
        yield b"sorry"

    response = exchange_of(app).read()
    assert (response.status_code, response.raw_headers, response.body) == (500, [], b"sorry")


def test_a_start_after_the_head_is_sent_raises_the_error_it_was_for() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        yield b"a"
        try:
            raise ValueError("the cause")
        except ValueError as exc:
            start_response("500 Oops", [], exc_info=(type(exc), exc, exc.__traceback__))

    with pytest.raises(ValueError, match="the cause"):
        exchange_of(app).read()


def twice(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", PAIRS)
    start_response("201 Created", PAIRS)
    return []


def without_start(environ: Any, start_response: Any) -> list[bytes]:
    return []


def start_too_late(environ: Any, start_response: Any) -> Iterator[bytes]:
    yield b"a"
    start_response("200 OK", PAIRS)


STATUSES: list[Any] = ["", "OK", "99 No", "2000", "20\u0663 A", "-20 A", 200, None, b"200 OK"]

FAULTS: list[tuple[Callable[..., Any], type[ProtocolError], str]] = [
    (twice, ProtocolError, "once.*201 Created"),
    (without_start, NoResponse, r"start_response\(\)"),
    (start_too_late, ProtocolError, r"start_response\(\) before"),
    (answering("text"), InvalidMessage, "bytes, but got str"),
    (answering(b"a", None), InvalidMessage, "bytes, but got NoneType"),
    (closing(None), InvalidMessage, "iterable.*NoneType"),
    (closing(5), InvalidMessage, "iterable.*int"),
    *((answering(status=status), InvalidMessage, "'200 OK'") for status in STATUSES),
    (answering(headers=None), InvalidMessage, "pairs of latin-1 text.*None"),
    (answering(headers=[("a", 1)]), InvalidMessage, "pairs of latin-1 text"),
    (answering(headers=[(b"a", b"b")]), InvalidMessage, "pairs of latin-1 text"),
    (answering(headers=[("a", "\u20ac")]), InvalidMessage, "pairs of latin-1 text"),
    (answering(headers=[("a", "b", "c")]), InvalidMessage, "pairs of latin-1 text"),
]


@every_case(("app", "kind", "message"), FAULTS)
def test_what_pep_3333_forbids_is_named(app: Callable[..., Any], kind: type[ProtocolError], message: str) -> None:
    with pytest.raises(kind, match=message):
        exchange_of(app).read()


def test_bytes_of_any_kind_are_a_part() -> None:
    assert exchange_of(answering(bytearray(b"a"), memoryview(b"b"))).read().body == b"ab"


def test_close_is_called_once_however_the_response_ends() -> None:
    whole, broken, left = Closing(b"a"), Closing(b"a", OSError("lost")), Closing(b"a", b"b")
    exchange_of(closing(whole)).read()
    with pytest.raises(OSError, match="lost"):
        exchange_of(closing(broken)).read()
    exchange = exchange_of(closing(left))
    exchange.start()
    exchange.close()
    exchange.close()
    assert (whole.closed, broken.closed, left.closed) == (1, 1, 1)


def test_a_failure_of_close_is_logged_and_an_exit_passes(caplog: pytest.LogCaptureFixture) -> None:
    # No one cancels synchronous code: that error is the application's, too.
    for error in (ValueError("late"), asyncio.CancelledError("late")):
        caplog.clear()
        response = exchange_of(closing(Closing(b"a", error=error))).read()
        assert response.body == b"a"
        assert_logged(caplog, ("ERROR", "GET /orders", "close()", type(error).__name__, "late"))
    with pytest.raises(SystemExit):
        exchange_of(closing(Closing(b"a", error=SystemExit(1)))).read()


def test_only_a_close_with_code_of_the_application_is_left_to_the_caller() -> None:
    def generator(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        yield b"a"

    for app, expected in ((generator, False), (answering(b"a"), False), (closing(Closing(b"a")), True)):
        exchange = exchange_of(app)
        assert (exchange.read(leaves_open=True).body, exchange.is_open) == (b"a", expected)
        exchange.close()
        assert not exchange.is_open
