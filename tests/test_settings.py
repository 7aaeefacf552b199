"""Settings: from arguments, else from the environment, else the defaults; never a silent repair."""

from http import HTTPStatus
from typing import Any, cast

import pytest

from bridge import Bridge, Settings, settings_base
from bridge.errors import ConfigurationError
from bridge.settings_base import from_environment
from tests.apps import sending
from tests.cases import every_case
from tests.logged import assert_logged

DEFAULTS: dict[str, Any] = {
    "base_path": "",
    "root_path": "",
    "stage": "root_path",
    "text_media_types": (),
    "mode": "in-process",
    "app": "",
    "authorization_source": "",
    "trust_forwarded_host": False,
    "error_status_codes": frozenset(),
    "pass_through_path": "",
    "open_pass_through_path": False,
    "websocket_path": "",
    "open_websocket_path": False,
    "batch": "whole",
    "batch_concurrency": 10,
    "access_log": False,
    "compression": False,
    "context_headers": None,
}
ENVIRON = {
    "AWS_LWA_REMOVE_BASE_PATH": "/api",
    "BRIDGE_ROOT_PATH": "/v1/shop",
    "BRIDGE_STAGE": "strip",
    "BRIDGE_TEXT_MEDIA_TYPES": "application/x-ndjson, chemical/*",
    "BRIDGE_MODE": "proxy",
    "BRIDGE_APP": "main:app",
    "AWS_LWA_AUTHORIZATION_SOURCE": "X-Auth-Token",
    "BRIDGE_TRUST_FORWARDED_HOST": "True",
    "AWS_LWA_ERROR_STATUS_CODES": "500, 502-504",
    "AWS_LWA_PASS_THROUGH_PATH": "/internal/events",
    "BRIDGE_OPEN_PASS_THROUGH_PATH": "true",
    "BRIDGE_WEBSOCKET_PATH": "/internal/chat/",
    "BRIDGE_OPEN_WEBSOCKET_PATH": "true",
    "BRIDGE_BATCH": "per-record",
    "BRIDGE_BATCH_CONCURRENCY": "3",
    "BRIDGE_ACCESS_LOG": "true",
    "AWS_LWA_ENABLE_COMPRESSION": "true",
    "BRIDGE_CONTEXT_HEADERS": "true",
}
FROM_ENVIRON = {
    "base_path": "/api",
    "root_path": "/v1/shop",
    "stage": "strip",
    "text_media_types": ("application/x-ndjson", "chemical/*"),
    "mode": "proxy",
    "app": "main:app",
    "authorization_source": "x-auth-token",
    "trust_forwarded_host": True,
    "error_status_codes": frozenset({500, 502, 503, 504}),
    "pass_through_path": "/internal/events",
    "open_pass_through_path": True,
    "websocket_path": "/internal/chat",
    "open_websocket_path": True,
    "batch": "per-record",
    "batch_concurrency": 3,
    "access_log": True,
    "compression": True,
    "context_headers": True,
}
ARGUMENTS: dict[str, Any] = {
    "base_path": "/other",
    "root_path": "/mounted",
    "stage": "root_path",
    "text_media_types": ("application/cbor-diag",),
    "mode": "in-process",
    "app": "shop.web:site.app",
    "authorization_source": "x-other",
    "trust_forwarded_host": False,
    "error_status_codes": frozenset({404}),
    "pass_through_path": "/queue/",
    "open_pass_through_path": False,
    "batch": "whole",
    "batch_concurrency": 1,
    "access_log": False,
    "compression": False,
    "context_headers": False,
}
CAN_BE_EMPTY = [
    *("base_path", "root_path", "text_media_types", "app", "authorization_source", "error_status_codes"),
    "pass_through_path",
]


def fields(settings: Settings) -> dict[str, Any]:
    return settings.values()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def test_the_defaults_change_nothing() -> None:
    assert fields(Settings()) == DEFAULTS


