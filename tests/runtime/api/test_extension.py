"""The internal extension that makes Lambda send SIGTERM: registered and polled, or done without."""

import pytest

from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.extension import NAME, Extension
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble

WITHOUT = "Without an extension"


def connect(api: RuntimeDouble) -> Connection:
    return Connection(parse_address(api.address), user_agent="test")


def test_an_extension_without_events_is_registered_and_polled_for_as_long_as_its_connection(api: RuntimeDouble) -> None:
    connection = connect(api)
    assert Extension(connection).register()
    api.wait_for_request("/2020-01-01/extension/event/next")
    (extension,) = api.extensions
    assert (extension.name, extension.events) == (NAME.decode(), [])
    assert connection.is_open
    connection.close()
    api.wait_until_left()


@pytest.mark.parametrize("api_options", [{"refuse_extensions": True}])
def test_a_refusal_costs_one_warning_and_leaves_no_connection(
    api: RuntimeDouble, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(api)
    assert not Extension(connection).register()
    assert not connection.is_open
    assert_logged(caplog, ("WARNING", WITHOUT, "403"))


def test_an_api_that_is_gone_costs_one_warning(api: RuntimeDouble, caplog: pytest.LogCaptureFixture) -> None:
    api.stop()
    assert not Extension(connect(api)).register()
    assert_logged(caplog, ("WARNING", WITHOUT, "The Runtime API is gone"))
