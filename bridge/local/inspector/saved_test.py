"""An invocation as a test: a pytest function, and the file of its event."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pprint import pformat

from bridge.local.inspector.json_text import parsed
from bridge.local.inspector.responses import body_of
from bridge.local.invocation import Invocation
from bridge.local.settings import AnySource, FunctionSettings
from bridge.testing.messages import ClientRequest, ClientResponse, values_of

__all__ = ["SavedTest", "saved_test"]

# A longer body would hide what the test is about: its length is compared instead. In bytes.
_MAX_BODY = 2000

# What httpx computes itself.
_COMPUTED = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True)
class SavedTest:
    """`name`: of both files, without what they end in."""

    name: str
    code: str
    event: str


def saved_test(invocation: Invocation, function: FunctionSettings, sources: tuple[AnySource, ...] = ()) -> SavedTest:
    """Return the test of what an invocation did."""
    name = _name(invocation)
    event, is_json = parsed(invocation.event)
    text = json.dumps(event, indent=2) if is_json else invocation.event.decode("utf-8", "replace")
    if invocation.request is None:
        code = _event_test(name, invocation, function)
    else:
        code = _request_test(name, invocation, invocation.request, function, sources)
    return SavedTest(name, code, text + "\n")


def _name(invocation: Invocation) -> str:
    request = invocation.request
    words = f"{request.method} {request.path}" if request else "event"
    return f"test_{re.sub(r'[^a-z0-9]+', '_', words.lower()).strip('_')[:60] or 'request'}"


def _request_test(
    name: str,
    invocation: Invocation,
    request: ClientRequest,
    function: FunctionSettings,
    sources: tuple[AnySource, ...],
) -> str:
    options = _options(invocation, function, sources)
    url = f"{request.scheme}://{request.host or 'localhost'}{request.target}"
    headers = [pair for pair in request.headers if pair[0].lower() not in _COMPUTED]
    content = f"        content={request.body!r},\n" if request.body else ""
    return f"""import httpx

from bridge.cli.loading import load_target
from bridge.testing import LambdaTransport


def {name}() -> None:
    transport = LambdaTransport(load_target({function.target!r}), {invocation.source!r}{options})
    request = httpx.Request(
        {request.method!r},
        {url!r},
        headers=[
{"".join(f"            {pair!r},{chr(10)}" for pair in headers)}        ],
{content}        extensions={{"target": {request.target.encode("latin-1", "replace")!r}}},
    )
    with httpx.Client(transport=transport) as client:
        response = client.send(request)
{_assertions(invocation)}"""


def _options(invocation: Invocation, function: FunctionSettings, sources: tuple[AnySource, ...]) -> str:
    source = next((source for source in sources if source.name == invocation.source), None)
    stage = f", stage={source.stage!r}" if source and source.stage else ""
    is_streamed = invocation.is_streamed and (source is None or source.is_streamed) and function.is_streamed
    return stage + (", stream=True" if is_streamed else "")


def _assertions(invocation: Invocation) -> str:
    response = invocation.response
    if response is None:
        return "    assert response.status_code == 200  # The response was not known when this test was saved.\n"
    lines = [f"    assert response.status_code == {response.status}", *_body_assertions(invocation, response)]
    return "\n".join(lines) + "\n"


def _body_assertions(invocation: Invocation, response: ClientResponse) -> list[str]:
    body, is_whole = body_of(invocation)
    if not is_whole or invocation.request is None or invocation.request.method == "HEAD":
        return []
    lines = [f"    assert response.headers[{name!r}] == {value!r}" for name, value in _typed(response)]
    if values_of(response.headers, "content-encoding"):
        return lines
    if len(body) > _MAX_BODY:
        return [*lines, f"    assert len(response.content) == {len(body)}"]
    value, is_json = parsed(body)
    if is_json and body and any("json" in kind for _, kind in _typed(response)):
        return [*lines, f"    assert response.json() == {_folded(value, 4)}"]
    return [*lines, f"    assert response.content == {body!r}"]


def _typed(response: ClientResponse) -> list[tuple[str, str]]:
    return [("content-type", value) for value in values_of(response.headers, "content-type")[:1]]


def _event_test(name: str, invocation: Invocation, function: FunctionSettings) -> str:
    result, is_json = parsed(invocation.result)
    has_result = is_json and invocation.failure is None and len(invocation.result) <= _MAX_BODY
    check = f"    assert result == {_folded(result, 4)}\n" if has_result else "    assert result is not None\n"
    return f"""import json
from pathlib import Path

from bridge.cli.loading import load_target
from bridge.testing import LambdaContext


def {name}() -> None:
    event = json.loads(Path(__file__).with_name("{name}.json").read_text(encoding="utf-8"))
    result = load_target({function.target!r})(event, LambdaContext())
{check}"""


def _folded(value: object, indent: int) -> str:
    """Return the value as Python writes it, over several lines if it is long."""
    return pformat(value, width=100, sort_dicts=False).replace("\n", "\n" + " " * indent)
