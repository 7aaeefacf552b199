"""The double of Lambda's APIs: an answer that breaks a rule is a violation that names it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.double import PAYLOAD_LIMIT, RuntimeDouble
from tests.runtime.double_client import Client, Reply, chunk

ERROR = {"errorMessage": "no", "errorType": "Runtime.Broken", "stackTrace": []}
PRELUDE = b'{"statusCode":200}' + bytes(8)


def violations_of(api: RuntimeDouble, act: Callable[[Client, Reply], object], **options: Any) -> list[str]:
    """What is told about a client that does `act` with an event, without where it was."""
    invocation = api.invoke(1, **options)
    with Client(api) as client:
        act(client, client.next())
    invocation.answer()
    path = f"connection 1: POST /2018-06-01/runtime/invocation/{invocation.request_id}/"
    taken = api.take_violations()
    assert [violation[: len(path)] for violation in taken] == [path] * len(taken)
    return [violation[len(path) :].partition(": ")[2] for violation in taken]


def streaming(
    *parts: bytes, end: bytes = b"0\r\n\r\n", changed: dict[str, str | None] | None = None
) -> Callable[[Client, Reply], object]:
    def act(client: Client, event: Reply) -> None:
        client.stream(event, **(changed or {}))
        client.send(b"".join(chunk(part) for part in parts) + end)
        client.finish()

    return act


# Results and errors


@pytest.mark.parametrize(
    ("body", "headers", "complaint"),
    [
        (b"text", {}, "it is not JSON (Expecting value: line 1 column 1 (char 0)): b'text'"),
        (b"", {}, "it is not JSON (Expecting value: line 1 column 1 (char 0)): b''"),
        (b"NaN", {}, "it is not JSON (NaN is not JSON): b'NaN'"),
        (
            b"1",
            {"Content-Type": "application/vnd.awslambda.http-integration-response"},
            "it has the Content-Type application/vnd.awslambda.http-integration-response but does not stream",
        ),
        (
            b"1",
            {"Lambda-Runtime-Function-Response-Mode": "buffered"},
            "its Lambda-Runtime-Function-Response-Mode is 'buffered', expected 'streaming'",
        ),
        (
            b"1",
            {"Lambda-Runtime-Invocation-Id": "i"},
            "its Lambda-Runtime-Invocation-Id is 'i', expected None",
        ),
    ],
)
def test_a_result_keeps_to_the_rules(api: RuntimeDouble, body: bytes, headers: dict[str, str], complaint: str) -> None:
    assert violations_of(api, lambda client, event: client.respond(event, body, headers)) == [complaint]


def test_bytes_that_say_so_are_no_json(api: RuntimeDouble) -> None:
    headers = {"Content-Type": "application/unknown"}
    assert violations_of(api, lambda client, event: client.respond(event, b"bytes", headers)) == []


def test_a_result_may_be_so_large_and_no_larger(api: RuntimeDouble) -> None:
    replies = []
    largest, too_large = (b'"' + bytes(size).replace(b"\0", b"x") + b'"' for size in (6_291_554, 6_291_555))
    assert len(largest) == PAYLOAD_LIMIT
    assert violations_of(api, lambda client, event: replies.append(client.respond(event, largest))) == []
    api.drop_connections()
    invocation = api.invoke(1)
    with Client(api) as client:
        replies.append(client.respond(client.next(), too_large))
    assert [reply.status for reply in replies] == [202, 413]
    assert json.loads(replies[1].body) == {
        "errorMessage": "Exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "RequestEntityTooLarge",
    }
    assert invocation.answer().status == 413
    [violation] = api.take_violations()
    assert violation.endswith("it has 6291557 bytes, the limit is 6291556")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (b"text", "its error is not JSON (Expecting value: line 1 column 1 (char 0)): b'text'"),
        ([], "its error is not an object: b'[]'"),
        (ERROR | {"errorMessage": None}, "its error has the errorMessage None, expected a string"),
        (ERROR | {"errorType": 1}, "its error has the errorType 1, expected a string"),
        (ERROR | {"stackTrace": "a"}, "its error has the stackTrace 'a', expected a list of strings"),
        (ERROR | {"stackTrace": [1]}, "its error has the stackTrace [1], expected a list of strings"),
        (
            {"errorMessage": "", "errorType": ""},
            "its error has the stackTrace None, expected a list of strings",
        ),
    ],
)
def test_an_error_keeps_to_the_rules(api: RuntimeDouble, document: object, complaint: str) -> None:
    assert violations_of(api, lambda client, event: client.fail(event, document)) == [complaint]


@pytest.mark.parametrize("answer", [Client.respond, Client.fail])
@pytest.mark.parametrize("given", [None, "other"])
def test_an_invocation_id_is_given_back_as_it_came(
    api: RuntimeDouble, answer: Callable[..., object], given: str | None
) -> None:
    headers = {} if given is None else {"Lambda-Runtime-Invocation-Id": given}
    found = violations_of(api, lambda client, event: answer(client, event, ERROR, headers), invocation_id="i-1")
    assert found == [f"its Lambda-Runtime-Invocation-Id is {given!r}, expected 'i-1'"]


# Streams


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (
            {"Trailer": "Lambda-Runtime-Function-Error-Type"},
            "its Trailer header does not announce lambda-runtime-function-error-body",
        ),
        (
            {"Trailer": None},
            "its Trailer header does not announce lambda-runtime-function-error-body, lambda-runtime-function-error",
        ),
        ({"Content_Type": None}, "it streams without Content-Type"),
    ],
)
def test_the_head_of_a_stream_keeps_to_the_rules(
    api: RuntimeDouble, changed: dict[str, str | None], complaint: str
) -> None:
    [violation] = violations_of(api, streaming(PRELUDE, changed=changed))
    assert violation.startswith(complaint)


def test_a_stream_is_chunked(api: RuntimeDouble) -> None:
    def act(client: Client, event: Reply) -> None:
        client.stream(event, Transfer_Encoding=None, Content_Length=str(len(PRELUDE)))
        client.send(PRELUDE)
        client.finish()

    assert violations_of(api, act) == ["it streams with Transfer-Encoding '', expected 'chunked'"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"text", "its prelude does not end: no NUL byte in 4 bytes"),
        (b'{"statusCode":200}' + bytes(7), "its prelude ends with b'" + r"\x00" * 7 + "', expected 8 NUL bytes"),
        (b'{"statusCode":200}\0text', r"its prelude ends with b'\x00text', expected 8 NUL bytes"),
        (b'{"statusCode":200}' + b" " * 16384 + bytes(8), "its prelude ends at 16410 bytes, the limit is 16384"),
        (b"{" + bytes(8), "its prelude is not JSON (Expecting property name enclosed in double quotes"),
        (b"[]" + bytes(8), "its prelude is not an object: b'[]'"),
        (b"{}" + bytes(8), "its prelude has the statusCode None, expected an int from 100 to 599"),
        (
            b'{"statusCode":"200"}' + bytes(8),
            "its prelude has the statusCode '200', expected an int from 100 to 599",
        ),
        (b'{"statusCode":true}' + bytes(8), "its prelude has the statusCode True"),
        (b'{"statusCode":99}' + bytes(8), "its prelude has the statusCode 99"),
        (b'{"statusCode":200,"body":""}' + bytes(8), "its prelude has keys that Lambda does not know: body"),
        (
            b'{"statusCode":200,"headers":{"a":1}}' + bytes(8),
            "the headers of its prelude are no object of strings: {'a': 1}",
        ),
        (
            b'{"statusCode":200,"headers":[]}' + bytes(8),
            "the headers of its prelude are no object of strings: []",
        ),
        (
            b'{"statusCode":200,"cookies":"a"}' + bytes(8),
            "the cookies of its prelude are no list of strings: 'a'",
        ),
        (
            b'{"statusCode":200,"multiValueHeaders":{"a":[1]}}' + bytes(8),
            "the multiValueHeaders of its prelude are no object of lists of strings: {'a': [1]}",
        ),
    ],
)
def test_a_prelude_keeps_to_the_rules(api: RuntimeDouble, body: bytes, complaint: str) -> None:
    [violation] = violations_of(api, streaming(body))
    assert violation.startswith(complaint)


def test_a_prelude_may_say_all_that_lambda_knows(api: RuntimeDouble) -> None:
    prelude = {"statusCode": 200, "headers": {"a": "b"}, "multiValueHeaders": {"a": ["b"]}, "cookies": ["a=b"]}
    assert violations_of(api, streaming(json.dumps(prelude).encode() + bytes(9))) == []


def trailers(**values: bytes) -> bytes:
    lines = [b"Lambda-Runtime-Function-Error-%b: %b\r\n" % (name.encode(), value) for name, value in values.items()]
    return b"0\r\n" + b"".join(lines) + b"\r\n"


@pytest.mark.parametrize(
    ("end", "complaint"),
    [
        (b"0\r\nX-More: 1\r\n\r\n", "its trailer x-more was not announced"),
        (
            trailers(Type=b"Runtime.A"),
            "it has one error trailer without the other: lambda-runtime-function-error-type",
        ),
        (trailers(Type=b"A", Body=b"{}"), "the body in its error trailer is not base64"),
        (trailers(Type=b"A", Body=base64.b64encode(b"text")), "its error is not JSON"),
        (trailers(Type=b"", Body=base64.b64encode(json.dumps(ERROR).encode())), "its error trailer names no type"),
    ],
)
def test_trailers_keep_to_the_rules(api: RuntimeDouble, end: bytes, complaint: str) -> None:
    [violation] = violations_of(api, streaming(PRELUDE, end=end))
    assert violation.startswith(complaint)
