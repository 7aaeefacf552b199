"""The runtime's settings: their defaults, the accepted values of variables, and errors that name the variable."""

import os

import pytest

from bridge.errors import ConfigurationError
from bridge.runtime.context import Function
from bridge.runtime.settings import RuntimeSettings, StartSettings

ACCEPTED = [
    ("_HANDLER", "main.app", "handler", "main.app"),
    ("LAMBDA_TASK_ROOT", "/var/task", "task_root", "/var/task"),
    ("LAMBDA_RUNTIME_DIR", "/var/runtime", "runtime_dir", "/var/runtime"),
    ("AWS_LWA_INVOKE_MODE", "buffered", "invoke_mode", "buffered"),
    ("AWS_LWA_INVOKE_MODE", " RESPONSE_STREAM ", "invoke_mode", "response_stream"),
    ("AWS_LAMBDA_MAX_CONCURRENCY", "16", "max_concurrency", 16),
    ("BRIDGE_WORKERS", " 4 ", "workers", 4),
    ("BRIDGE_DEADLINE_MARGIN", "0", "deadline_margin", 0.0),
    ("BRIDGE_DEADLINE_MARGIN", "1500.5", "deadline_margin", 1.5005),
    ("BRIDGE_BACKGROUND_LIMIT", "0", "background_limit", 0.0),
    ("BRIDGE_BACKGROUND_LIMIT", "2.5", "background_limit", 2.5),
    ("BRIDGE_EXTENSION", "auto", "extension", "auto"),
    ("BRIDGE_EXTENSION", "On", "extension", "on"),
    ("BRIDGE_EXTENSION", "off", "extension", "off"),
    ("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", "/run/log", "log_socket", "/run/log"),
]

MODES = "'buffered' or 'response_stream'"
WHOLE = "a whole number, 1 or more"

REFUSED = [
    *(("invoke_mode (AWS_LWA_INVOKE_MODE)", value, MODES) for value in ("stream", "", "response-stream")),
    *(
        (name, value, WHOLE)
        for name in ("max_concurrency (AWS_LAMBDA_MAX_CONCURRENCY)", "workers (BRIDGE_WORKERS)")
        for value in ("0", "-1", "", "1.5", "two", "1_0", "\u0661", "1e3", "9999999")
    ),
    *(
        ("deadline_margin (BRIDGE_DEADLINE_MARGIN)", value, "a number of milliseconds, such as '250'")
        for value in ("-1", "", "250ms", "nan", "inf", "1e3", ".5", "1234567890", "\u0662")
    ),
    *(
        ("background_limit (BRIDGE_BACKGROUND_LIMIT)", value, "a number of seconds, such as '30'")
        for value in ("-1", "", "30s", "inf")
    ),
    *(("extension (BRIDGE_EXTENSION)", value, "'auto', 'on' or 'off'") for value in ("yes", "", "1")),
]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_without_any_variable_everything_has_its_default() -> None:
    assert RuntimeSettings() == RuntimeSettings(
        handler="",
        task_root="",
        runtime_dir="",
        invoke_mode="buffered",
        max_concurrency=1,
        workers=1,
        deadline_margin=0.25,
        background_limit=None,
        extension="auto",
        log_socket="",
    )


def test_a_variable_sets_its_field_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    default = RuntimeSettings().values()
    for variable, value, name, expected in ACCEPTED:
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            changed = RuntimeSettings().values()
        assert changed == default | {name: expected}
        assert type(changed[name]) is type(expected)


def test_an_invalid_value_is_an_error_that_names_variable_value_and_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value, accepted in REFUSED:
        with monkeypatch.context() as patch:
            patch.setenv(name.partition("(")[2].rstrip(")"), value)
            with pytest.raises(ConfigurationError) as caught:
                RuntimeSettings()
        assert [fact for fact in (name, repr(value), accepted) if fact not in str(caught.value)] == []


def test_the_function_is_what_lambda_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(Function().values().values()) == {None}
    for name in ("FUNCTION_NAME", "FUNCTION_VERSION", "FUNCTION_MEMORY_SIZE", "LOG_GROUP_NAME", "LOG_STREAM_NAME"):
        monkeypatch.setenv(f"AWS_LAMBDA_{name}", f"its {name}")
    assert Function() == Function(
        name="its FUNCTION_NAME",
        version="its FUNCTION_VERSION",
        memory_limit_in_mb="its FUNCTION_MEMORY_SIZE",
        log_group_name="its LOG_GROUP_NAME",
        log_stream_name="its LOG_STREAM_NAME",
    )


def test_the_start_is_as_lambda_says_and_children_get_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert StartSettings() == StartSettings(runtime_api="", log_format="", log_level="", telemetry_fd=None)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    monkeypatch.setenv("AWS_LAMBDA_LOG_FORMAT", "JSON")
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "DEBUG")
    for descriptor, expected in (("", None), ("x", None), ("-1", None), ("9" * 5000, None), ("\u0667", None), ("7", 7)):
        monkeypatch.setenv("_LAMBDA_TELEMETRY_LOG_FD", descriptor)
        assert StartSettings() == StartSettings(
            runtime_api="127.0.0.1:9001", log_format="JSON", log_level="DEBUG", telemetry_fd=expected
        )
        assert "_LAMBDA_TELEMETRY_LOG_FD" not in os.environ
