"""Which messages an application may send when, and what they may carry."""

from collections.abc import Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

import pytest

from bridge.asgi.protocol import COMPLETE, STARTED, WAITING, ResponseState
from bridge.errors import IncompleteResponse, InvalidMessage, NoResponse, ProtocolError, UnexpectedMessage

START = {"type": "http.response.start", "status": 200}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
NOT_FINISHED = (
    "Expected the ASGI application to send 'http.response.body' with 'more_body' false, "
    "but it returned without completing its response."
)
END = {"type": "http.response.body", "body": b"end"}


def state_after(*messages: Mapping[str, Any]) -> ResponseState:
    exchange = ResponseState()
    for message in messages:
        exchange.accept(dict(message))
    return exchange


def start(**fields: Any) -> MutableMapping[str, Any]:
    return {"type": "http.response.start", **fields}


@pytest.mark.parametrize(
    ("messages", "state"),
    [
        ((), WAITING),
        ((START,), STARTED),
        ((START, PART), STARTED),
        ((START, PART, PART), STARTED),
        ((START, END), COMPLETE),
        ((START, PART, END), COMPLETE),
    ],
)
def test_each_allowed_message_moves_the_response_on(messages: tuple[Mapping[str, Any], ...], state: str) -> None:
    exchange = state_after(*messages)
    assert exchange.state is state
    assert exchange.violation is None


@pytest.mark.parametrize(
    ("before", "message", "expected"),
    [
        ((), PART, "'http.response.start', but got 'http.response.body'"),
        ((), END, "'http.response.start', but got 'http.response.body'"),
        ((), {"type": "http.response.trailers"}, "'http.response.start', but got 'http.response.trailers'"),
        ((), {"type": "websocket.accept"}, "'http.response.start', but got 'websocket.accept'"),
        ((), {"type": None}, "'http.response.start', but got None"),
        ((START,), START, "'http.response.body', but got 'http.response.start'"),
        ((START,), {"type": "http.request"}, "'http.response.body', but got 'http.request'"),
        ((START, PART), START, "'http.response.body', but got 'http.response.start'"),
        ((START, END), END, "nothing more, because its response is complete, but got 'http.response.body'"),
        ((START, END), START, "nothing more, because its response is complete, but got 'http.response.start'"),
    ],
)
def test_every_other_message_is_an_error_that_says_what_was_expected(
    before: tuple[Mapping[str, Any], ...], message: Mapping[str, Any], expected: str
) -> None:
    exchange = state_after(*before)
    state = exchange.state
    with pytest.raises(UnexpectedMessage) as caught:
        exchange.accept(dict(message))
    assert str(caught.value) == f"Expected the ASGI application to send {expected}."
    assert exchange.state is state
    assert exchange.violation is caught.value


def test_a_message_without_a_type_is_an_error_of_the_application() -> None:
    with pytest.raises(ProtocolError):
        ResponseState().accept({"status": 200})


@pytest.mark.parametrize("status", [99, 1000, -1, "200", 200.0, None, True])
def test_a_status_that_is_no_status_code_is_refused(status: object) -> None:
    with pytest.raises(InvalidMessage) as caught:
        ResponseState().accept(start(status=status))
    assert str(caught.value) == f"Expected 'status' to be an integer from 100 to 999, but got {status!r}."


def test_a_missing_status_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="integer from 100 to 999, but got None"):
        ResponseState().accept(start())


@pytest.mark.parametrize("status", [100, 200, 599, 999, HTTPStatus.NOT_FOUND])
def test_every_three_digit_status_is_taken_as_a_plain_integer(status: int) -> None:
    exchange = state_after(start(status=status))
    assert exchange.status_code == int(status)
    assert type(exchange.status_code) is int


@pytest.mark.parametrize(
    "headers",
    [
        [(b"A", b"1"), (b"a", b"2")],
        ((b"A", b"1"), (b"a", b"2")),
        [[b"A", b"1"], [b"a", b"2"]],
        [(bytearray(b"A"), memoryview(b"1")), ("a", "2")],
    ],
    ids=["list", "tuple", "lists", "other-bytes-and-str"],
)
def test_header_pairs_are_kept_in_order_with_repeats_as_bytes(headers: object) -> None:
    exchange = state_after(start(status=200, headers=headers))
    assert exchange.headers == [(b"A", b"1"), (b"a", b"2")]
    assert {type(part) for pair in exchange.headers for part in pair} == {bytes}


