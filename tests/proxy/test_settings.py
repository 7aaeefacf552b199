"""OriginSettings: Lambda Web Adapter's names and meanings, but an invalid value is never ignored."""

import math
import re
from typing import Any

import pytest

from bridge.errors import ConfigurationError
from bridge.proxy.address import Address
from bridge.proxy.settings import OriginSettings
from tests.cases import every_case
from tests.logged import assert_logged

HOOK = "AWS_LWA_SNAPSTART_"
CHECK = "AWS_LWA_READINESS_CHECK_"

# setting: (variable, its default, its text, the value of that, an argument)
SETTINGS: dict[str, tuple[str, Any, str, Any, Any]] = {
    "host": ("AWS_LWA_HOST", "127.0.0.1", "localhost", "localhost", "127.0.0.2"),
    "port": ("AWS_LWA_PORT", 8080, "3000", 3000, 9000),
    "uds": ("BRIDGE_UDS", "", "/tmp/shop.sock", "/tmp/shop.sock", "/tmp/other.sock"),
    "readiness_protocol": (f"{CHECK}PROTOCOL", "http", "TCP", "tcp", "http"),
    "readiness_port": (f"{CHECK}PORT", None, "3001", 3001, 9001),
    "readiness_path": (f"{CHECK}PATH", "/", "/healthcheck?deep=1", "/healthcheck?deep=1", "/ready"),
    "healthy_status": (f"{CHECK}HEALTHY_STATUS", {*range(100, 500)}, "200-201, 404", {200, 201, 404}, frozenset({204})),
    "readiness_timeout": (f"{CHECK}TIMEOUT_SECONDS", None, "0.5", 0.5, 3.0),
    "async_init": ("AWS_LWA_ASYNC_INIT", False, "true", True, False),
    "pool_idle_timeout": ("AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS", 4.0, "1.5", 1.5, 2.0),
    "before_checkpoint_path": (f"{HOOK}BEFORE_CHECKPOINT_PATH", "", "/hooks/before", "/hooks/before", "/before"),
    "after_restore_path": (f"{HOOK}AFTER_RESTORE_PATH", "", "/hooks/after", "/hooks/after", "/after"),
    "deadline_margin": ("BRIDGE_DEADLINE_MARGIN", 0.25, "500", 0.5, 2.0),
}
DEFAULTS = {name: default for name, (_, default, *_) in SETTINGS.items()} | {"given": frozenset()}
FROM_ENVIRON = {name: value for name, (_, _, _, value, _) in SETTINGS.items()} | {"given": frozenset()}

# variable: (old name, its text, setting, value)
DEPRECATED: dict[str, tuple[str, str, str, Any]] = {
    "AWS_LWA_HOST": ("HOST", "localhost", "host", "localhost"),
    "AWS_LWA_READINESS_CHECK_PORT": ("READINESS_CHECK_PORT", "3001", "readiness_port", 3001),
    "AWS_LWA_READINESS_CHECK_PATH": ("READINESS_CHECK_PATH", "/healthcheck", "readiness_path", "/healthcheck"),
    "AWS_LWA_READINESS_CHECK_PROTOCOL": ("READINESS_CHECK_PROTOCOL", "tcp", "readiness_protocol", "tcp"),
    "AWS_LWA_ASYNC_INIT": ("ASYNC_INIT", "true", "async_init", True),
}


def test_the_defaults_are_those_of_lambda_web_adapter(caplog: pytest.LogCaptureFixture) -> None:
    assert OriginSettings().values() == DEFAULTS
    assert caplog.messages == []


def test_a_variable_beats_the_default_and_an_argument_the_variable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for variable, _, text, *_ in SETTINGS.values():
        monkeypatch.setenv(variable, text)
    assert OriginSettings().values() == FROM_ENVIRON
    for name, (*_, value) in SETTINGS.items():
        assert OriginSettings(**{name: value}).values() == FROM_ENVIRON | {name: value}
    for name in ("uds", "readiness_port", "readiness_timeout", "before_checkpoint_path", "after_restore_path"):
        assert OriginSettings(**{name: DEFAULTS[name]}).values() == FROM_ENVIRON | {name: DEFAULTS[name]}
    assert caplog.messages == []


