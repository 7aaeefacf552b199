"""Settings: from arguments, else from the environment, else the defaults; never a silent repair."""

from http import HTTPStatus
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import Receive, Scope, Send
from bridge.errors import ConfigurationError
from bridge.settings import from_environment

DEFAULTS: dict[str, Any] = {
    "base_path": "",
    "root_path": "",
    "stage": "root_path",
    "text_media_types": (),
    "mode": "in-process",
    "app": "",
    "authorization_source": "",
    "error_status_codes": frozenset(),
}
ENVIRON = {
    "AWS_LWA_REMOVE_BASE_PATH": "/api",
    "BRIDGE_ROOT_PATH": "/v1/shop",
    "BRIDGE_STAGE": "strip",
    "BRIDGE_TEXT_MEDIA_TYPES": "application/x-ndjson, chemical/*",
    "BRIDGE_MODE": "proxy",
    "BRIDGE_APP": "main:app",
    "AWS_LWA_AUTHORIZATION_SOURCE": "X-Auth-Token",
    "AWS_LWA_ERROR_STATUS_CODES": "500, 502-504",
}
FROM_ENVIRON = {
    "base_path": "/api",
    "root_path": "/v1/shop",
    "stage": "strip",
    "text_media_types": ("application/x-ndjson", "chemical/*"),
    "mode": "proxy",
    "app": "main:app",
    "authorization_source": "x-auth-token",
    "error_status_codes": frozenset({500, 502, 503, 504}),
}
ARGUMENTS: dict[str, Any] = {
    "base_path": "/other",
    "root_path": "/mounted",
    "stage": "root_path",
    "text_media_types": ("application/cbor-diag",),
    "mode": "in-process",
    "app": "shop.web:site.app",
    "authorization_source": "x-other",
    "error_status_codes": frozenset({404}),
}
CAN_BE_EMPTY = ["base_path", "root_path", "text_media_types", "app", "authorization_source", "error_status_codes"]
CODES = "error_status_codes (AWS_LWA_ERROR_STATUS_CODES)"


def fields(settings: Settings) -> dict[str, Any]:
    return vars(settings)


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
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_goes_over_the_environment_and_alone(name: str) -> None:
    assert fields(Settings(**{name: ARGUMENTS[name]})) == FROM_ENVIRON | {name: ARGUMENTS[name]}


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("name", CAN_BE_EMPTY)
def test_an_empty_argument_goes_over_the_environment_too(name: str) -> None:
    assert fields(Settings(**{name: DEFAULTS[name]})) == FROM_ENVIRON | {name: DEFAULTS[name]}


def test_the_environment_is_read_at_construction_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings()
    monkeypatch.setenv("BRIDGE_STAGE", "strip")
    assert (before.stage, Settings().stage) == ("root_path", "strip")


@pytest.mark.parametrize("name", ["base_path", "root_path"])
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("", ""),
        ("/", ""),
        (None, ""),
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/api/v1", "/api/v1"),
        ("/caf\u00e9", "/caf\u00e9"),
        ("/a%20b", "/a%20b"),
    ],
)
def test_a_prefix_is_whole_segments_without_a_slash_at_the_end(name: str, value: Any, kept: str) -> None:
    assert getattr(Settings(**{name: value}), name) == kept


@pytest.mark.parametrize(
    ("name", "shown"),
    [("base_path", "base_path (AWS_LWA_REMOVE_BASE_PATH)"), ("root_path", "root_path (BRIDGE_ROOT_PATH)")],
)
@pytest.mark.parametrize(
    "value", ["api", "//", "//api", "/a//b", "/api//", "/a b", "/api?x", "/api#x", "/api\n", 5, b"/api"]
)
def test_a_prefix_that_makes_no_sense_is_refused(name: str, shown: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**{name: value})
    assert str(caught.value) == (
        f"The setting {shown} is {value!r}; expected a path of whole segments that starts with a slash, such as '/api'."
    )


@pytest.mark.parametrize("value", ["Strip", "", "stage", None])
def test_an_unknown_stage_mode_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(stage=value)
    assert str(caught.value) == f"The setting stage (BRIDGE_STAGE) is {value!r}; expected 'root_path' or 'strip'."


