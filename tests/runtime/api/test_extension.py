"""The internal extension that makes Lambda send SIGTERM: registered, polled, or done without."""

import logging

import pytest

from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.extension import NAME, Extension
from tests.runtime.double import RuntimeDouble
from tests.runtime.double_client import NEXT, Client

WITHOUT = "Without an extension Lambda ends this process with no time for a shutdown"
REFUSED = "Expected 200 for the extension that makes Lambda send SIGTERM, but got 403 "


def connect(api: RuntimeDouble) -> Connection:
    return Connection(parse_address(api.address), user_agent="test")


def register(connection: Connection) -> bool:
    extension = Extension(connection)
    extension.announce()
    return extension.complete()


def test_an_extension_without_events_is_registered_and_polled_for_as_long_as_its_connection(api: RuntimeDouble) -> None:
    connection = connect(api)
    assert register(connection)
    api.wait_for_request("/2020-01-01/extension/event/next")
    (extension,) = api.extensions
    assert (extension.name, extension.events) == (NAME.decode(), [])
    # The double gives out no event before every extension has asked for its own.
    invocation = api.invoke(1)
    with Client(api) as client:
        client.respond(client.next(), 2)
        assert invocation.answer().json == 2
        assert extension.polled
        assert api.open_connections == 2
    connection.close()
    api.wait_until_left()


@pytest.mark.parametrize("api_options", [{"refuse_extensions": True}])
def test_a_refusal_costs_one_warning_and_leaves_no_connection(
    api: RuntimeDouble, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(api)
    assert not register(connection)
    assert not connection.is_open
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("bridge", logging.WARNING)
    assert record.getMessage().startswith(f"{WITHOUT}: {REFUSED}")


def test_one_that_comes_too_late_is_refused(api: RuntimeDouble, caplog: pytest.LogCaptureFixture) -> None:
    with Client(api) as client:
        client.start("GET", NEXT)
        api.wait_for_polls(1)
        assert not register(connect(api))
    assert "but got 403" in caplog.text
    (violation,) = api.take_violations()
    assert "came after the first `next`, or twice" in violation


def test_an_api_that_is_gone_costs_one_warning(api: RuntimeDouble, caplog: pytest.LogCaptureFixture) -> None:
    api.stop()
    assert not register(connect(api))
    assert caplog.messages == [f"{WITHOUT}: The Runtime API is gone: [Errno 111] Connection refused."]
