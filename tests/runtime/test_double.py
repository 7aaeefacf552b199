"""The double of Lambda's APIs reports what a runtime does wrong, and what a test has forgotten.

What it accepts is compared with AWS's own client in tests/integration/test_runtime_double_peers.py; every test of the
runtime that uses it would fail if it served a client wrongly.
"""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.runtime.double import NEXT, RuntimeDouble

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
    assert ask("POST", REGISTER, {"events": []})[0] == 403
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
        "came after the first `next`",
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
