"""The headers about an invocation: whole values, no client's copies, nothing that breaks a header."""

import json
import math
from collections import UserDict, UserList
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

import bridge.context_headers
from bridge._httpx import httpx
from bridge._messages import EventRequest, header_pairs
from bridge.context_headers import (
    CONTEXT_HEADERS,
    MAX_VALUE,
    context_headers,
    header_json,
    without_context_headers,
)
from bridge.proxy.forwarder import for_web_server
from tests.logged import assert_logged

NOW = 1_750_000_000.25
REQUEST_CONTEXT = {"accountId": "123456789012", "http": {"method": "GET", "path": "/caf\u00e9"}, "authorizer": None}

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:shop"


def make_context(**attributes: Any) -> SimpleNamespace:
    """The attributes that Lambda's runtime for Python gives its context, 3 s before its deadline."""
    known: dict[str, Any] = {
        "aws_request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "log_group_name": "/aws/lambda/shop",
        "log_stream_name": "2025/06/15/[$LATEST]5f3",
        "function_name": "shop",
        "memory_limit_in_mb": "128",
        "function_version": "$LATEST",
        "invoked_function_arn": ARN,
        "tenant_id": None,
        "client_context": None,
        "identity": SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None),
        "get_remaining_time_in_millis": lambda: 3000,
    }
    return SimpleNamespace(**known | attributes)


KNOWN: dict[str, Any] = {
    "request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    "deadline": 1_750_000_003_250,
    "invoked_function_arn": ARN,
    "xray_trace_id": None,
    "client_context": None,
    "identity": None,
    "tenant_id": None,
    "env_config": {
        "function_name": "shop",
        "memory": 128,
        "version": "$LATEST",
        "log_stream": "2025/06/15/[$LATEST]5f3",
        "log_group": "/aws/lambda/shop",
    },
}
NOTHING_KNOWN = dict.fromkeys(KNOWN) | {"env_config": dict.fromkeys(KNOWN["env_config"])}


@pytest.fixture(autouse=True)
def _at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.context_headers, "time", SimpleNamespace(time=lambda: NOW))


def lambda_context(context: Any) -> Any:
    """Return the value of x-amzn-lambda-context."""
    return json.loads(dict(context_headers({}, context))[b"x-amzn-lambda-context"])


def leaves(value: Any) -> list[Any]:
    return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, dict) else [value]


def test_an_invocation_has_its_headers_in_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-67891233-abcdef012345678912345678;Sampled=1")
    headers = context_headers({"requestContext": REQUEST_CONTEXT}, make_context(tenant_id="blue"))
    assert [name for name, _ in headers] == [
        b"x-amzn-request-context",
        b"x-amzn-lambda-context",
        b"x-amzn-trace-id",
        b"x-amz-tenant-id",
    ]
    values = dict(headers)
    assert values[b"x-amzn-request-context"] == (
        b'{"accountId":"123456789012","http":{"method":"GET","path":"/caf\\u00e9"},"authorizer":null}'
    )
    assert json.loads(values[b"x-amzn-lambda-context"]) == KNOWN | {
        "xray_trace_id": "Root=1-67891233-abcdef012345678912345678;Sampled=1",
        "tenant_id": "blue",
    }
    assert values[b"x-amzn-trace-id"] == b"Root=1-67891233-abcdef012345678912345678;Sampled=1"
    assert values[b"x-amz-tenant-id"] == b"blue"


def test_a_missing_value_has_no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    assert context_headers({}, None) == []
    assert context_headers({"requestContext": None}, None) == []
    assert context_headers({"requestContext": {}}, None) == [(b"x-amzn-request-context", b"{}")]
    assert [name for name, _ in context_headers({"Records": []}, make_context())] == [b"x-amzn-lambda-context"]
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-a")
    assert context_headers({}, None) == [(b"x-amzn-trace-id", b"Root=1-a")]


def test_what_a_mobile_client_sent_is_told_whole() -> None:
    names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
    facts = {name: f"its {name}" for name in names}
    sent: dict[str, Any] = {"custom": {"deep": {"n": 1}}, "env": {"locale": "de"}}
    client = SimpleNamespace(client=SimpleNamespace(**facts), **sent)
    identity = SimpleNamespace(cognito_identity_id="eu-west-1:id", cognito_identity_pool_id="eu-west-1:pool")
    assert lambda_context(make_context(client_context=client, identity=identity)) == KNOWN | {
        "client_context": {"client": facts, **sent},
        "identity": {"identity_id": "eu-west-1:id", "identity_pool_id": "eu-west-1:pool"},
    }


