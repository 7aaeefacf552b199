"""Which messages an application may send when, and what they may carry."""

from collections.abc import Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

import pytest

from bridge.asgi.protocol import COMPLETE, STARTED, WAITING, ResponseState
from bridge.errors import IncompleteResponse, InvalidMessage, NoResponse, ProtocolError, UnexpectedMessage
from tests.cases import every_case

START = {"type": "http.response.start", "status": 200}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
END = {"type": "http.response.body", "body": b"end"}


def state_after(*messages: Mapping[str, Any]) -> ResponseState:
    exchange = ResponseState()
    for message in messages:
        exchange.accept(dict(message))
    return exchange


def start(**fields: Any) -> MutableMapping[str, Any]:
    return {"type": "http.response.start", **fields}


@every_case(
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


@every_case(
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


@every_case("status", [100, 200, 599, 999, HTTPStatus.NOT_FOUND])
def test_every_three_digit_status_is_taken_as_a_plain_integer(status: int) -> None:
    exchange = state_after(start(status=status))
    assert (exchange.status_code, type(exchange.status_code)) == (int(status), int)


@every_case(
    "headers",
    [
        [(b"A", b"1"), (b"a", b"2")],
        ((b"A", b"1"), (b"a", b"2")),
        [[b"A", b"1"], [b"a", b"2"]],
        [(bytearray(b"A"), memoryview(b"1")), ("a", "2")],
        (pair for pair in [(b"A", b"1"), (b"a", b"2")]),
    ],
)
def test_header_pairs_are_kept_in_order_with_repeats_as_bytes(headers: object) -> None:
    exchange = state_after(start(status=200, headers=headers))
    assert exchange.headers == [(b"A", b"1"), (b"a", b"2")]
    assert {type(part) for pair in exchange.headers for part in pair} == {bytes}


def test_headers_and_a_body_may_be_left_out() -> None:
    exchange = state_after(START)
    assert (exchange.headers, exchange.accept({"type": "http.response.body"})) == ([], b"")


@every_case("body", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_every_kind_of_bytes_is_a_body_part_and_becomes_bytes(body: object) -> None:
    part = state_after(START).accept({"type": "http.response.body", "body": body})
    assert (part, type(part)) == (b"abc", bytes)


NO_PAIRS = [[b"a"], [(b"a",)], [(b"a", b"1", b"2")], [(b"a", None)], [(5, b"1")], [("a", "\u20ac")]]


@every_case(
    ("name", "values", "expected"),
    [
        ("status", [99, 1000, -1, "200", 200.0, None, True], "an integer from 100 to 999"),
        ("headers", [None, 5, {"a": "1"}, *NO_PAIRS], "pairs of bytes"),
    ],
)
def test_a_start_with_a_value_of_another_kind_is_refused(name: str, values: list[object], expected: str) -> None:
    for value in values:
        with pytest.raises(InvalidMessage) as caught:
            ResponseState().accept(start(**{"status": 200, name: value}))
        assert str(caught.value) == f"Expected '{name}' to be {expected}, but got {value!r}."


@every_case(("body", "kind"), [("text", "str"), (None, "NoneType"), ([b"a"], "list"), (5, "int")])
def test_a_body_that_is_no_bytes_is_refused(body: object, kind: str) -> None:
    exchange = state_after(START)
    with pytest.raises(InvalidMessage, match=f"Expected 'body' to be bytes, but got {kind}"):
        exchange.accept({"type": "http.response.body", "body": body})
    assert exchange.state is STARTED


@every_case("message", [{"status": 200}, start()])
def test_a_message_without_what_it_must_have_is_an_error_of_the_application(message: MutableMapping[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        ResponseState().accept(message)


@every_case(
    "message", [{"type": "x" * 100_000}, start(status="x" * 100_000), start(status=200, headers=["x" * 100_000])]
)
def test_a_refusal_quotes_no_more_than_a_line_of_any_value(message: MutableMapping[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        ResponseState().accept(message)
    assert len(str(caught.value)) < 300


@every_case(
    ("messages", "error", "fact"),
    [
        ((), NoResponse, "'http.response.start', but it returned without a response"),
        ((START,), IncompleteResponse, "'more_body' false, but it returned without completing"),
        ((START, PART), IncompleteResponse, "'more_body' false, but it returned without completing"),
    ],
)
def test_returning_too_early_is_an_error_of_its_own(
    messages: tuple[Mapping[str, Any], ...], error: type[ProtocolError], fact: str
) -> None:
    with pytest.raises(error, match=fact):
        state_after(*messages).check_finished()
    state_after(START, END).check_finished()  # which is no error


def test_headers_are_a_copy_that_the_application_cannot_change_any_more() -> None:
    headers = [(b"a", b"1")]
    exchange = state_after(start(status=200, headers=headers))
    headers.append((b"b", b"2"))
    assert exchange.headers == [(b"a", b"1")]


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
