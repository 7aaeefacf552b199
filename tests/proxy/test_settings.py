"""OriginSettings: Lambda Web Adapter's names and meanings, but no value that makes no sense is passed over."""

import dataclasses
import math
from typing import Any

import pytest

from bridge.errors import ConfigurationError
from bridge.proxy.server import Address, OriginSettings

DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 8080,
    "uds": "",
    "readiness_protocol": "http",
    "readiness_port": None,
    "readiness_path": "/",
    "healthy_status": frozenset(range(100, 500)),
    "readiness_timeout": None,
    "async_init": False,
    "pool_idle_timeout": 4.0,
    "before_checkpoint_path": "",
    "after_restore_path": "",
    "deadline_margin": 0.25,
}

# setting: (variable, its text, the value that it is)
VARIABLES: dict[str, tuple[str, str, Any]] = {
    "host": ("AWS_LWA_HOST", "localhost", "localhost"),
    "port": ("AWS_LWA_PORT", "3000", 3000),
    "uds": ("BRIDGE_UDS", "/tmp/shop.sock", "/tmp/shop.sock"),
    "readiness_protocol": ("AWS_LWA_READINESS_CHECK_PROTOCOL", "TCP", "tcp"),
    "readiness_port": ("AWS_LWA_READINESS_CHECK_PORT", "3001", 3001),
    "readiness_path": ("AWS_LWA_READINESS_CHECK_PATH", "/healthcheck?deep=1", "/healthcheck?deep=1"),
    "healthy_status": ("AWS_LWA_READINESS_CHECK_HEALTHY_STATUS", "200-201, 404", frozenset({200, 201, 404})),
    "readiness_timeout": ("AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS", "0.5", 0.5),
    "async_init": ("AWS_LWA_ASYNC_INIT", "true", True),
    "pool_idle_timeout": ("AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS", "1.5", 1.5),
    "before_checkpoint_path": ("AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH", "/hooks/before", "/hooks/before"),
    "after_restore_path": ("AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH", "/hooks/after", "/hooks/after"),
    "deadline_margin": ("BRIDGE_DEADLINE_MARGIN", "1500", 1.5),
}

# variable: (old name, its text, setting, value)
DEPRECATED: dict[str, tuple[str, str, str, Any]] = {
    "AWS_LWA_HOST": ("HOST", "localhost", "host", "localhost"),
    "AWS_LWA_READINESS_CHECK_PORT": ("READINESS_CHECK_PORT", "3001", "readiness_port", 3001),
    "AWS_LWA_READINESS_CHECK_PATH": ("READINESS_CHECK_PATH", "/healthcheck", "readiness_path", "/healthcheck"),
    "AWS_LWA_READINESS_CHECK_PROTOCOL": ("READINESS_CHECK_PROTOCOL", "tcp", "readiness_protocol", "tcp"),
    "AWS_LWA_ASYNC_INIT": ("ASYNC_INIT", "true", "async_init", True),
}

ARGUMENTS: dict[str, Any] = {
    "host": "127.0.0.2",
    "port": 9000,
    "uds": "/tmp/other.sock",
    "readiness_protocol": "http",
    "readiness_port": 9001,
    "readiness_path": "/ready",
    "healthy_status": frozenset({204}),
    "readiness_timeout": 3.0,
    "async_init": False,
    "pool_idle_timeout": 2.0,
    "before_checkpoint_path": "/before",
    "after_restore_path": "/after",
    "deadline_margin": 2.0,
}