def test_a_context_of_another_type_is_all_nulls() -> None:
    for context in (object(), SimpleNamespace(), 5, "context", {"aws_request_id": "in a dict"}, [], type):
        assert lambda_context(context) == NOTHING_KNOWN


def test_nothing_of_a_mock_gets_into_a_header() -> None:
    """Tests of applications pass mocks for the context: each of their attributes is another mock."""
    for kind in (Mock, MagicMock):
        context = kind()
        context.aws_request_id = "request-1"
        headers = context_headers({}, context)
        assert [name for name, _ in headers] == [b"x-amzn-lambda-context"]
        told = json.loads(headers[0][1])
        assert told.keys() == NOTHING_KNOWN.keys()
        assert told.pop("request_id") == "request-1"
        assert set(leaves(told)) == {None}


OF_OTHER_TYPES: list[tuple[str, Any, dict[str, Any]]] = [
    ("aws_request_id", b"bytes", {"request_id": None}),
    ("invoked_function_arn", ["arn"], {"invoked_function_arn": None}),
    ("tenant_id", 5, {"tenant_id": None}),
    ("identity", {"cognito_identity_id": "in a dict"}, {"identity": None}),
    ("get_remaining_time_in_millis", 3000, {"deadline": None}),
    ("get_remaining_time_in_millis", lambda: "3000", {"deadline": None}),
    ("get_remaining_time_in_millis", lambda: math.nan, {"deadline": None}),
    ("get_remaining_time_in_millis", lambda: 0, {"deadline": 1_750_000_000_250}),
    ("get_remaining_time_in_millis", lambda: 1500.75, {"deadline": 1_750_000_001_750}),
]


def test_a_value_of_another_type_is_null() -> None:
    for name, value, told in OF_OTHER_TYPES:
        assert lambda_context(make_context(**{name: value})) == KNOWN | told, (name, value)
    for memory, number in (("512", 512), (512, 512), ("", None), ("many", None), ("-1", None), (None, None)):
        told = lambda_context(make_context(memory_limit_in_mb=memory))["env_config"]
        assert told["memory"] == number, memory


REQUEST = EventRequest("GET", b"/orders?secret=1", [], b"", {})

# Every character that a header could not carry, and some that it could.
AWKWARD = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA1))]
AWKWARD += ["\u2028", "\ufeff", "\U0001f600", "\ud800", "\udcff", '"', "\\", "\u00e9"]


def test_json_for_a_header_is_printable_ascii_and_reads_the_same() -> None:
    for char in AWKWARD:
        value = {f"name {char}": [f"{char}value{char}", {char: char * 3}]}
        text = header_json(value)
        assert [byte for byte in text if not 0x20 <= byte < 0x7F] == []
        assert json.loads(text) == value


def test_a_value_that_json_does_not_have_is_null() -> None:
    for value in (object(), {1, 2}, b"bytes", 1j):
        assert header_json({"a": [value], "b": 1}) == b'{"a":[null],"b":1}'


def test_what_json_cannot_hold_has_no_header_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for value in (deep, {"a": 10**5000}):
        caplog.clear()
        assert context_headers({"requestContext": value}, None, REQUEST) == []
        assert_logged(caplog, ("WARNING", "GET /orders: ", "too deeply"))


def test_other_mappings_and_sequences_are_objects_and_arrays() -> None:
    value: Any = MappingProxyType({"http": UserDict(method="GET"), "tags": UserList([(1, UserDict())])})
    assert header_json(value) == b'{"http":{"method":"GET"},"tags":[[1,{}]]}'


def test_plain_values_have_no_control_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for tenant, value in (
        (" blue ", b"blue"),
        ("a\r\nx-admin: yes", b"ax-admin: yes"),
        ("a\0b\tc\x7fd\x1be", b"abcde"),
        ("caf\u00e9", b"caf\xc3\xa9"),
        ("lone \udcff", b"lone ?"),
    ):
        assert dict(context_headers({}, SimpleNamespace(tenant_id=tenant)))[b"x-amz-tenant-id"] == value
    for nothing in (None, "", " ", "\r\n", "\x7f", 5, b"blue", ["blue"], Mock()):
        assert b"x-amz-tenant-id" not in dict(context_headers({}, SimpleNamespace(tenant_id=nothing)))
    monkeypatch.setenv("_X_AMZN_TRACE_ID", " Root=1-a\r\nx-admin: yes\x7f ")
    assert context_headers({}, None) == [(b"x-amzn-trace-id", b"Root=1-ax-admin: yes")]


