"""What is read of the environment besides the settings: what Lambda says, and names that mean nothing here."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from bridge import Bridge, Handler, InProcessTransport, Proxy, Settings, settings_variables
from bridge.asgi.lifespan import TransportLifespan
from bridge.environment import Environment
from bridge.init_phase import Runtime
from bridge.proxy.settings import OriginSettings
from bridge.runtime.settings import RuntimeSettings, StartSettings
from bridge.settings import (
    asks_for_streams,
    child_environment,
    escapes_results,
    function_process,
    handler_name,
    in_lambda,
    initialization_type,
    trace_id,
    warn_of_unknown_variables,
)
from bridge.settings_variables import KNOWN, NOT_SUPPORTED
from tests.apps import sending
from tests.cases import every_case
from tests.logged import assert_logged


@every_case(
    ("environ", "expected"),
    [
        ({}, False),
        ({"AWS_LAMBDA_RUNTIME_API": ""}, False),
        ({"AWS_LAMBDA_FUNCTION_NAME": "shop"}, False),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, True),
    ],
)
def test_the_runtime_api_tells_a_lambda_environment(environ: dict[str, str], expected: bool) -> None:
    assert in_lambda(environ) is expected


def test_the_first_process_of_an_environment_is_the_functions() -> None:
    environ = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
    assert function_process(17, environ) == 17
    assert function_process(18, environ) == 17
    elsewhere = environ | {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9002"}  # an emulator that runs inside of a function
    assert function_process(18, elsewhere) == 18
    assert function_process(17, elsewhere) == 18


@every_case(
    ("name", "expected"),
    [
        ("AWS_Lambda_python3.11", True),
        ("AWS_Lambda_python3.9", True),
        ("AWS_Lambda_python3.12", False),
        ("AWS_Lambda_python3.14", False),
        ("AWS_Lambda_python3.16", False),
        ("AWS_Lambda_python3.x", True),
        ("", True),
    ],
)
def test_the_managed_runtime_tells_how_its_client_writes_results(name: str, expected: bool) -> None:
    in_lambda = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "AWS_EXECUTION_ENV": name}
    assert escapes_results(in_lambda) is expected
    assert escapes_results({"AWS_EXECUTION_ENV": name}) is False


@every_case(
    ("environ", "expected"),
    [
        ({}, ""),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": ""}, ""),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}, "snap-start"),
    ],
)
def test_the_initialization_type_is_lambdas_own_word(environ: dict[str, str], expected: str) -> None:
    assert initialization_type(environ) == expected


@every_case(
    ("mode", "expected"),
    [
        (None, False),
        ("", False),
        ("buffered", False),
        ("stream", False),
        ("response_stream", True),
        (" Response_Stream ", True),
    ],
)
def test_streams_are_asked_for_in_the_word_that_the_runtime_takes(mode: str | None, expected: bool) -> None:
    assert asks_for_streams({} if mode is None else {"AWS_LWA_INVOKE_MODE": mode}) is expected


@every_case(("environ", "expected"), [({}, ""), ({"_X_AMZN_TRACE_ID": "Root=1-a;Sampled=0"}, "Root=1-a;Sampled=0")])
def test_the_trace_id_is_that_of_the_invocation(environ: dict[str, str], expected: str) -> None:
    assert trace_id(environ) == expected


@every_case(
    ("handler", "name"),
    [
        (None, ""),
        ("", ""),
        ("handler", ""),
        ("main.handler", "main:handler"),
        ("shop/web/main.handler", "shop.web.main:handler"),
        ("shop.web:site.app", "shop.web:site.app"),
    ],
)
def test_the_handler_is_named_by_its_module_as_lambda_imports_it(handler: str | None, name: str) -> None:
    assert handler_name({} if handler is None else {"_HANDLER": handler}) == name


def test_a_child_gets_every_variable_except_those_that_start_a_handler_in_it() -> None:
    environ = {
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "BRIDGE_MODE": "proxy",
        "AWS_LAMBDA_FUNCTION_NAME": "shop",
        "PATH": "/bin",
        "EMPTY": "",
    }
    assert child_environment(environ) == {"AWS_LAMBDA_FUNCTION_NAME": "shop", "PATH": "/bin", "EMPTY": ""}
    assert not in_lambda(child_environment(environ))
    assert "AWS_LAMBDA_RUNTIME_API" in environ


@pytest.fixture
def _warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_variables, "_warned", set())


@pytest.mark.usefixtures("_warned")
@every_case(
    ("name", "facts"),
    [
        ("AWS_LWA_PROT", ["no such variable", "Did you mean AWS_LWA_PORT?"]),
        ("AWS_LWA_REMOVE_BASEPATH", ["Did you mean AWS_LWA_REMOVE_BASE_PATH?"]),
        ("AWS_LWA_PORT ", ["Did you mean AWS_LWA_PORT?"]),
        ("aws_lwa_port", ["Did you mean AWS_LWA_PORT?"]),
        ("AWS_LWAPORT", ["Did you mean AWS_LWA_PORT?"]),
        ("BRIDGE_STAGES", ["Did you mean BRIDGE_STAGE?"]),
        ("Bridge_Mode", ["Did you mean BRIDGE_MODE?"]),
        ("READINESS_CHECK_PROT", ["Did you mean AWS_LWA_READINESS_CHECK_PORT?"]),
        ("REMOVE_BASEPATH", ["Did you mean AWS_LWA_REMOVE_BASE_PATH?"]),
        ("BRIDGE_PORT", ["Did you mean AWS_LWA_PORT?"]),
        ("AWS_LWA_MODE", ["Did you mean BRIDGE_MODE?"]),
        ("AWS_LWA_FOO", ["no such variable", "documentation"]),
        ("AWS_LWA_", ["no such variable", "documentation"]),
        ("BRIDGE_OF_SIGHS", ["no such variable", "documentation", "another program"]),
        ("AWS_LWA_ENABLE_COMPRESION", ["Did you mean AWS_LWA_ENABLE_COMPRESSION?"]),
        ("AWS_LWA_ENABLE_TLS", ["not supported", "does not leave this machine"]),
        ("AWS_LWA_ENABLETLS", ["AWS_LWA_ENABLE_TLS", "not supported here", "does not leave this machine"]),
        ("BRIDGE_\nERROR forged" + 100_000 * "x", [r"BRIDGE_\nERROR forged"]),
    ],
)
def test_a_variable_that_means_nothing_here_is_named_with_advice(
    caplog: pytest.LogCaptureFixture, name: str, facts: list[str]
) -> None:
    warn_of_unknown_variables({name: "x", "PATH": "/bin"})
    assert_logged(caplog, ("WARNING", name[:7], "no effect", *facts))
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 400


@pytest.mark.usefixtures("_warned")
def test_each_is_named_once_in_a_process_and_others_are_not(caplog: pytest.LogCaptureFixture) -> None:
    others = [
        "AWS_LWA_PORT",
        "AWS_LAMBDA_X",
        "PORT",
        "HOST",
        "REMOVE_BASE_PATH",
        "ASYNC_INIT",
        "BRIDGE_MODE",
        "A_BRIDGE_",
    ]
    for names in (["BRIDGE_B", *others], ["BRIDGE_A", "BRIDGE_B"], others):
        warn_of_unknown_variables(dict.fromkeys(names, "x"))
    assert_logged(caplog, ("WARNING", "BRIDGE_B"), ("WARNING", "BRIDGE_A"))


@pytest.mark.usefixtures("_warned")
@every_case(
    "make",
    [
        lambda: Bridge(sending(), lifespan="off"),
        lambda: Handler(InProcessTransport(sending())),
        lambda: Proxy(url="http://127.0.0.1:9"),
    ],
)
def test_every_handler_warns(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, make: Callable[[], Handler]
) -> None:
    settings_variables._warned.clear()
    monkeypatch.setenv("BRIDGE_STAGES", "strip")
    make().close()
    assert_logged(caplog, ("WARNING", "BRIDGE_STAGES"))


@pytest.mark.usefixtures("_warned")
@every_case(
    ("environ", "arguments", "needed"),
    [
        ({"BRIDGE_APP": "main:app"}, {}, "BRIDGE_MODE=proxy"),
        ({"BRIDGE_BATCH_CONCURRENCY": "3"}, {}, "BRIDGE_BATCH=per-record"),
        ({"BRIDGE_BATCH_CONCURRENCY": "3", "BRIDGE_BATCH": "per-record"}, {}, None),
        ({"BRIDGE_BATCH_CONCURRENCY": "3"}, {"batch": "per-record"}, None),
        ({"BRIDGE_OPEN_PASS_THROUGH_PATH": "true"}, {}, "AWS_LWA_PASS_THROUGH_PATH"),
        ({"BRIDGE_OPEN_PASS_THROUGH_PATH": "true"}, {"pass_through_path": "/queue"}, None),
        ({"BRIDGE_OPEN_WEBSOCKET_PATH": "true"}, {}, "BRIDGE_WEBSOCKET_PATH"),
        ({"BRIDGE_WORKERS": "2"}, {}, "AWS_LAMBDA_MAX_CONCURRENCY"),
        ({"BRIDGE_WORKERS": "1"}, {}, None),
        ({"BRIDGE_WORKERS": "2", "AWS_LAMBDA_MAX_CONCURRENCY": "16"}, {}, None),
    ],
)
def test_a_variable_that_needs_another_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    environ: dict[str, str],
    arguments: dict[str, Any],
    needed: str | None,
) -> None:
    settings_variables._warned.clear()
    with monkeypatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        for _ in range(2):
            Bridge(sending(), lifespan="off", **arguments).close()
            Proxy(url="http://127.0.0.1:9", **arguments).close()
    lines = [] if needed is None else [("WARNING", next(iter(environ)), "no effect", needed)]
    assert_logged(caplog, *lines)


def test_a_variable_of_our_runtime_says_under_another_that_nothing_reads_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings_variables._warned.clear()
    environment = Environment(lambda: TransportLifespan(InProcessTransport(sending())))
    monkeypatch.setenv("BRIDGE_BACKGROUND_LIMIT", "30")
    monkeypatch.setenv("AWS_LWA_LAMBDA_RUNTIME_API_PROXY", "127.0.0.1:9009")
    environment.start_in_init_phase(Runtime(can_stream=True, startups=[]))
    assert_logged(caplog)
    for _ in range(2):
        environment.start_in_init_phase(Runtime(startups=[]))
    facts = ("no effect", "python -m bridge.runtime")
    assert_logged(
        caplog,
        ("WARNING", "AWS_LWA_LAMBDA_RUNTIME_API_PROXY", *facts),
        ("WARNING", "BRIDGE_BACKGROUND_LIMIT", *facts),
    )


def test_advice_is_imported_only_when_it_is_needed(run_python: Callable[..., Any]) -> None:
    code = "import sys, bridge; bridge.settings.warn_of_unknown_variables(); print('difflib' in sys.modules)"
    assert run_python(code, BRIDGE_STAGE="strip").stdout == "False\n"


def test_every_variable_that_is_read_is_known_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is read but not known would warn of itself; one that is known but not read would be silent."""
    read: list[str] = []

    class Environ(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.append(name)
            return default

    monkeypatch.setattr(os, "environ", Environ())
    Settings()
    OriginSettings()
    RuntimeSettings()
    StartSettings()
    general = {"HOST", "PORT"}  # which other programs read too
    assert {name for name in read if not name.startswith(("AWS_LAMBDA", "LAMBDA", "_"))} - general == KNOWN
    assert not KNOWN & NOT_SUPPORTED.keys()