def test_the_port_may_come_from_the_variable_that_hosts_use(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PORT", "3000")
    assert OriginSettings().readiness_address == Address("127.0.0.1", 3000)
    monkeypatch.setenv("AWS_LWA_PORT", "4000")
    assert OriginSettings().port == 4000
    assert caplog.messages == []
    monkeypatch.delenv("AWS_LWA_PORT")
    monkeypatch.setenv("PORT", "tcp://10.0.0.1:80")
    with pytest.raises(ConfigurationError, match=r"\bPORT\b.* is 'tcp://10\.0\.0\.1:80'; expected a port"):
        OriginSettings()


def test_the_old_name_of_a_variable_works_with_a_warning_unless_the_new_one_is_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for variable, (old, text, name, value) in DEPRECATED.items():
        with monkeypatch.context() as patch:
            patch.setenv(old, text)
            assert OriginSettings().values() == DEFAULTS | {name: value}
            assert_logged(caplog, ("WARNING", old, variable))
            caplog.clear()
            patch.setenv(old, "nonsense")
            new, _, new_text, new_value, _ = SETTINGS[name]
            patch.setenv(new, new_text)
            assert OriginSettings().values() == DEFAULTS | {name: new_value}
            assert caplog.messages == []


# fmt: off
KEPT: list[tuple[str, Any, Any]] = [
    ("host", "::1", "::1"), ("host", "localhost", "localhost"), ("host", "web-1.internal", "web-1.internal"),
    ("port", 1, 1), ("port", 65535, 65535), ("port", "08080", 8080),
    ("readiness_protocol", "HTTP", "http"),
    ("readiness_path", "/a/b%20c?d=e&f", "/a/b%20c?d=e&f"),
    ("healthy_status", " 200-202 ,  404 ", frozenset({200, 201, 202, 404})),
    ("healthy_status", [200, 302], frozenset({200, 302})), ("healthy_status", 200, frozenset({200})),
    ("readiness_timeout", "-1", -1.0), ("readiness_timeout", 60, 60.0),
    ("async_init", "True", True), ("async_init", "FALSE", False),
    ("pool_idle_timeout", "0", 0.0), ("pool_idle_timeout", "1e1", 10.0),
    ("uds", None, ""), ("uds", "/" + "a" * 102, "/" + "a" * 102),
    ("before_checkpoint_path", None, ""), ("before_checkpoint_path", "/Hooks//Before/", "/Hooks//Before/"),
]
# fmt: on


def test_a_valid_value_is_kept_in_its_own_type() -> None:
    values = [(name, given, getattr(OriginSettings(**{name: given}), name)) for name, given, _ in KEPT]
    assert values == KEPT
    assert [type(value) for *_, value in values] == [type(kept) for *_, kept in KEPT]


PORT = "a port from 1 to 65535"
SECONDS = "a number of seconds"
PATH = "a path that starts with a slash, percent-encoded"
STATUSES = "a list of status codes and ranges from 100 to 599, such as '404,500-599'"
NO_HOOK = "a path of its own, without a query, such as '/hooks/restored'"
NO_REUSE = "a number of seconds, or 0 for a connection for each request"
NEVER_READY = "at least one status code: without any the server would never be ready"

NO_NUMBERS = ["", " ", "four", "4s", "4,5", "nan", "inf", "-inf", "1e999", True, None, [], b"4", 10**400]
NO_PORTS = ["", " ", "http", "0", 0, "65536", 65536, "-1", -1, "80.5", 80.0, " 80", "80 ", "+80", "8_0", True, b"80"]
NO_PORTS += ["\u0668\u0660", "8" * 5000]
NO_PATHS = ["", "health", "http://localhost/", "/a b", "/a\n", "/a\0", "/caf\u00e9", "/#top", "*", 5, b"/"]
NO_HOSTS: list[Any] = ["", " ", "a b", "localhost:8080", "http://localhost", "[::1]", "me@localhost", "a/b", None, 1]
NO_HOSTS += ["a\0b", "a\nb", "a,b", "a\\b", "a%20b", ":", "1:2:3", "a..b"]
NO_SOCKETS: list[Any] = ["app.sock", "./app.sock", " /tmp/a", "unix:/tmp/a", "/a\0", "/\ud800", b"/tmp/a", 5, False]
NO_SOCKETS += ["/" + "a" * 103, "/" + "\u00e9" * 52]
# With these as hook paths the guard would refuse the whole site, or nothing.
NO_HOOKS = ["/", "//", "/.", "/a/..", "/%2e", "/%2F", "/;x", "/\\", "/%00", "/%23", "/%3Fx", "/%25", "/%2525", "/%"]
NO_HOOKS.append("/hook?x=1")
# setting: (what is accepted, values that are not)
INVALID: list[tuple[str, str, list[Any]]] = [
    ("host", "a host name or an IP address, without brackets and port", NO_HOSTS),
    ("port", PORT, [*NO_PORTS, None]),
    ("readiness_port", PORT, NO_PORTS),
    ("uds", "the absolute path of a socket, of 103 bytes at most", NO_SOCKETS),
    ("readiness_protocol", "'http' or 'tcp'", ["", " ", "https", "http2", " http", None, 5, b"tcp"]),
    ("readiness_path", PATH, [*NO_PATHS, None]),
    ("healthy_status", STATUSES, ["2xx", "200,", "200-300-400", "300-200", "99", "600", None, 0]),
    ("healthy_status", NEVER_READY, ["", " ", (), []]),
    ("readiness_timeout", SECONDS, [value for value in NO_NUMBERS if value is not None]),
    ("async_init", "'true' or 'false'", ["", "1", "0", "yes", "no", "on", " true", 1, 0, None, b"true"]),
    ("pool_idle_timeout", SECONDS, NO_NUMBERS),
    ("pool_idle_timeout", NO_REUSE, [-1, "-0.5"]),
]
for hook in ("before_checkpoint_path", "after_restore_path"):
    INVALID += [(hook, PATH, NO_PATHS[1:]), (hook, NO_HOOK, NO_HOOKS)]


@every_case(("name", "accepted", "value"), [(*row[:2], value) for row in INVALID for value in row[2]])
def test_an_invalid_value_is_refused_with_what_is_accepted(name: str, accepted: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^The setting {name} \((?s:.*); expected {re.escape(accepted)}\.$"):
        OriginSettings(**{name: value})


def test_a_refusal_names_the_setting_its_variable_and_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (variable, *_, argument) in SETTINGS.items():
        with monkeypatch.context() as patch:
            patch.setenv(variable, "no such\tthing")
            with pytest.raises(ConfigurationError, match=rf"^The setting {name} \({variable}.* is 'no such\\tthing'; "):
                OriginSettings()
            OriginSettings(**{name: argument})  # the variable does not matter then


def test_readiness_is_asked_for_at_the_server_itself_unless_it_has_a_port_of_its_own() -> None:
    cases: list[tuple[dict[str, Any], Address, Address | None]] = [
        ({}, Address("127.0.0.1", 8080), None),
        ({"host": "::1", "port": 3000}, Address("::1", 3000), None),
        ({"readiness_port": 9}, Address("127.0.0.1", 8080), Address("127.0.0.1", 9)),
        ({"uds": "/tmp/a"}, Address("localhost", 80, "/tmp/a"), None),
        ({"uds": "/tmp/a", "readiness_port": 9}, Address("localhost", 80, "/tmp/a"), Address("127.0.0.1", 9)),
    ]
    for given, address, readiness in cases:
        settings = OriginSettings(**given)
        assert (settings.address, settings.readiness_address) == (address, readiness or address)


LONG = ["provisioned-concurrency", "snap-start", "lambda-managed-instances"]


def given(*names: str, **settings: Any) -> OriginSettings:
    """Return settings of which Proxy was given these as arguments."""
    return OriginSettings(**settings, given=frozenset(names))


@every_case(
    ("settings", "initialization", "facts", "others"),
    [
        # A variable has no effect beside an argument.
        (given(), "on-demand", "port AWS_LWA_PORT CHECK_PATH TIMEOUT_SECONDS ASYNC_INIT", "uds"),
        (given(), "snap-start", "port AWS_LWA_PORT CHECK_PATH TIMEOUT_SECONDS", "async_init ASYNC_INIT"),
        (given(async_init=True), "", "port AWS_LWA_PORT CHECK_PATH TIMEOUT_SECONDS", "async_init ASYNC_INIT"),
        (given("port"), "", "port CHECK_PATH TIMEOUT_SECONDS", "AWS_LWA_PORT"),
        (given("url"), "", "url CHECK_PATH TIMEOUT_SECONDS", "port AWS_LWA_PORT uds BRIDGE_UDS"),
        (given(uds="/tmp/s"), "", "uds BRIDGE_UDS", "port AWS_LWA_PORT"),
        (given("readiness_path"), "", "readiness_path", "CHECK_PATH"),
        (given(readiness_protocol="tcp"), "", "port AWS_LWA_PORT", "readiness_path CHECK_PATH"),
        (given("readiness_timeout"), "", "readiness_timeout ASYNC_INIT", "TIMEOUT_SECONDS"),
        (given("async_init"), "", "async_init TIMEOUT_SECONDS", "ASYNC_INIT"),
        (given("port", readiness_port=9001), "", "readiness_port CHECK_PORT", "port AWS_LWA_PORT"),
        (given("readiness_port", readiness_port=9001), "", "readiness_port", "CHECK_PORT"),
    ],
)
def test_the_advice_for_a_server_that_is_not_ready_has_an_effect(
    settings: OriginSettings, initialization: str, facts: str, others: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", initialization)
        advice = settings.advice.replace(CHECK, "CHECK_").replace("CHECK_TIMEOUT", "TIMEOUT")
    words = set(re.findall(r"\w+", advice.replace("AWS_LWA_ASYNC_INIT", "ASYNC_INIT")))
    assert words & {*facts.split(), *others.split()} == set(facts.split())


def test_startup_waits_as_long_as_the_init_phase_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("", "on-demand", "something-new", *LONG):
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
        assert OriginSettings().init_limit == (130.0 if kind in LONG else 9.8)
        for given, limit in ((0.5, 0.5), (0, math.inf), (-1, math.inf)):
            assert OriginSettings(readiness_timeout=given).init_limit == limit
        # Async init counts only where the init phase is short.
        assert OriginSettings(async_init=True).waits_in_first_request is (kind not in LONG)
        assert OriginSettings(async_init=False).waits_in_first_request is False


@every_case(
    ("value", "healthy"),
    [("500", range(100, 500)), ("101", range(100, 101)), (" 599 ", range(100, 599))],
)
def test_the_first_unhealthy_status_is_lambda_web_adapters_old_name(
    caplog: pytest.LogCaptureFixture, value: str, healthy: range
) -> None:
    for name in ("AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS", "READINESS_CHECK_MIN_UNHEALTHY_STATUS"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            assert OriginSettings().healthy_status == frozenset(healthy)
            patch.setenv("AWS_LWA_READINESS_CHECK_HEALTHY_STATUS", "200")
            assert OriginSettings().healthy_status == frozenset({200})


@every_case("value", ["", "100", "600", "5xx", "500-599"])
def test_another_first_unhealthy_status_is_refused(value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS", value)
        with pytest.raises(ConfigurationError, match="MIN_UNHEALTHY_STATUS"):
            OriginSettings()