@pytest.fixture(autouse=True)
def _no_old_names_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell may well have HOST set, and a hosting service PORT."""
    for name in ("PORT", *(old for old, *_ in DEPRECATED.values())):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, text, _ in VARIABLES.values():
        monkeypatch.setenv(variable, text)


def fields(settings: OriginSettings) -> dict[str, Any]:
    return dataclasses.asdict(settings)


FROM_ENVIRON = {name: value for name, (_, _, value) in VARIABLES.items()}


def test_the_defaults_are_those_of_lambda_web_adapter(caplog: pytest.LogCaptureFixture) -> None:
    assert fields(OriginSettings()) == DEFAULTS
    assert caplog.messages == []


@pytest.mark.usefixtures("environ")
def test_every_setting_has_its_variable(caplog: pytest.LogCaptureFixture) -> None:
    assert fields(OriginSettings()) == FROM_ENVIRON
    assert list(VARIABLES) == list(DEFAULTS) == list(ARGUMENTS)
    assert caplog.messages == []


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_sets_its_setting_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    variable, text, value = VARIABLES[name]
    monkeypatch.setenv(variable, text)
    assert fields(OriginSettings()) == DEFAULTS | {name: value}


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_goes_over_the_environment_and_alone(name: str) -> None:
    assert fields(OriginSettings(**{name: ARGUMENTS[name]})) == FROM_ENVIRON | {name: ARGUMENTS[name]}


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize(
    "name", ["uds", "readiness_port", "readiness_timeout", "before_checkpoint_path", "after_restore_path"]
)
def test_an_empty_argument_goes_over_the_environment_too(name: str) -> None:
    assert fields(OriginSettings(**{name: DEFAULTS[name]})) == FROM_ENVIRON | {name: DEFAULTS[name]}


def test_an_argument_keeps_a_broken_variable_from_mattering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LWA_PORT", "http")
    assert OriginSettings(port=3000).port == 3000


def test_the_port_may_come_from_the_variable_that_hosts_use_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PORT", "3000")
    assert OriginSettings().port == 3000
    assert OriginSettings().readiness_address == Address("127.0.0.1", 3000)
    monkeypatch.setenv("AWS_LWA_PORT", "4000")
    assert OriginSettings().port == 4000
    assert caplog.messages == []


def test_a_port_from_the_variable_that_hosts_use_is_refused_by_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever set PORT looks for PORT in the message."""
    monkeypatch.setenv("PORT", "tcp://10.0.0.1:80")
    with pytest.raises(ConfigurationError, match=r"\bPORT\b.* is 'tcp://10\.0\.0\.1:80'; expected a port"):
        OriginSettings()


@pytest.mark.parametrize("variable", DEPRECATED)
def test_the_old_name_of_a_variable_works_and_the_log_names_the_new_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str
) -> None:
    old, text, name, value = DEPRECATED[variable]
    monkeypatch.setenv(old, text)
    assert fields(OriginSettings()) == DEFAULTS | {name: value}
    assert caplog.messages == [f"{old} is deprecated: use {variable} instead."]


@pytest.mark.parametrize("variable", DEPRECATED)
def test_the_new_name_of_a_variable_goes_over_the_old_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str
) -> None:
    old, _, name, _ = DEPRECATED[variable]
    monkeypatch.setenv(old, "nonsense that nobody looks at")
    new, text, value = VARIABLES[name]
    monkeypatch.setenv(new, text)
    assert fields(OriginSettings()) == DEFAULTS | {name: value}
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("host", "::1", "::1"),
        ("host", "localhost", "localhost"),
        ("host", "web-1.internal", "web-1.internal"),
        ("port", 1, 1),
        ("port", 65535, 65535),
        ("port", "08080", 8080),
        ("readiness_protocol", "HTTP", "http"),
        ("readiness_protocol", "Tcp", "tcp"),
        ("readiness_path", "/a/b%20c?d=e&f", "/a/b%20c?d=e&f"),
        ("healthy_status", "200", frozenset({200})),
        ("healthy_status", " 200-202 ,  404 ", frozenset({200, 201, 202, 404})),
        ("healthy_status", [200, 302], frozenset({200, 302})),
        ("healthy_status", 200, frozenset({200})),
        ("readiness_timeout", "-1", -1.0),
        ("readiness_timeout", "0", 0.0),
        ("readiness_timeout", 60, 60.0),
        ("async_init", "True", True),
        ("async_init", "FALSE", False),
        ("pool_idle_timeout", "0", 0.0),
        ("pool_idle_timeout", "0.25", 0.25),
        ("pool_idle_timeout", "1e1", 10.0),
        ("uds", None, ""),
        ("uds", "/" + "a" * 102, "/" + "a" * 102),
        ("before_checkpoint_path", None, ""),
        ("before_checkpoint_path", "/Hooks//Before/", "/Hooks//Before/"),
    ],
)
def test_a_sensible_value_is_kept_in_its_own_type(name: str, given: Any, kept: Any) -> None:
    value = getattr(OriginSettings(**{name: given}), name)
    assert (value, type(value)) == (kept, type(kept))