@pytest.mark.usefixtures("environ")
def test_the_environment_goes_over_the_defaults() -> None:
    assert fields(Settings()) == FROM_ENVIRON


@pytest.mark.usefixtures("environ")
@every_case("name", ARGUMENTS)
def test_an_argument_goes_over_the_environment_and_alone(name: str) -> None:
    assert fields(Settings(**{name: ARGUMENTS[name]})) == FROM_ENVIRON | {name: ARGUMENTS[name]}


@pytest.mark.usefixtures("environ")
@every_case("name", CAN_BE_EMPTY)
def test_an_empty_argument_goes_over_the_environment_too(name: str) -> None:
    assert fields(Settings(**{name: DEFAULTS[name]})) == FROM_ENVIRON | {name: DEFAULTS[name]}


def test_the_environment_is_read_at_construction_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings()
    monkeypatch.setenv("BRIDGE_STAGE", "strip")
    assert (before.stage, Settings().stage) == ("root_path", "strip")


KEPT: list[tuple[str, Any, Any]] = [
    *(
        (name, value, kept)
        for name in ("base_path", "root_path")
        for value, kept in [
            ("", ""),
            ("/", ""),
            (None, ""),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/api/v1", "/api/v1"),
            ("/caf\u00e9", "/caf\u00e9"),
            ("/a%20b", "/a%20b"),
        ]
    ),
    ("app", None, ""),
    ("app", "shop.web:site.app", "shop.web:site.app"),
    ("authorization_source", None, ""),
    ("authorization_source", "X-Auth-Token", "x-auth-token"),
    ("authorization_source", "!#$%&'*+.^_`|~0", "!#$%&'*+.^_`|~0"),
    *(
        ("error_status_codes", value, codes)
        for value, codes in [
            ("", set()),
            ("  ", set()),
            ((), set()),
            ("500", {500}),
            (" 500 ,\t502 ", {500, 502}),
            ("502 - 504", {502, 503, 504}),
            ("500,502-504,503", {500, 502, 503, 504}),
            ("404-404", {404}),
            ("100-599", set(range(100, 600))),
            (500, {500}),
            (["500-502", 404, "410"], {500, 501, 502, 404, 410}),
            (range(500, 503), {500, 501, 502}),
            (HTTPStatus.BAD_GATEWAY, {502}),
            ({HTTPStatus.NOT_FOUND}, {404}),
            ((code for code in (500, 501)), {500, 501}),
        ]
    ),
    # A star replaces a whole subtype, or leads a suffix.
    *(
        ("text_media_types", (value,), (value,))
        for value in ["text/*", "application/x-ndjson", "*/*+toml", "application/*+yaml", "application/vnd.a.b+json"]
    ),
    ("text_media_types", ["Application/X-NDJSON", "text/*"], ("application/x-ndjson", "text/*")),
    ("text_media_types", (value for value in ("text/a", "chemical/*")), ("text/a", "chemical/*")),
]


@every_case(("name", "value", "kept"), KEPT)
def test_a_valid_value_is_kept_in_one_form(name: str, value: Any, kept: Any) -> None:
    assert getattr(Settings(**{name: value}), name) == kept