@pytest.mark.parametrize("value", ["Proxy", "in_process", "", "inprocess", None, True])
def test_an_unknown_mode_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(mode=value)
    assert str(caught.value) == f"The setting mode (BRIDGE_MODE) is {value!r}; expected 'in-process' or 'proxy'."


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("", ""),
        (None, ""),
        ("auth-token", "auth-token"),
        ("X-Auth-Token", "x-auth-token"),
        ("!#$%&'*+.^_`|~0", "!#$%&'*+.^_`|~0"),
    ],
)
def test_the_source_of_authorization_is_a_header_name_in_lower_case(value: Any, kept: str) -> None:
    assert Settings(authorization_source=value).authorization_source == kept


@pytest.mark.parametrize(
    "value", ["x auth", "x:auth", " x", "x\n", "x\0", "x-\u00e9", "x,y", "(x)", 5, b"x", ["x"], 0, False]
)
def test_a_source_of_authorization_that_is_no_header_name_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(authorization_source=value)
    assert str(caught.value) == (
        f"The setting authorization_source (AWS_LWA_AUTHORIZATION_SOURCE) is {value!r}; expected the name of a header."
    )


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("", set()),
        ("  ", set()),
        ((), set()),
        ("500", {500}),
        ("500,502", {500, 502}),
        (" 500 ,\t502 ", {500, 502}),
        ("502-504", {502, 503, 504}),
        ("502 - 504", {502, 503, 504}),
        ("500,502-504,503", {500, 502, 503, 504}),
        ("404-404", {404}),
        ("100-599", set(range(100, 600))),
        (500, {500}),
        ([500, 404], {500, 404}),
        (["500-502", 404, "410"], {500, 501, 502, 404, 410}),
        (range(500, 503), {500, 501, 502}),
        (HTTPStatus.BAD_GATEWAY, {502}),
        ({HTTPStatus.NOT_FOUND}, {404}),
        ((code for code in (500, 501)), {500, 501}),
    ],
)
def test_status_codes_are_a_list_of_codes_and_ranges(value: Any, codes: set[int]) -> None:
    assert Settings(error_status_codes=value).error_status_codes == codes


@pytest.mark.parametrize(
    "value",
    [
        "5xx",
        "abc",
        "-",
        ",",
        "500,",
        ",500",
        "500,,502",
        "500;502",
        "500 502",
        "500-",
        "-500",
        "504-502",
        "500-502-504",
        "99",
        "600",
        "599-600",
        "0500",
        "+500",
        "500.0",
        "5\n00",
        "\u0665\u0660\u0660",
        "1" * 5000,
        0,
        -500,
        1000,
        500.0,
        True,
        None,
        b"500",
        [500, "abc"],
        [[500]],
        [""],
        object,
    ],
)
def test_status_codes_that_make_no_sense_are_refused_all_together(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(error_status_codes=value)
    assert str(caught.value) == (
        f"The setting {CODES} is {value!r}; expected a list of status codes and ranges from 100 to 599, "
        "such as '404,500-599'."
    )


@pytest.mark.parametrize(
    "value", ["text/*", "application/x-ndjson", "*/*+toml", "application/*+yaml", "application/vnd.a.b+json"]
)
def test_a_media_type_may_have_a_star_for_a_whole_subtype_or_before_a_suffix(value: str) -> None:
    assert Settings(text_media_types=(value,)).text_media_types == (value,)


def test_media_types_are_kept_in_lower_case_as_a_tuple() -> None:
    given: Any = ["Application/X-NDJSON", "text/*"]
    assert Settings(text_media_types=given).text_media_types == ("application/x-ndjson", "text/*")


def test_media_types_may_come_from_anything_that_yields_them_once() -> None:
    given: Any = (value for value in ("application/x-ndjson", "chemical/*"))
    assert Settings(text_media_types=given).text_media_types == ("application/x-ndjson", "chemical/*")


@pytest.mark.parametrize(
    "value", ["text", "text/", "/plain", "*/*", "*", "text/plain; charset=utf-8", "te xt/plain", "", 5]
)
def test_a_media_type_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(text_media_types=("text/plain", value))
    assert str(caught.value) == (
        f"The setting text_media_types (BRIDGE_TEXT_MEDIA_TYPES) is {value!r}; "
        "expected 'type/subtype', 'type/*' or '*/*+suffix', without parameters."
    )


@pytest.mark.parametrize("value", ["text/plain", 5, None])
def test_media_types_that_are_no_sequence_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(text_media_types=value)
    assert str(caught.value) == (
        f"The setting text_media_types (BRIDGE_TEXT_MEDIA_TYPES) is {value!r}; "
        "expected a sequence of media types, such as ['application/x-ndjson']."
    )


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("AWS_LWA_REMOVE_BASE_PATH", "api", "'api'"),
        ("BRIDGE_ROOT_PATH", "v1", "'v1'"),
        ("BRIDGE_STAGE", "STRIP", "'STRIP'"),
        ("BRIDGE_STAGE", "", "''"),
        ("BRIDGE_TEXT_MEDIA_TYPES", "text/plain, text", "'text'"),
        ("BRIDGE_MODE", "Proxy", "'Proxy'"),
        ("BRIDGE_MODE", "", "''"),
        ("AWS_LWA_AUTHORIZATION_SOURCE", "x auth", "'x auth'"),
        ("AWS_LWA_ERROR_STATUS_CODES", "5xx", "'5xx'"),
    ],
)
def test_a_value_of_the_environment_that_makes_no_sense_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert f"({name}) is {shown}; expected " in str(caught.value)


