"""Settings as keyword arguments of every handler, and the arguments of other adapters."""

import typing
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest

from bridge import Bridge, Handler, Proxy, Settings
from bridge._advice import OTHERS
from bridge._settings_arguments import SettingsArguments
from bridge.errors import ConfigurationError
from bridge.proxy.settings import OriginSettings
from bridge.settings_base import from_environment
from tests.apps import sending
from tests.cases import every_case


class Shop(Bridge):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(sending(), **arguments)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


Make = Callable[..., Handler]
HANDLERS: list[Make] = [
    lambda **arguments: Bridge(sending(), **arguments),
    lambda **arguments: Bridge(wsgi, **arguments),
    lambda **arguments: Shop(**arguments),
    lambda **arguments: Handler(httpx.MockTransport(lambda _: httpx.Response(200)), **arguments),
    lambda **arguments: Proxy(url="http://127.0.0.1:9", **arguments),
]


def settings_of(make: Make, **arguments: Any) -> Settings:
    handler = make(**arguments)
    handler.close()
    return handler._parts.settings


@every_case("make", HANDLERS)
def test_an_argument_beats_the_environment_and_that_the_default(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    monkeypatch.setenv("AWS_LWA_REMOVE_BASE_PATH", "/environment")
    monkeypatch.setenv("BRIDGE_STAGE", "strip")
    from_argument = settings_of(make, base_path="/argument", compression=True)
    assert from_argument == Settings(base_path="/argument", stage="strip", compression=True)
    assert settings_of(make) == Settings(base_path="/environment", stage="strip")
    assert settings_of(make, base_path="") == Settings(base_path="", stage="strip")


@every_case("make", HANDLERS)
def test_an_argument_takes_the_place_of_what_the_settings_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setenv("BRIDGE_STAGE", "strip")
    monkeypatch.setenv("BRIDGE_ROOT_PATH", "/early")
    shared = Settings(compression=True)
    monkeypatch.setenv("BRIDGE_STAGE", "root_path")  # after they were made
    monkeypatch.setenv("BRIDGE_ROOT_PATH", "/late")
    assert settings_of(make, settings=shared) is shared
    combined = settings_of(make, settings=shared, base_path="/x")
    assert combined == Settings(compression=True, stage="strip", base_path="/x", root_path="/early")
    with pytest.raises(TypeError, match=r"setting compression is given twice: as an argument and in settings="):
        make(settings=shared, compression=True)
    with pytest.raises(TypeError, match=r"setting base_path is given twice"):
        make(settings=combined, base_path="/x", compression=False)


@every_case("make", HANDLERS)
def test_an_argument_is_checked_as_a_setting_is(make: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"base_path \(AWS_LWA_REMOVE_BASE_PATH\) is 'api'; expected"):
        make(base_path="api")
    with pytest.raises(ConfigurationError, match=r"Expected settings to be a bridge.Settings, but got dict"):
        make(settings={}, base_path="/api")


@every_case("make", HANDLERS)
def test_settings_of_ones_own_are_arguments_beside_them(make: Make) -> None:
    class ShopSettings(Settings):
        shop: str = from_environment("SHOP", default="Main St")

    combined = settings_of(make, settings=ShopSettings(), shop="Side St")
    assert combined == ShopSettings(shop="Side St")
    with pytest.raises(TypeError, match="'shop'"):
        make(shop="Side St")


@every_case(
    ("argument", "advice"),
    [
        ("base_pth", "Did you mean base_path?"),
        ("batch_concurency", "Did you mean batch_concurrency?"),
        ("setting", "Did you mean settings?"),
        ("source", "Did you mean sources?"),
        ("x" * 100_000, "Expected one of a"),
        *((name, OTHERS[name]) for name in ("api_gateway_base_path", "text_mime_types", "custom_handlers")),
        *((name, OTHERS[name]) for name in ("exclude_headers", "binary_support", "non_binary_content_type_prefixes")),
    ],
)
def test_an_unknown_argument_is_an_error_with_advice(argument: str, advice: str) -> None:
    for make in HANDLERS:
        with pytest.raises(TypeError) as caught:
            make(**{argument: "x"})
        name = type(make()).__name__
        assert str(caught.value).startswith(f"{name}() got an unexpected keyword argument {argument!r}. {advice}")


def test_an_argument_of_another_handler_says_whose_it_is() -> None:
    for name in ("lifespan", "interface", "snapshot"):
        for make in HANDLERS[3:]:
            with pytest.raises(TypeError, match=f"'{name}'. Only Bridge has it"):
                make(**{name: "off"})
    for name in ("command", "port", "uds"):
        with pytest.raises(TypeError, match=f"'{name}'. Only Proxy has it"):
            HANDLERS[0](**{name: "8080"})


def test_settings_give_the_same_advice() -> None:
    with pytest.raises(TypeError, match=r"Settings has no setting named 'base_pth'. Did you mean base_path\?"):
        Settings(base_pth="/x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"text_media_types"):
        Settings(text_mime_types=[])  # type: ignore[call-arg]


def test_every_piece_of_advice_names_something_that_exists_and_is_not_needed_where_it_does() -> None:
    of_proxy = {name for name, text in OTHERS.items() if "Proxy" in text}
    assert of_proxy <= {*OriginSettings.names(), "command", "url"}
    assert OTHERS.keys() & set(Settings.names()) == set()


def test_type_checkers_know_each_setting_as_an_argument() -> None:
    hints = typing.get_type_hints(Settings)
    in_bridge = {"app": str}  # whose argument of that name is the application
    wider = {"text_media_types": Iterable[str], "error_status_codes": str | Iterable[int]}  # what the checks accept
    expected = {name: hints[name] for name in Settings.names()} | wider
    assert typing.get_type_hints(SettingsArguments) | in_bridge == expected
    with pytest.raises(TypeError):
        Bridge(sending(), base_pth="/x")  # type: ignore[call-arg]  # which mypy sees too
    with pytest.raises(ConfigurationError):
        Handler(httpx.MockTransport(lambda _: httpx.Response(200)), compression="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        Proxy(stage="x")  # type: ignore[arg-type]
