"""The Lambda context; tests/integration/test_runtime_peers.py compares it with AWS's own."""

import logging
import pickle
import time
from typing import Any

import pytest

from bridge.errors import ContextNotDecoded, InvocationFailed
from bridge.runtime.context import (
    MAX_TIMEOUT_MS,
    Function,
    LambdaContext,
    parse_client_context,
    parse_identity,
)

FUNCTION = Function(
    name="shop", version="7", memory_limit_in_mb="128", log_group_name="/aws/lambda/shop", log_stream_name="2026/[7]1"
)
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:shop"

CLIENT = {
    "client": {
        "installation_id": "i",
        "app_title": "Shop",
        "app_version_name": "1.0",
        "app_version_code": "1",
        "app_package_name": "org.example.shop",
        "made_up": "x",
    },
    "custom": {"theme": "dark"},
    "env": {"locale": "de"},
}

# Seconds since the epoch.
NOW = 1767225600.25


def context(**fields: Any) -> LambdaContext:
    given: dict[str, Any] = {
        "aws_request_id": "id-1",
        "deadline_ms": 1767225601250,
        "invoked_function_arn": ARN,
        "client_context": None,
        "identity": None,
        "tenant_id": None,
        "function": FUNCTION,
    }
    return LambdaContext(**(given | fields))


def test_a_context_says_which_function_was_invoked_and_how() -> None:
    made = context(tenant_id="blue")
    assert {name: value for name, value in vars(made).items() if name != "identity"} == {
        "aws_request_id": "id-1",
        "log_group_name": "/aws/lambda/shop",
        "log_stream_name": "2026/[7]1",
        "function_name": "shop",
        "memory_limit_in_mb": "128",
        "function_version": "7",
        "invoked_function_arn": ARN,
        "tenant_id": "blue",
        "client_context": None,
        "_epoch_deadline_time_in_ms": 1767225601250,
    }


def test_two_invocations_share_no_identity() -> None:
    first, second = context(), context()
    first.identity.cognito_identity_id = "changed by the application"
    assert second.identity.cognito_identity_id is None


def test_a_client_that_is_not_an_object_is_an_error() -> None:
    with pytest.raises(ContextNotDecoded, match="client of the client context to be a JSON object, but got 'Shop'"):
        context(client_context={"client": "Shop"})


def test_a_trace_context_is_a_copy() -> None:
    made = context(client_context={"w3c": {"baggage": "k=v"}})
    made.w3c().clear()
    assert made.w3c() == {"baggage": "k=v"}
    context().w3c()["baggage"] = "mine"
    assert context().w3c() == {}


def test_the_remaining_time_goes_down_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    cases = {
        1767225601250: 1000,
        1767225600251: 1,
        1767225600250: 0,
        1: 0,
        0: MAX_TIMEOUT_MS,  # not known: as long as there can be
    }
    for deadline_ms, remaining in cases.items():
        assert context(deadline_ms=deadline_ms).get_remaining_time_in_millis() == remaining
    unknown = context(deadline_ms=0)
    monkeypatch.setattr(time, "time", lambda: NOW + 2)
    assert unknown.get_remaining_time_in_millis() == MAX_TIMEOUT_MS - 2000


def test_an_application_may_change_it_and_pickle_it() -> None:
    made: Any = context(client_context=CLIENT)
    made.deadline = "the application's own"
    assert repr(pickle.loads(pickle.dumps(made))) == repr(made)
    assert pickle.loads(pickle.dumps(made)).deadline == "the application's own"


def test_a_message_goes_where_the_log_goes(capsys: pytest.CaptureFixture[str]) -> None:
    class Sink:
        def __init__(self) -> None:
            self.messages: list[str] = []
            self.log = self.messages.append

    handler = logging.NullHandler()
    sink = Sink()
    handler.log_sink = sink  # type: ignore[attr-defined]
    logging.getLogger().addHandler(handler)
    try:
        context().log("one")
        context().log({"two": 2})
    finally:
        logging.getLogger().removeHandler(handler)
    assert (sink.messages, capsys.readouterr().out) == (["one", "{'two': 2}"], "")


def test_a_message_goes_to_the_standard_output_where_the_application_took_the_log_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    context().log("one")
    context().log(2)
    assert capsys.readouterr().out == "one2"


@pytest.mark.parametrize(
    ("parse", "what"), [(parse_client_context, "client context"), (parse_identity, "Cognito identity")]
)
def test_a_header_is_a_json_object_or_nothing(parse: Any, what: str) -> None:
    assert [parse(header) for header in (None, "", b"", "null")] == [None] * 4
    assert parse('{"a": {"b": [1]}}') == parse(b'{"a": {"b": [1]}}') == {"a": {"b": [1]}}
    for header in ("[1]", '"text"', "1", "false", "{", "{'a': 1}", b"\xff{}", "[" * 100_000):
        with pytest.raises(ContextNotDecoded, match=what) as caught:
            parse(header)
        assert isinstance(caught.value, InvocationFailed)
        assert (caught.value.__cause__, len(str(caught.value)) < 300) == (None, True)