# Each setting with its variable, the values that are refused, and what the error says is accepted.
REFUSED: list[tuple[str, str, list[Any], str]] = [
    *(
        (
            name,
            variable,
            ["api", "//", "//api", "/a//b", "/api//", "/a b", "/api?x", "/api#x", "/api\n", 5, b"/api"],
            "a path of whole segments",
        )
        for name, variable in [("base_path", "AWS_LWA_REMOVE_BASE_PATH"), ("root_path", "BRIDGE_ROOT_PATH")]
    ),
    ("stage", "BRIDGE_STAGE", ["Strip", "", "stage", None], "'root_path' or 'strip'"),
    ("mode", "BRIDGE_MODE", ["Proxy", "in_process", "", "inprocess", None, True], "'in-process' or 'proxy'"),
    ("app", "BRIDGE_APP", ["main", "main:", ":app", "main.app", "a b:app", 5], "a module and a name"),
    (
        "authorization_source",
        "AWS_LWA_AUTHORIZATION_SOURCE",
        ["x auth", "x:auth", " x", "x\n", "x\0", "x-\u00e9", "x,y", "(x)", 5, b"x", ["x"], 0, False],
        "the name of a header",
    ),
    (
        "error_status_codes",
        "AWS_LWA_ERROR_STATUS_CODES",
        [
            *["5xx", "abc", "-", ",", "500,", ",500", "500,,502", "500;502", "500-", "-500", "504-502", "500-502-504"],
            *["99", "600", "599-600", "0500", "+500", "500.0"],
            *("500 502", "5\n00", "\u0665\u0660\u0660"),
            *("1" * 5000, 0, -500, 1000, 500.0, True, None, b"500", [500, "abc"], [[500]], [""], object),
            *(b"x", bytearray(b"x")),
        ],
        "a list of status codes and ranges from 100 to 599",
    ),
    ("text_media_types", "BRIDGE_TEXT_MEDIA_TYPES", ["text/plain", 5, None], "a sequence of media types"),
    (
        "pass_through_path",
        "AWS_LWA_PASS_THROUGH_PATH",
        ["events", "//", "//events", "/a b", "/events?x", "/events#x", "/events\n", 5, b"/events"],
        "a path that starts with one slash",
    ),
    ("open_pass_through_path", "BRIDGE_OPEN_PASS_THROUGH_PATH", ["yes", "", 1, None], "'true' or 'false'"),
    (
        "websocket_path",
        "BRIDGE_WEBSOCKET_PATH",
        ["/", "/.", "/./", "/..", "/a/..", "/%2F", "/;a", "/%2e"],
        "a path that is not the root",
    ),
    ("websocket_path", "BRIDGE_WEBSOCKET_PATH", ["chat", "//", "//a", "/a b", "/a?b", 5], "a path of whole segments"),
    ("open_websocket_path", "BRIDGE_OPEN_WEBSOCKET_PATH", ["yes", "", 1, None], "'true' or 'false'"),
    ("batch", "BRIDGE_BATCH", ["per_record", "Whole", "", None, True], "'whole' or 'per-record'"),
    (
        "batch_concurrency",
        "BRIDGE_BATCH_CONCURRENCY",
        ["0", 0, -1, "-1", "1.5", 1.5, "ten", "", None, True, "\u0663", "1" * 5000],
        "a whole number above 0",
    ),
    ("access_log", "BRIDGE_ACCESS_LOG", ["yes", "1", "", 1, None], "'true' or 'false'"),
    ("compression", "AWS_LWA_ENABLE_COMPRESSION", ["yes", "1", "gzip", "", 1, None], "'true' or 'false'"),
]


@every_case(("name", "variable", "values", "accepted"), REFUSED)
def test_an_invalid_value_is_refused(name: str, variable: str, values: list[Any], accepted: str) -> None:
    for value in values:
        with pytest.raises(ConfigurationError) as caught:
            Settings(**{name: value})
        assert str(caught.value).startswith(f"The setting {name} ({variable}) is {value!r}; expected {accepted}")


def test_a_number_that_has_no_text_is_refused() -> None:
    for name in ("error_status_codes", "base_path"):
        with pytest.raises(ConfigurationError, match=f"The setting {name} .* is of type int; expected"):
            Settings(**cast("dict[str, Any]", {name: 10**5000}))


@every_case("value", ["text", "text/", "/plain", "*/*", "*", "text/plain; charset=utf-8", "te xt/plain", "", 5])
def test_an_invalid_media_type_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(text_media_types=("text/plain", value))
    assert f"text_media_types (BRIDGE_TEXT_MEDIA_TYPES) is {value!r}; expected 'type/subtype'" in str(caught.value)