def test_headers_may_come_from_a_generator() -> None:
    exchange = state_after(start(status=200, headers=((name, b"1") for name in (b"a", b"b"))))
    assert exchange.headers == [(b"a", b"1"), (b"b", b"1")]


def test_headers_are_a_copy_that_the_application_cannot_change_any_more() -> None:
    headers = [(b"a", b"1")]
    exchange = state_after(start(status=200, headers=headers))
    headers.append((b"b", b"2"))
    assert exchange.headers == [(b"a", b"1")]


def test_headers_may_be_left_out() -> None:
    assert state_after(START).headers == []


@pytest.mark.parametrize(
    "headers",
    [None, 5, [b"a"], [(b"a",)], [(b"a", b"1", b"2")], [(b"a", None)], [(5, b"1")], {"a": "1"}, [("a", "\u20ac")]],
    ids=repr,
)
def test_headers_that_are_no_pairs_of_bytes_are_refused(headers: object) -> None:
    with pytest.raises(InvalidMessage) as caught:
        ResponseState().accept(start(status=200, headers=headers))
    assert str(caught.value) == f"Expected 'headers' to be pairs of bytes, but got {headers!r}."


def test_a_refusal_quotes_no_more_than_a_line_of_what_was_sent() -> None:
    with pytest.raises(InvalidMessage) as caught:
        ResponseState().accept(start(status=200, headers=["x" * 100_000]))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("body", [b"abc", bytearray(b"abc"), memoryview(b"abc")], ids=["bytes", "bytearray", "view"])
def test_every_kind_of_bytes_is_a_body_part_and_becomes_bytes(body: object) -> None:
    part = state_after(START).accept({"type": "http.response.body", "body": body})
    assert part == b"abc"
    assert type(part) is bytes


def test_a_body_may_be_left_out() -> None:
    assert state_after(START).accept({"type": "http.response.body"}) == b""


@pytest.mark.parametrize(("body", "kind"), [("text", "str"), (None, "NoneType"), ([b"a"], "list"), (5, "int")])
def test_a_body_that_is_no_bytes_is_refused(body: object, kind: str) -> None:
    exchange = state_after(START)
    with pytest.raises(InvalidMessage) as caught:
        exchange.accept({"type": "http.response.body", "body": body})
    assert str(caught.value) == f"Expected 'body' to be bytes, but got {kind}."
    assert exchange.state is STARTED


@pytest.mark.parametrize(
    ("messages", "error", "text"),
    [
        (
            (),
            NoResponse,
            "Expected the ASGI application to send 'http.response.start', but it returned without a response.",
        ),
        (
            (START,),
            IncompleteResponse,
            NOT_FINISHED,
        ),
        (
            (START, PART),
            IncompleteResponse,
            NOT_FINISHED,
        ),
    ],
)
def test_returning_too_early_is_an_error_of_its_own(
    messages: tuple[Mapping[str, Any], ...], error: type[ProtocolError], text: str
) -> None:
    with pytest.raises(error) as caught:
        state_after(*messages).check_finished()
    assert str(caught.value) == text


def test_returning_after_a_complete_response_is_no_error() -> None:
    state_after(START, END).check_finished()


def test_the_first_violation_counts_even_if_a_complete_response_followed_it() -> None:
    exchange = ResponseState()
    with pytest.raises(UnexpectedMessage) as first:
        exchange.accept(dict(END))
    with pytest.raises(InvalidMessage):
        exchange.accept(start(status=0))
    exchange.accept(dict(START))
    exchange.accept(dict(END))
    with pytest.raises(UnexpectedMessage) as caught:
        exchange.check_finished()
    assert caught.value is first.value


@pytest.mark.parametrize("message", [{"type": "x" * 100_000}, start(status="x" * 100_000)], ids=["type", "status"])
def test_a_refusal_quotes_no_more_than_a_line_of_any_value(message: MutableMapping[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        ResponseState().accept(message)
    assert len(str(caught.value)) < 300
