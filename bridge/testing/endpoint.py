"""An endpoint of Lambda's invoke API: the emulator's, a local gateway's, or any other that needs no signature.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

from typing import Any

from bridge._httpx import httpx
from bridge.testing.call import parsed
from bridge.testing.endpoint_streams import EndpointStream, EndpointStreamAsync
from bridge.testing.interface import AsyncStream, Event, FunctionFailed, Stream, error_document

__all__ = ["Endpoint"]

_INVOKE = "/2015-03-31/functions/{}/invocations"
_INVOKE_STREAM = "/2021-11-15/functions/{}/response-streaming-invocations"

# The name of the emulator's only function.
_NAME = "function"

# Lambda's longest timeout, in seconds.
_TIMEOUT = 900.0

# What the emulator answers, with the status 200, for a function that took too long.
_TIMED_OUT = b"Task timed out after"


class Endpoint:
    """The function behind `url`: a base URL, or that of one function's `/invocations`."""

    def __init__(self, url: str) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise TypeError(f"Expected the URL of an endpoint of Lambda's invoke API, but got {url!r}.")
        base, name = _split(url.rstrip("/"))
        self._url = base + _INVOKE.format(name)
        self._streaming_url = base + _INVOKE_STREAM.format(name)
        self._client: httpx.Client | None = None

    def call(self, event: Event, context: Any) -> object:
        return _result(self._sync_client().post(self._url, json=event))

    async def call_async(self, event: Event, context: Any) -> object:
        async with _async_client() as client:
            return _result(await client.post(self._url, json=event))

    def open(self, event: Event, context: Any) -> Stream:
        client = self._sync_client()
        return EndpointStream(client.send(client.build_request("POST", self._streaming_url, json=event), stream=True))

    async def open_async(self, event: Event, context: Any) -> AsyncStream:
        client = _async_client()
        try:
            request = client.build_request("POST", self._streaming_url, json=event)
            return await EndpointStreamAsync.started(client, await client.send(request, stream=True))
        except BaseException:
            await client.aclose()
            raise

    def _sync_client(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)
        return self._client

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def close_async(self) -> None:
        self.close()


def _async_client() -> httpx.AsyncClient:
    """Return a client for one call: a kept connection would belong to one event loop."""
    return httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)


def _split(url: str) -> tuple[str, str]:
    """Return the base of a URL, and the name of its function."""
    base, found, rest = url.partition("/2015-03-31/functions/")
    return (base, rest.removesuffix("/invocations")) if found else (url, _NAME)


def _result(response: httpx.Response) -> object:
    """Return the result; `bytes` that are not JSON are those of a custom runtime. Raises FunctionFailed.

    The emulator does not tell a function that failed from one that returned such a document: both are a failure here.
    """
    document = parsed(response.content)
    failure = error_document(document)
    if failure is not None:
        raise failure
    is_failure = response.status_code >= 300 or "x-amz-function-error" in response.headers
    if is_failure or response.content.startswith(_TIMED_OUT):
        raise FunctionFailed("Runtime.Unknown", f"The endpoint answered {response.status_code}: {response.text:.500}")
    return document
