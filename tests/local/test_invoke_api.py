"""The invoke API: what it takes from a caller, and what it refuses."""

import asyncio
import base64

import httpx
import pytest
from starlette.applications import Starlette

from bridge.local.answer import Answer
from bridge.local.invocation import Invocation
from bridge.local.invoke_api import invoke_routes
from tests.cases import every_case

PATH = "/2015-03-31/functions/function/invocations"
DEEP = "[" * 100_000 + "]" * 100_000


def posted(content: bytes, context: str = "") -> tuple[httpx.Response, list[Invocation]]:
    """Return the answer to an event, and the invocations that came of it. `context`: of the client, in base64."""
    seen: list[Invocation] = []

    def submit(invocation: Invocation) -> Answer:
        seen.append(invocation)
        answer = Answer(invocation, lambda _: None)
        answer.finish()
        return answer

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=invoke_routes("function", submit)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(PATH, content=content, headers={"x-amz-client-context": context})

    return asyncio.run(post()), seen


@every_case(
    ("text", "value"),
    [
        ("", ""),
        ('{"client": {}}', '{"client": {}}'),
        ('{\n"name": "日本 é"\r\n}', '{"name": "\\u65e5\\u672c \\u00e9"}'),
    ],
)
def test_a_client_context_can_be_a_header(text: str, value: str) -> None:
    response, seen = posted(b"{}", base64.b64encode(text.encode()).decode())
    assert (response.status_code, seen[0].client_context) == (200, value)


@pytest.mark.parametrize("event", [b"{", b"\xff", DEEP.encode()], ids=["broken", "not UTF-8", "too deep"])
def test_what_is_not_an_event(event: bytes) -> None:
    response, seen = posted(event)
    assert (response.status_code, seen) == (400, [])
    assert response.headers["x-amzn-errortype"] == "InvalidRequestContentException"


def test_a_client_context_that_is_nested_too_deeply() -> None:
    response, seen = posted(b"{}", base64.b64encode(DEEP.encode()).decode())
    assert (response.status_code, seen) == (400, [])
