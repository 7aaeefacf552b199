"""The double of Lambda's APIs reports what a runtime does wrong, and what a test has forgotten.

What it accepts is compared with AWS's own client in tests/integration/test_runtime_double_peers.py; every test of the
runtime that uses it would fail if it served a client wrongly.
"""

import base64
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.runtime.double import NEXT, PAYLOAD_LIMIT, RuntimeDouble
from tests.runtime.double_checks import (
    HTTP_INTEGRATION,
    check_buffered,
    check_error,
    check_invocation_id,
    check_prelude,
    check_stream_head,
    check_trailers,
)

ROOT = "/2018-06-01/runtime"
REGISTER = "/2020-01-01/extension/register"
ERROR = {"errorMessage": "no", "errorType": "Runtime.Broken", "stackTrace": []}
TYPE = {"Lambda-Runtime-Function-Error-Type": "Runtime.Broken"}

Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def ask(api: RuntimeDouble) -> Iterator[Ask]:
    """Make a request over the one connection: its status, and the request id that came with the reply."""
    client = http.client.HTTPConnection(api.address)

    def ask(method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        client.request(method, path, None if body is None else json.dumps(body), dict(headers or {}))
        reply = client.getresponse()
        reply.read()
        return reply.status, reply.getheader("Lambda-Runtime-Aws-Request-Id", "")

    yield ask
    client.close()


# What a runtime does wrong.


def test_requests_in_the_wrong_order_are_refused_and_reported(api: RuntimeDouble, ask: Ask) -> None:
    assert ask("GET", f"{ROOT}/restore/next")[0] == 404
    assert ask("POST", f"{ROOT}/invocation/other/response", 1)[0] == 400
    assert ask("POST", REGISTER, {"events": ["SHUTDOWN"]}, {"Lambda-Extension-Name": "late"})[0] == 403
    assert ask("POST", f"{ROOT}/init/error", ERROR, TYPE)[0] == 202
    assert ask("POST", f"{ROOT}/init/error", {})[0] == 403
    api.init_error()
    invocation = api.invoke(1)
    _, request_id = ask("GET", NEXT)
    assert ask("GET", NEXT)[0] == 403
    path = f"{ROOT}/invocation/{request_id}"
    assert ask("POST", f"{path}/response", 2, {"Lambda-Runtime-Invocation-Id": "none"})[0] == 202
    assert ask("POST", f"{path}/error", ERROR)[0] == 400
    assert invocation.answer().json == 2
    facts = [
        "there is no such method and path",
        "there is no such invocation",
        "an internal extension gets no SHUTDOWN",
        "its error has the errorMessage None",
        "its error has the errorType None",
        "its error has the stackTrace None",
        "it has no Lambda-Runtime-Function-Error-Type",
        "the init phase is over",
        "was handed out, and never answered",
        "its Lambda-Runtime-Invocation-Id is 'none'",
        "was answered with <response: 1 bytes",
    ]
    violations = api.take_violations()
    missing = [(fact, said) for fact, said in zip(facts, violations, strict=True) if fact not in said]
    assert missing == []


def test_malformed_http_and_bytes_after_a_poll_are_reported(api: RuntimeDouble) -> None:
    for data, fact in ((b"hello\r\n\r\n", "malformed HTTP"), (b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n", "came while")):
        client = http.client.HTTPConnection(api.address)
        client.connect()
        client.sock.sendall(data.replace(b"%b", NEXT.encode()))
        if fact == "came while":
            api.wait_for_polls(1)
            client.sock.sendall(b"GET")
        while client.sock.recv(1000):  # to the end: the double closes it
            pass
        client.sock.close()
        (violation,) = api.take_violations()
        assert fact in violation


STREAM = {
    "transfer-encoding": "chunked",
    "content-type": HTTP_INTEGRATION,
    "trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
}
BOTH = {
    "lambda-runtime-function-error-type": "Runtime.Broken",
    "lambda-runtime-function-error-body": base64.b64encode(json.dumps(ERROR).encode()).decode(),
}
NUL = bytes(8)


def test_each_rule_of_an_answer_has_its_complaint() -> None:
    """Pairs of what a check says, and a part of what it has to say; nothing for what is right."""
    checked: list[tuple[list[str], str]] = [
        (check_invocation_id({}, None), ""),
        (check_invocation_id({"lambda-runtime-invocation-id": "a"}, "a"), ""),
        (check_invocation_id({}, "a"), "Invocation-Id is None"),
        (check_stream_head(STREAM), ""),
        (check_stream_head(STREAM | {"transfer-encoding": "gzip"}), "Transfer-Encoding 'gzip'"),
        (check_stream_head(STREAM | {"trailer": ""}), "does not announce"),
        (check_stream_head(STREAM | {"content-type": ""}), "without Content-Type"),
        (check_prelude(b'{"statusCode":200,"headers":{},"cookies":["a=b"]}' + NUL + b"body"), ""),
        (check_prelude(b"{}"), "does not end"),
        (check_prelude(b'{"statusCode":200}' + bytes(7) + b"x"), "expected 8 NUL bytes"),
        (check_prelude(b'{"statusCode":200}' + b" " * 16384 + NUL), "the limit is 16384"),
        (check_prelude(b"{" + NUL), "is not JSON"),
        (check_prelude(b"[]" + NUL), "is not an object"),
        (check_prelude(b'{"statusCode":"200"}' + NUL), "statusCode '200'"),
        (check_prelude(b'{"statusCode":200,"body":""}' + NUL), "keys that Lambda does not know: body"),
        (check_prelude(b'{"statusCode":200,"headers":{"a":1}}' + NUL), "headers of its prelude"),
        (check_prelude(b'{"statusCode":200,"cookies":"a"}' + NUL), "cookies of its prelude"),
        (check_prelude(b'{"statusCode":200,"multiValueHeaders":{"a":"b"}}' + NUL), "multiValueHeaders"),
        (check_buffered({}, b"{}"), ""),
        (check_buffered({"content-type": "application/octet-stream"}, b"\xff"), ""),
        (check_buffered({}, b"{"), "is not JSON"),
        (check_buffered({}, b"NaN"), "NaN is not JSON"),
        (check_buffered({"content-type": HTTP_INTEGRATION}, b""), "does not stream"),
        (check_buffered({}, b'"%s"' % (b"x" * (PAYLOAD_LIMIT - 2))), ""),
        (check_buffered({}, b'"%s"' % (b"x" * (PAYLOAD_LIMIT - 1))), f"the limit is {PAYLOAD_LIMIT}"),
        (check_error(json.dumps(ERROR).encode()), ""),
        (check_error(b"{"), "is not JSON"),
        (check_error(b"[]"), "is not an object"),
        (check_error(json.dumps(ERROR | {"stackTrace": "line"}).encode()), "stackTrace 'line'"),
        (check_trailers(STREAM, BOTH), ""),
        (check_trailers(STREAM, {}), ""),
        (check_trailers({}, BOTH), "was not announced"),
        (check_trailers(STREAM, {"lambda-runtime-function-error-type": "A"}), "one error trailer without the other"),
        (check_trailers(STREAM, BOTH | {"lambda-runtime-function-error-type": ""}), "names no type"),
        (check_trailers(STREAM, BOTH | {"lambda-runtime-function-error-body": "?"}), "is not base64"),
    ]
    wrong = [pair for pair in checked if (pair[1] not in "; ".join(pair[0]) if pair[1] else pair[0])]
    assert wrong == []


# What a test forgets.


def ends_with(api: RuntimeDouble, exc: BaseException | None = None) -> str:
    """Return the text that leaving the `with` block raises, or adds to `exc`."""
    try:
        api.__exit__(type(exc) if exc else None, exc, None)
    except AssertionError as raised:
        return str(raised)
    return "".join(getattr(exc, "__notes__", ()))


def test_what_a_test_has_forgotten_fails_it_and_what_it_may_forget_does_not() -> None:
    forgetful = RuntimeDouble().__enter__()
    forgetful.invoke(1)
    forgetful.refuse_next_answer(500)
    said = ends_with(forgetful)
    assert "was never handed out" in said
    assert "the refusal with 500 was never used" in said
    failing = RuntimeDouble().__enter__()
    failing.invoke(1)
    assert "was never handed out" in ends_with(failing, KeyError())
    allowed = RuntimeDouble().__enter__()
    allowed.invoke(1, may_stay_unanswered=True)
    assert ends_with(allowed) == ""


def test_a_wait_that_fails_tells_what_it_waited_for_and_the_violations_so_far(api: RuntimeDouble, ask: Ask) -> None:
    invocation = api.invoke(1, may_stay_unanswered=True)
    with pytest.raises(TimeoutError, match="never handed out"):
        invocation.answer(0)
    ask("GET", "/wrong")
    with pytest.raises(TimeoutError, match=r"No sign of 1 open polls(.|\n)*GET /wrong: there is no such"):
        api.wait_for_polls(1, timeout=0)
    api.take_violations()


def test_nothing_is_left_after_it() -> None:
    before = threading.active_count()
    with RuntimeDouble() as api:
        client = http.client.HTTPConnection(api.address)
        client.request("GET", NEXT)
        api.wait_for_polls(1)
    client.close()
    assert threading.active_count() == before