@pytest.mark.parametrize(
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
    assert Settings().base_path == "/old"
    assert caplog.messages == ["REMOVE_BASE_PATH is deprecated: use AWS_LWA_REMOVE_BASE_PATH instead."]


def test_the_new_name_of_a_variable_goes_over_the_old_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REMOVE_BASE_PATH", "/old")
    monkeypatch.setenv("AWS_LWA_REMOVE_BASE_PATH", "/new")
    assert Settings().base_path == "/new"
    assert caplog.messages == []


def test_settings_are_compared_by_value_and_can_be_keys() -> None:
    assert Settings(base_path="/api/") == Settings(base_path="/api")
    assert Settings(base_path="/api") != Settings()
    assert {Settings(): 1}[Settings()] == 1


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(AttributeError, match="frozen"):
        settings.stage = "strip"  # type: ignore[misc]


def test_settings_take_keywords_only_and_none_but_their_own() -> None:
    with pytest.raises(TypeError):
        Settings("/api")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Settings(base="/api")  # type: ignore[call-arg]


def test_the_repr_shows_every_setting() -> None:
    assert repr(Settings(base_path="/api")) == (
        "Settings(base_path='/api', root_path='', stage='root_path', text_media_types=(), mode='in-process', "
        "app='', authorization_source='', error_status_codes=frozenset())"
    )


@pytest.mark.parametrize(("value", "kind"), [({"stage": "strip"}, "dict"), ("strip", "str"), (Settings, "type")])
def test_a_handler_refuses_settings_of_another_type(value: Any, kind: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Never called."""

    with pytest.raises(ConfigurationError) as caught:
        Bridge(app, settings=value)
    assert str(caught.value) == f"Expected settings to be a bridge.Settings, but got {kind}."


def test_a_subclass_adds_settings_and_an_unknown_one_is_an_error() -> None:
    class ShopSettings(Settings):
        shop: str = from_environment("SHOP", default="Main St")

    settings = ShopSettings(base_path="/api")
    assert (settings.base_path, settings.shop) == ("/api", "Main St")
    assert settings != Settings(base_path="/api")
    assert repr(settings).startswith("ShopSettings(base_path='/api', root_path='', ")
    with pytest.raises(AttributeError, match="frozen"):
        del settings.shop
    with pytest.raises(TypeError, match="'bse_path'"):
        Settings(bse_path="/api")  # type: ignore[call-arg]
