"""`python -m bridge.runtime` under AWS's own Runtime Interface Emulator, one invocation at a time, called by boto3.

Here is what only the emulator can show; the rest is tested with our double of the Runtime API. The emulator collects a
stream before it hands it over, and hands an answer over when the next invocation is asked for.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.events import load
from tests.integration.conftest import StartEmulator
from tests.integration.emulated import LIMIT, PLAIN_TEXT, STREAMS, buffered, request, streamed
from tests.integration.emulator_process import FUNCTIONS
from tests.integration.rie import Emulator

RUNTIME = [sys.executable, "-m", "bridge.runtime"]

TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
CONTEXT = {"custom": {"basket": "42"}}

# One environment for the tests of a module that leave it as they found it.
Share = Callable[..., Emulator]


@pytest.fixture(scope="module")
def share(emulator_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    """`share("module:attribute", VARIABLE="value")`: an environment that was started before, or is now."""
    emulators: dict[object, Emulator] = {}

    def get(handler: str, **environ: str) -> Emulator:
        key = handler, *environ.items()
        if key not in emulators:
            journal = tmp_path_factory.mktemp("shared") / "journal"
            emulator = Emulator(emulator_binary, "", journal, environ, command=[*RUNTIME, handler])
            emulators[key] = emulator.__enter__()
        return emulators[key]

    yield get
    for emulator in emulators.values():
        emulator.stop()


@pytest.fixture
def market(share: Share) -> Emulator:
    return share("market:app")


@pytest.fixture
def streaming(share: Share) -> Emulator:
    return share("market:app", **STREAMS)


both_functions = pytest.mark.parametrize("name", ["plain", "asynchronous"])


def look(emulator: Emulator, name: str = "customer", **about: Any) -> dict[str, Any]:
    """Return the market's report of an invocation."""
    status, result = emulator.invoke(request("GET", "/look", f"name={name}"), **about)
    assert (status, result["statusCode"]) == (200, 200)
    seen: dict[str, Any] = json.loads(result["body"])
    return seen


def line_of_log(emulator: Emulator, end: str) -> str:
    """Return the line that ends so, once it is there whole."""
    log = emulator.wait_for_log(f"{end}\n")
    return next(line for line in log.split("\n") if line.endswith(end))


# An application.


def test_application_knows_of_its_invocation_what_the_emulator_passes_on(market: Emulator) -> None:
    seen = look(market, "first", client_context=CONTEXT, trace_id=TRACE, tenant_id="blue")

    assert seen == {
        "name": "first",
        "process": market.runtime_pid(),
        "id": seen["id"],
        "custom": CONTEXT["custom"],
        "trace": None,  # The emulator keeps it to itself in this mode.
        "tenant": "blue",
    }
    level, time, *rest = line_of_log(market, f"\t{seen['id']}\tlooking for first").split("\t")
    assert (level, rest) == ("[WARNING]", [seen["id"], "looking for first"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert f"START RequestId: {seen['id']} " in market.log()


def test_result_of_the_largest_size_comes_whole_and_one_byte_more_is_a_500(market: Emulator) -> None:
    around = len(json.dumps(buffered(200, "x" * 1_000_000), separators=(",", ":"))) - 1_000_000
    largest = LIMIT - around  # content-length has seven digits in either

    whole = market.exchange(request("GET", "/fill", f"size={largest}"))
    refused = market.invoke(request("GET", "/fill", f"size={largest + 1}"))

    assert (len(whole.body), json.loads(whole.body)) == (LIMIT, buffered(200, "x" * largest))
    assert (refused.payload["statusCode"], str(LIMIT + 1) in refused.payload["body"]) == (500, True)
    assert look(market)["process"] == market.runtime_pid()


@pytest.mark.parametrize(("extension", "end"), [("auto", ["shutdown"]), ("off", [])])
def test_end_of_the_environment_reaches_the_application_through_the_extension(
    start_emulator: StartEmulator, extension: str, end: list[str]
) -> None:
    emulator = start_emulator(command=[*RUNTIME, "market:app"], BRIDGE_EXTENSION=extension)
    look(emulator)

    emulator.stop()

    assert emulator.journal() == ["startup", *end]


# Handler functions.


@both_functions
def test_handler_function_is_called_and_its_errors_have_their_class_and_its_stack(share: Share, name: str) -> None:
    emulator = share(f"handlers.{name}")

    seen = emulator.invoke({"name": "café"}, client_context=CONTEXT, trace_id=TRACE, tenant_id="blue").payload
    status, error = emulator.invoke({"fails": "no stock"})
    _, too_large = emulator.invoke({"size": LIMIT - len('""') + 1})

    assert seen == {
        "name": "café",
        "process": emulator.runtime_pid(),
        "thread": seen["thread"],
        "id": seen["id"],
        "custom": CONTEXT["custom"],
        "tenant": "blue",
        "current": [seen["id"], ""],
        "trace": None,
    }
    assert line_of_log(emulator, f"\t{seen['id']}\tworking for café").startswith("[WARNING]\t")
    assert (status, error["errorType"], error["errorMessage"]) == (200, "LookupError", "no stock")
    assert [re.findall(r'File "(.*)", line \d+, in (\S+)', line) for line in error["stackTrace"]] == [
        [(str(FUNCTIONS / "handlers.py"), name)],
        [(str(FUNCTIONS / "handlers.py"), "_result")],
    ]
    assert too_large["errorType"] == "Function.ResponseSizeTooLarge"


# Streams.

PARTS = streamed(b"one and \0 two", 202, {"content-type": PLAIN_TEXT}, "basket=1; Path=/; SameSite=lax")


def test_stream_is_a_prelude_then_nul_bytes_and_the_body_as_it_is(streaming: Emulator) -> None:
    rest_api = load(
        "rest_api",
        path="/stream",
        httpMethod="GET",
        multiValueQueryStringParameters={"end": ["whole"]},
        queryStringParameters={"end": "whole"},
        body=None,
    )
    assert streaming.exchange(rest_api).body == PARTS
    assert streaming.exchange(request("GET", "/nothing")).body == streamed(b"", 204, {"x-shelf": "empty"})
    # Of the error in the trailers the emulator tells nothing in this mode.
    for end in ("fails", "whole"):
        assert streaming.exchange(request("GET", "/stream", f"end={end}")).body == PARTS
    streaming.wait_for_log("[ERROR] ValueError: the shelf is empty")