@every_case(
    ("name", "value", "shown"),
    [
        ("AWS_LWA_REMOVE_BASE_PATH", "api", "'api'"),
        ("BRIDGE_STAGE", "", "''"),
        ("BRIDGE_TEXT_MEDIA_TYPES", "text/plain, text", "'text'"),
        ("AWS_LWA_ERROR_STATUS_CODES", "5xx", "'5xx'"),
    ],
)
def test_an_invalid_value_of_the_environment_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, shown: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(name, value)
        with pytest.raises(ConfigurationError) as caught:
            Settings()
    assert f"({name}) is {shown}; expected " in str(caught.value)


@every_case(
    ("value", "kept"), [("", ()), (" , ,", ()), ("text/a", ("text/a",)), (" text/a ,,text/b,", ("text/a", "text/b"))]
)
def test_media_types_in_the_environment_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, value: str, kept: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BRIDGE_TEXT_MEDIA_TYPES", value)
    assert Settings().text_media_types == kept


def test_the_old_name_of_a_variable_works_and_the_log_names_the_new_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REMOVE_BASE_PATH", "/old")
    settings_base._warn_of_deprecated.cache_clear()
    for _ in range(2):
        assert Settings().base_path == "/old"
    assert_logged(caplog, ("WARNING", "REMOVE_BASE_PATH is deprecated", "AWS_LWA_REMOVE_BASE_PATH"))


def test_blanks_around_a_value_in_the_environment_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_STAGE", " strip\n")
    monkeypatch.setenv("AWS_LWA_REMOVE_BASE_PATH", "\t/api ")
    assert (Settings().stage, Settings().base_path) == ("strip", "/api")


def test_the_new_name_of_a_variable_goes_over_the_old_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REMOVE_BASE_PATH", "/old")
    monkeypatch.setenv("AWS_LWA_REMOVE_BASE_PATH", "/new")
    assert Settings().base_path == "/new"
    assert_logged(caplog)


def test_settings_are_compared_by_value_and_can_be_keys() -> None:
    assert Settings(base_path="/api/") == Settings(base_path="/api")
    assert Settings(base_path="/api") != Settings()
    assert {Settings(): 1}[Settings()] == 1


def test_settings_take_keywords_only_and_none_but_their_own() -> None:
    with pytest.raises(TypeError):
        Settings("/api")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Settings(base="/api")  # type: ignore[call-arg]


def test_the_repr_shows_every_setting() -> None:
    assert repr(Settings(base_path="/api")) == (
        "Settings(base_path='/api', root_path='', stage='root_path', text_media_types=(), mode='in-process', "
        "app='', authorization_source='', trust_forwarded_host=False, error_status_codes=frozenset(), "
        "pass_through_path='', open_pass_through_path=False, websocket_path='', open_websocket_path=False, "
        "batch='whole', batch_concurrency=10, access_log=False, compression=False, context_headers=None)"
    )


@pytest.mark.parametrize(("value", "kind"), [({"stage": "strip"}, "dict"), ("strip", "str"), (Settings, "type")])
def test_a_handler_refuses_settings_of_another_type(value: Any, kind: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Bridge(sending(), settings=value)
    assert str(caught.value) == f"Expected settings to be a bridge.Settings, but got {kind}."


def test_a_subclass_adds_settings_and_an_unknown_one_is_an_error() -> None:
    class ShopSettings(Settings):
        shop: str = from_environment("SHOP", default="Main St")

    settings = ShopSettings(base_path="/api")
    assert (settings.base_path, settings.shop) == ("/api", "Main St")
    assert settings != Settings(base_path="/api")
    assert repr(settings).startswith("ShopSettings(base_path='/api', root_path='', ")
    with pytest.raises(AttributeError, match="frozen"):
        settings.stage = "strip"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del settings.shop
    with pytest.raises(TypeError, match=r"Expected OtherSettings\.stage to be declared with from_environment"):
        type("OtherSettings", (Settings,), {"stage": "strip"})
    with pytest.raises(TypeError, match="'bse_path'"):
        Settings(bse_path="/api")  # type: ignore[call-arg]
