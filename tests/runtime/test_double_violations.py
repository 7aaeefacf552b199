"""The double of Lambda's APIs: what a runtime does wrong is told, and so is what a test has forgotten."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.double import Invocation, RuntimeDouble
from tests.runtime.double_client import NEXT, Client, chunk

ERROR = {"errorMessage": "no", "errorType": "Runtime.Broken", "stackTrace": []}
TYPE = {"Lambda-Runtime-Function-Error-Type": "Runtime.Broken"}
PRELUDE = b'{"statusCode":200}' + bytes(8)

RESTORE = "/2018-06-01/runtime/restore/next"

with_snapstart = pytest.mark.parametrize("api_options", [{"snapstart": True}])


# The order of things


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", NEXT.replace("next", "a/wrong")),
        ("POST", NEXT),
        ("GET", "/"),
        ("GET", RESTORE),
        ("POST", "/2018-06-01/runtime/restore/error"),
        ("PUT", "/2018-06-01/runtime/invocation/a/response"),
    ],
)
def test_a_wrong_method_or_path_is_a_violation(api: RuntimeDouble, method: str, path: str) -> None:
    with Client(api) as client:
        assert client.ask(method, path, 1).status == 404
        assert client.ask(method, path, 1).status == 404  # the connection is in order
    expected = f"connection 1: {method} {path}: there is no such method and path"
    assert api.take_violations() == [expected] * 2


def test_an_answer_to_nothing_and_a_second_one_are_violations(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        path = f"/2018-06-01/runtime/invocation/{invocation.request_id}/response"
        assert client.ask("POST", path, 1).status == 400
        event = client.next()
        assert client.ask("POST", path.replace(invocation.request_id, "other"), 1).status == 400
        client.respond(event, 1)
        reply = client.fail(event, ERROR)
    assert (reply.status, json.loads(reply.body)["errorType"]) == (400, "InvalidRequestID")
    assert [violation.partition(": ")[2].partition(": ")[2] for violation in api.take_violations()] == [
        f"invocation {invocation.request_id} was never handed out",
        "there is no such invocation",
        f"invocation {invocation.request_id} was answered with <response: 1 bytes, whole, status 202>",
    ]


def test_an_error_after_413_is_a_violation(api: RuntimeDouble) -> None:
    api.refuse_next_answer(413)
    api.invoke(1)
    with Client(api) as client:
        event = client.next()
        assert client.respond(event, 1).status == 413
        assert client.fail(event, ERROR).status == 400
    [violation] = api.take_violations()
    assert violation.endswith("was answered with <response: 1 bytes, whole, status 413>")


def test_a_poll_before_the_answer_is_a_violation(api: RuntimeDouble) -> None:
    invocation = api.invoke(1, may_stay_unanswered=True)
    with Client(api) as client:
        client.next()
        assert client.ask("GET", NEXT).status == 403
    [violation] = api.take_violations()
    assert violation == (
        f"connection 1: GET {NEXT}: asked while invocation {invocation.request_id} was handed out, and never answered"
    )


def test_bytes_behind_an_open_poll_are_a_violation(api: RuntimeDouble) -> None:
    with Client(api) as client:
        client.start("GET", NEXT)
        api.wait_for_polls(1)
        client.send(b"GET")
        assert client.is_closed()
    assert api.take_violations() == ["connection 1: 3 bytes came while a request waited for its answer"]


def test_malformed_http_is_a_violation(api: RuntimeDouble) -> None:
    with Client(api) as client:
        client.send(b"hello\r\n\r\n")
        assert client.finish().status == 400
    [violation] = api.take_violations()
    assert violation.startswith("connection 1: malformed HTTP: illegal request line")


def test_a_malformed_body_is_a_violation_and_ends_the_answer(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + b"x\r\n")
        assert client.finish().status == 400
    [violation] = api.take_violations()
    assert violation.startswith("connection 1: malformed HTTP: illegal chunk header")
    assert (invocation.answer().is_whole, invocation.answer().status) == (False, 400)


def test_an_init_error_after_the_first_poll_or_twice_is_a_violation(api: RuntimeDouble) -> None:
    with Client(api) as client, Client(api) as other:
        assert client.post("init/error", ERROR, TYPE).status == 202
        assert client.post("init/error", ERROR, TYPE).status == 403
        other.start("GET", NEXT)
        api.wait_for_polls(1)
        assert client.post("init/error", {}).status == 403
    assert api.init_error().document == ERROR
    assert [violation.rpartition("/error: ")[2] for violation in api.take_violations()] == [
        "the init phase is over",
        "its error has the errorMessage None, expected a string",
        "its error has the errorType None, expected a string",
        "its error has the stackTrace None, expected a list of strings",
        "it has no Lambda-Runtime-Function-Error-Type",
        "the init phase is over",
    ]


@with_snapstart
def test_a_restore_has_its_order(api: RuntimeDouble) -> None:
    with Client(api) as client, Client(api) as other:
        assert client.ask("GET", NEXT).status == 403
        assert client.post("restore/error", ERROR, TYPE).status == 403
        other.start("GET", RESTORE)
        api.wait_for_snapshot()
        assert client.post("restore/error", ERROR, TYPE).status == 403
        assert client.ask("GET", RESTORE).status == 403
        api.restore()
        assert other.finish().status == 200
    assert [violation.partition(": ")[2].partition(": ")[2] for violation in api.take_violations()] == [
        "asked before restore/next was answered",
        "no restore is under way",
        "no restore is under way",
        "restore/next was asked for before",
    ]


# The end of the block


def said_at_the_end(act: Callable[[RuntimeDouble], object], **options: Any) -> list[str]:
    """What the test is told that does `act` and no more."""

    def run() -> None:
        with RuntimeDouble(**options) as api:
            act(api)

    with pytest.raises(AssertionError) as caught:
        run()
    first, *lines = str(caught.value).splitlines()
    assert first == f"{len(lines)} violations of the Runtime API's rules:"
    return [line.removeprefix("- ") for line in lines]


def test_violations_that_no_test_took_fail_it() -> None:
    def act(api: RuntimeDouble) -> None:
        with Client(api) as client:
            client.ask("GET", "/a")
        assert api.violations == ["connection 1: GET /a: there is no such method and path"]

    assert said_at_the_end(act) == ["connection 1: GET /a: there is no such method and path"]


def test_violations_are_a_note_on_another_failure() -> None:
    def fail() -> None:
        with RuntimeDouble() as api:
            api.invoke(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    assert "was never handed out" in caught.value.__notes__[0]


def test_what_was_forgotten_fails_the_test() -> None:
    invocations: list[Invocation] = []

    def act(api: RuntimeDouble) -> None:
        invocations.extend(api.invoke(number) for number in range(3))
        api.refuse_next_answer(500)
        with Client(api) as client, Client(api) as other:
            client.next()
            other.stream(other.next())
            other.send(chunk(PRELUDE))
            invocations[1].wait_for(1)
        api.wait_until_left()

    said = said_at_the_end(act)
    first, second, third = (each.request_id for each in invocations)
    assert said == [
        f"invocation {first} was handed out, and never answered",
        f"invocation {second} was answered with <response: 26 bytes, not whole, status 0>",
        f"invocation {third} was never handed out",
        "the refusal with 500 was never used",
    ]


def test_an_answer_that_is_still_coming_fails_the_test() -> None:
    def act(api: RuntimeDouble) -> None:
        invocation = api.invoke(1)
        clients.append(Client(api))
        clients[0].stream(clients[0].next())
        invocation.wait_for(0)

    clients: list[Client] = []
    [said] = said_at_the_end(act)
    clients[0].close()
    assert said.endswith("was answered with a response that did not end, 0 bytes so far")


@pytest.mark.parametrize("phase", ["init", "restore"])
def test_an_error_of_a_phase_that_no_test_looked_at_fails_it(phase: str) -> None:
    def act(api: RuntimeDouble) -> None:
        with Client(api) as client:
            if phase == "restore":
                client.start("GET", RESTORE)
                api.restore()
                client.finish()
            client.post(f"{phase}/error", ERROR, TYPE)

    said = said_at_the_end(act, snapstart=phase == "restore")
    assert said == [f"no test looked at {phase}/error: {ERROR}"]