def test_a_value_of_the_greatest_length_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    text = "x" * (MAX_VALUE - len('{"path":""}'))
    (header,) = context_headers({"requestContext": {"path": text}}, None)
    assert (header[0], len(header[1]), caplog.messages) == (b"x-amzn-request-context", MAX_VALUE, [])


def test_a_longer_value_is_left_out_alone_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-a")
    text = "x" * (MAX_VALUE - len('{"path":""}') + 1)
    context = SimpleNamespace(tenant_id="b" * (MAX_VALUE + 1))
    assert context_headers({"requestContext": {"path": text}}, context, REQUEST) == [(b"x-amzn-trace-id", b"Root=1-a")]
    assert_logged(
        caplog,
        ("WARNING", "GET /orders: ", "x-amzn-request-context", "8001 bytes"),
        ("WARNING", "GET /orders: ", "x-amzn-lambda-context"),  # the tenant is in it, too
        ("WARNING", "GET /orders: ", "x-amz-tenant-id", "8001 bytes"),
    )


def spellings(name: bytes) -> list[bytes]:
    mixed = [name.replace(b"-", b"_", 1), name.replace(b"-", b".", 1), name.replace(b"-", b"_", 1).replace(b"-", b".")]
    same = [name.upper(), name.title(), name.swapcase(), name.replace(b"-", b"_"), name.upper().replace(b"-", b"_")]
    return [name, *same, *mixed, name.replace(b"-", b".")]  # PHP makes underscores of dots, too


def test_a_clients_copy_is_dropped_in_any_spelling() -> None:
    for spelling in (spelling for name in CONTEXT_HEADERS for spelling in spellings(name)):
        pairs = [(b"accept", b"*/*"), (spelling, b"spoofed"), (b"host", b"a"), (spelling, b"again")]
        assert without_context_headers(pairs) == [(b"accept", b"*/*"), (b"host", b"a")], spelling


def test_a_similar_name_is_kept_with_repeats_and_order() -> None:
    names = "x-amzn-requestid x-amzn-trace-id2 xx-amzn-trace-id x-amzn--trace-id x-amz-tenant x-amzn-requestid"
    pairs = [(name, b"%d" % number) for number, name in enumerate(names.encode().split())]
    assert without_context_headers(pairs) == pairs


SPOOFED = [
    (b"x-amzn-request-context", b"{}"),
    (b"X_Amzn_Request_Context", b"{}"),
    (b"x-amzn-lambda-context", b"{}"),
    (b"x-amzn-lambda-context", b'{"tenant_id":"red"}'),
    (b"x-amzn-trace-id", b"Root=1-spoofed"),
    (b"x-amz-tenant-id", b"red"),
    (b"x-forwarded-prefix", b"/spoofed"),
]


@pytest.mark.anyio
async def test_the_web_server_gets_one_of_each_and_none_of_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-a")
    context = make_context(tenant_id="blue")
    event = {"requestContext": REQUEST_CONTEXT}
    scope = {"headers": [], "root_path": "", "aws.event": event, "aws.context": context}
    request = await for_web_server(EventRequest("GET", b"/", [(b"host", b"a"), *SPOOFED], b"", scope))
    assert header_pairs(request) == [(b"host", b"a"), *context_headers(event, context)]
    assert len(header_pairs(request)) == 5
    assert request.headers.get_list("x-amz-tenant-id") == ["blue"]


@pytest.mark.anyio
async def test_a_request_of_a_custom_source_is_treated_alike() -> None:
    """It is httpx's own, and may carry no scope at all."""
    headers = [("host", "a"), ("X-Amz-Tenant-Id", "red"), ("x_amz_tenant_id", "red"), ("accept", "*/*")]
    request = await for_web_server(httpx.Request("GET", "http://a/", headers=headers))
    assert header_pairs(request) == [(b"host", b"a"), (b"accept", b"*/*")]
