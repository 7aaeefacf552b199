"""The double of Lambda's APIs: the init phase, snapshots, and extensions."""

import json
import re

import pytest

from tests.runtime.double import RuntimeDouble
from tests.runtime.double_client import EVENTS, NEXT, REGISTER, Client

ERROR = {"errorMessage": "no", "errorType": "Runtime.Broken", "stackTrace": []}
TYPE = {"Lambda-Runtime-Function-Error-Type": "Runtime.Broken"}

RESTORE = "/2018-06-01/runtime/restore/next"

with_snapstart = pytest.mark.parametrize("api_options", [{"snapstart": True}])


def test_an_error_of_the_init_phase_is_reported(api: RuntimeDouble) -> None:
    with Client(api) as client:
        assert client.post("init/error", ERROR, TYPE).status == 202
    report = api.init_error()
    assert report.document == ERROR
    assert report.headers["lambda-runtime-function-error-type"] == "Runtime.Broken"


def test_what_does_not_come_is_not_waited_for_longer_than_told(api: RuntimeDouble) -> None:
    for wait in (api.init_error, api.restore_error, api.wait_for_snapshot, api.restore):
        with pytest.raises(TimeoutError, match=r"No sign of a (POST|GET)"):
            wait(timeout=0)
    with pytest.raises(TimeoutError, match="No sign of 1 open polls within 0 s"):
        api.wait_for_polls(1, timeout=0)


def test_a_wait_that_fails_tells_the_violations_so_far(api: RuntimeDouble) -> None:
    with Client(api) as client:
        client.ask("GET", "/wrong")
        with pytest.raises(TimeoutError, match="GET /wrong: there is no such method and path"):
            api.wait_for_polls(1, timeout=0)
    api.take_violations()


# Snapshots


@with_snapstart
def test_a_snapshot_is_taken_and_restored(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.start("GET", RESTORE)
        assert api.wait_for_snapshot() == 0
        api.restore()
        assert client.finish().status == 200
        client.respond(client.next(), 2)
    assert invocation.answer().json == 2


@with_snapstart
def test_the_connections_that_are_open_at_a_snapshot_are_counted(api: RuntimeDouble) -> None:
    with Client(api) as client, Client(api) as idle, Client(api) as closed, Client(api) as extension:
        registered = extension.ask("POST", REGISTER, {"events": []}, {"Lambda-Extension-Name": "a"})
        identifier = registered.headers["lambda-extension-identifier"]
        extension.start("GET", EVENTS, {"Lambda-Extension-Identifier": identifier})
        idle.ask("GET", "/wrong")
        closed.ask("GET", "/wrong")
        closed.close()
        client.start("GET", RESTORE)
        assert api.wait_for_snapshot() == 2
        idle.close()
        assert api.wait_for_snapshot() == 2
        api.restore()
        client.finish()
    assert len(api.take_violations()) == 2


@with_snapstart
def test_an_error_after_the_restore_is_reported(api: RuntimeDouble) -> None:
    with Client(api) as client:
        client.start("GET", RESTORE)
        api.restore()
        client.finish()
        assert client.post("restore/error", ERROR, TYPE).status == 202
    assert api.restore_error().document == ERROR


@with_snapstart
def test_an_error_before_the_snapshot_is_one_of_the_init_phase(api: RuntimeDouble) -> None:
    with Client(api) as client:
        assert client.post("init/error", ERROR, TYPE).status == 202
    assert api.init_error().document == ERROR


# Extensions


def test_an_extension_is_registered_and_gets_no_event(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as runtime, Client(api) as client:
        reply = client.ask("POST", REGISTER, {"events": ["INVOKE"]}, {"Lambda-Extension-Name": "helper"})
        assert reply.status == 200
        assert json.loads(reply.body).keys() == {"functionName", "functionVersion", "handler"}
        [extension] = api.extensions
        assert (extension.name, extension.events, extension.polled) == ("helper", ["INVOKE"], False)
        assert repr(extension) == "<extension helper: ['INVOKE'], not polled>"
        runtime.start("GET", NEXT)
        api.wait_for_polls(1)
        assert not invocation.handed_out_at  # the init phase ends when all have asked for something
        identifier = reply.headers["lambda-extension-identifier"]
        client.start("GET", EVENTS, {"Lambda-Extension-Identifier": identifier})
        runtime.respond(runtime.finish(), 1)
        assert extension.polled
    invocation.answer()


@pytest.mark.parametrize("api_options", [{"refuse_extensions": True}])
def test_extensions_may_be_refused(api: RuntimeDouble) -> None:
    with Client(api) as client:
        reply = client.ask("POST", REGISTER, {"events": []}, {"Lambda-Extension-Name": "helper"})
        assert reply.status == 403
    assert api.extensions == []


@pytest.mark.parametrize(
    ("body", "headers", "status", "complaint"),
    [
        ({"events": []}, {}, 403, "Lambda-Extension-Name is missing"),
        ({"events": ["SHUTDOWN"]}, {"Lambda-Extension-Name": "a"}, 403, "an internal extension gets no SHUTDOWN"),
        ({"events": "INVOKE"}, {"Lambda-Extension-Name": "a"}, 400, "expected a list of events, got"),
        ([], {"Lambda-Extension-Name": "a"}, 400, "expected a list of events, got b'[]'"),
        ({}, {"Lambda-Extension-Name": "a"}, 400, "expected a list of events, got b'{}'"),
        (b"x", {"Lambda-Extension-Name": "a"}, 400, "expected a list of events, got b'x'"),
    ],
)
def test_a_wrong_registration_is_a_violation(
    api: RuntimeDouble, body: object, headers: dict[str, str], status: int, complaint: str
) -> None:
    with Client(api) as client:
        assert client.ask("POST", REGISTER, body, headers).status == status
    [violation] = api.take_violations()
    assert violation.startswith(f"connection 1: POST {REGISTER}: {complaint}")
    assert api.extensions == []


def test_an_extension_is_registered_once_and_before_the_first_poll(api: RuntimeDouble) -> None:
    with Client(api) as runtime, Client(api) as client:
        for name in ("a", "a", "b"):
            if name == "b":
                runtime.start("GET", NEXT)
                api.wait_for_polls(1)
            client.ask("POST", REGISTER, {"events": []}, {"Lambda-Extension-Name": name})
    violations = api.take_violations()
    assert [re.search(r"(.) came after", each)[1] for each in violations] == ["a", "b"]  # type: ignore[index]


def test_only_a_registered_extension_asks_for_events_and_once(api: RuntimeDouble) -> None:
    with Client(api) as client, Client(api) as extension:
        assert client.ask("GET", EVENTS, headers={"Lambda-Extension-Identifier": "a"}).status == 403
        reply = extension.ask("POST", REGISTER, {"events": []}, {"Lambda-Extension-Name": "a"})
        identifier = {"Lambda-Extension-Identifier": reply.headers["lambda-extension-identifier"]}
        extension.start("GET", EVENTS, identifier)
        api.wait_for_request(EVENTS, 2)
        assert client.ask("GET", EVENTS, headers=identifier).status == 403
    first, second = api.take_violations()
    assert "there is no extension 'a'" in first
    assert "it asked for its events before" in second