ACCEPTED = {
    "host": "a host name or an IP address, without brackets and port",
    "port": "a port from 1 to 65535",
    "uds": "the absolute path of a socket, of 103 bytes at most",
    "readiness_protocol": "'http' or 'tcp'",
    "readiness_port": "a port from 1 to 65535",
    "readiness_path": "a path that starts with a slash, percent-encoded",
    "healthy_status": "a list of status codes and ranges from 100 to 599, such as '404,500-599'",
    "readiness_timeout": "a number of seconds",
    "async_init": "'true' or 'false'",
    "pool_idle_timeout": "a number of seconds",
}
NO_HOOK = "a path of its own, without a query, such as '/hooks/restored'"
NO_REUSE = "a number of seconds, or 0 for a connection for each request"
NEVER_READY = "at least one status code: without any the server would never be ready"

NO_NUMBERS = ["", " ", "four", "4s", "4,5", "nan", "inf", "-inf", "1e999", True, None, [], b"4", 10**400]
NO_PORTS = ["", " ", "http", "0", 0, "65536", 65536, "-1", -1, "80.5", 80.0, " 80", "80 ", "+80", "8_0", True, b"80"]
NO_PORTS += ["\u0668\u0660", "8" * 5000]
NO_PATHS = ["", "health", "http://localhost/", "/a b", "/a\n", "/a\0", "/caf\u00e9", "/#top", "*", 5, b"/"]
NO_HOSTS = [
    "",
    " ",
    "a b",
    "localhost:8080",
    "http://localhost",
    "[::1]",
    "me@localhost",
    "a/b",
    "a\0b",
    "a\nb",
    None,
    1,
]
NO_HOSTS += ["a,b", "a\\b", "a%20b", ":", "1:2:3", "a..b"]
NO_SOCKETS: list[Any] = ["app.sock", "./app.sock", " /tmp/a", "unix:/tmp/a", "/a\0", "/\ud800", b"/tmp/a", 5, False]
NO_SOCKETS += ["/" + "a" * 103, "/" + "\u00e9" * 52]
SENSELESS: dict[str, list[Any]] = {
    "host": NO_HOSTS,
    "port": [*NO_PORTS, None],
    "readiness_port": NO_PORTS,
    "uds": NO_SOCKETS,
    "readiness_protocol": ["", " ", "https", "http2", "udp", " http", None, 5, b"tcp"],
    "readiness_path": [*NO_PATHS, None],
    "healthy_status": ["ok", "2xx", "200,", "200-300-400", "300-200", "99", "600", "200;201", None, True, 0],
    "readiness_timeout": [value for value in NO_NUMBERS if value is not None],
    "async_init": ["", "1", "0", "yes", "no", "on", " true", 1, 0, None, b"true"],
    "pool_idle_timeout": NO_NUMBERS,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in SENSELESS.items() for value in values],
    ids=lambda value: repr(value)[:30],
)
def test_a_value_that_makes_no_sense_is_refused_with_what_is_accepted(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginSettings(**{name: value})
    start, end = f"The setting {name} (", f"; expected {ACCEPTED[name]}."
    assert (str(caught.value)[: len(start)], str(caught.value)[-len(end) :]) == (start, end)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_refusal_names_the_setting_its_variable_and_the_value(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    variable = VARIABLES[name][0]
    monkeypatch.setenv(variable, "no such\tthing")
    with pytest.raises(ConfigurationError) as caught:
        OriginSettings()
    assert str(caught.value).startswith(f"The setting {name} ({variable}")
    assert " is 'no such\\tthing'; expected " in str(caught.value)


@pytest.mark.parametrize("value", [-1, "-0.5"])
def test_an_idle_time_below_nothing_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginSettings(pool_idle_timeout=value)
    variable = "AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS"
    assert str(caught.value) == f"The setting pool_idle_timeout ({variable}) is {value!r}; expected {NO_REUSE}."


@pytest.mark.parametrize("value", ["", " ", (), []])
def test_no_healthy_status_at_all_is_refused_because_it_would_wait_for_ever(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginSettings(healthy_status=value)
    variable = "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS"
    assert str(caught.value) == f"The setting healthy_status ({variable}) is {value!r}; expected {NEVER_READY}."


@pytest.mark.parametrize("name", ["before_checkpoint_path", "after_restore_path"])
@pytest.mark.parametrize("value", [value for value in NO_PATHS if value != ""])
def test_a_hook_path_that_is_no_path_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginSettings(**{name: value})
    assert str(caught.value).endswith(f" is {value!r}; expected {ACCEPTED['readiness_path']}.")


@pytest.mark.parametrize("name", ["before_checkpoint_path", "after_restore_path"])
@pytest.mark.parametrize(
    "value",
    [
        "/",
        "//",
        "/.",
        "/a/..",
        "/%2e",
        "/%2F",
        "/;x",
        "/\\",
        "/%00",
        "/%23",
        "/%3Fx",
        "/%25",
        "/%2525",
        "/%",
        "/hook?x=1",
    ],
)
def test_a_hook_path_whose_guard_would_refuse_the_whole_site_or_nothing_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginSettings(**{name: value})
    assert str(caught.value).endswith(f" is {value!r}; expected {NO_HOOK}.")


@pytest.mark.parametrize(
    ("given", "address", "readiness"),
    [
        ({}, Address("127.0.0.1", 8080), Address("127.0.0.1", 8080)),
        ({"host": "::1", "port": 3000}, Address("::1", 3000), Address("::1", 3000)),
        ({"readiness_port": 9}, Address("127.0.0.1", 8080), Address("127.0.0.1", 9)),
        ({"uds": "/tmp/a"}, Address("localhost", 0, "/tmp/a"), Address("localhost", 0, "/tmp/a")),
        ({"uds": "/tmp/a", "readiness_port": 9}, Address("localhost", 0, "/tmp/a"), Address("127.0.0.1", 9)),
    ],
)
def test_readiness_is_asked_for_at_the_server_itself_unless_it_has_a_port_of_its_own(
    given: dict[str, Any], address: Address, readiness: Address
) -> None:
    settings = OriginSettings(**given)
    assert (settings.address, settings.readiness_address) == (address, readiness)


LONG = ["provisioned-concurrency", "snap-start", "lambda-managed-instances"]
SHORT = ["", "on-demand", "something-new"]


@pytest.mark.parametrize(("kind", "limit"), [(kind, 9.8) for kind in SHORT] + [(kind, 130.0) for kind in LONG])
def test_startup_waits_as_long_as_the_init_phase_allows(
    monkeypatch: pytest.MonkeyPatch, kind: str, limit: float
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    assert OriginSettings().init_limit == limit
    assert OriginSettings(readiness_timeout=0.5).init_limit == 0.5
    assert OriginSettings(readiness_timeout=0).init_limit == math.inf
    assert OriginSettings(readiness_timeout=-1).init_limit == math.inf


@pytest.mark.parametrize(("kind", "waits"), [(kind, True) for kind in SHORT] + [(kind, False) for kind in LONG])
def test_async_init_counts_only_where_the_init_phase_is_short(
    monkeypatch: pytest.MonkeyPatch, kind: str, waits: bool
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    assert OriginSettings(async_init=True).waits_in_first_request is waits
    assert OriginSettings(async_init=False).waits_in_first_request is False


def test_settings_are_frozen_compared_by_value_and_take_keywords_only() -> None:
    settings = OriginSettings(port=3000)
    assert settings == OriginSettings(port="3000")  # type: ignore[arg-type]
    assert settings != OriginSettings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        OriginSettings("127.0.0.1")  # type: ignore[call-arg]
