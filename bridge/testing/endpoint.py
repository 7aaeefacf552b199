"""An endpoint of Lambda's invoke API: the emulator's, a local gateway's, or any other that needs no signature.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
from typing import Any

from bridge._httpx import httpx
from bridge.testing.functions import Event, FunctionFailed, error_document

__all__ = ["Endpoint"]

# The name of the emulator's only function.
_INVOKE = "/2015-03-31/functions/function/invocations"

# Lambda's longest timeout, in seconds.
_TIMEOUT = 900.0


class Endpoint:
    """The function behind `url`: a base URL, or that of one function's `/invocations`."""

    def __init__(self, url: str) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise TypeError(f"Expected the URL of an endpoint of Lambda's invoke API, but got {url!r}.")
        self.url = url.rstrip("/") + ("" if parsed.path.endswith("/invocations") else _INVOKE)
        self._client: httpx.Client | None = None

    def call(self, event: Event, context: Any) -> object:
        if self._client is None:
            self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)
        return _result(self._client.post(self.url, json=event))

    async def call_async(self, event: Event, context: Any) -> object:
        # A client for each call: a kept connection would belong to one event loop.
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            return _result(await client.post(self.url, json=event))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def close_async(self) -> None:
        self.close()


def _result(response: httpx.Response) -> object:
    """Return the result. Raises FunctionFailed.

    The emulator does not tell a function that failed from one that returned such a document: both are a failure here.
    """
    try:
        document: object = json.loads(response.content)
    except ValueError:
        raise FunctionFailed("Runtime.Unknown", f"The endpoint answered {response.text!r:.500}.") from None
    failure = error_document(document)
    if failure is not None:
        raise failure
    if response.status_code >= 300 or "x-amz-function-error" in response.headers:
        raise FunctionFailed("Runtime.Unknown", f"The endpoint answered {response.status_code}: {document!r:.500}.")
    return document
