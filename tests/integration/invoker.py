"""The caller of a Lambda function: boto3, pointed at an emulator."""

import contextlib
import importlib
import json
import os
import threading
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from unittest import mock

__all__ = ["CLIENTS", "INVOKE_TIMEOUT", "Invoker", "Response"]

# How long an answer may take before the test fails, in seconds.
INVOKE_TIMEOUT = 60.0

# More connections than a test has concurrent invocations: boto3 complains about one that it cannot keep.
CLIENTS = 64


class Response(NamedTuple):
    """The unchanged response of the emulator. `headers`: their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Invoker:
    """A client of the one function that an emulator on the loopback interface has; any thread may use it."""

    def __init__(self, host: str, port: int) -> None:
        self._client = _make_client(f"http://{host}:{port}")
        self._call = threading.local()
        self._client.meta.events.register("before-call.lambda.Invoke", self._add_headers)
        self._client.meta.events.register("before-parse.lambda.Invoke", self._keep_failure)

    def invoke(
        self,
        event: object,
        *,
        client_context: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
        tenant_id: str | None = None,
    ) -> Response:
        """Invoke the function and wait for its answer. An event of bytes is sent as it is, any other as JSON."""
        arguments: dict[str, Any] = {"Payload": event if isinstance(event, bytes) else json.dumps(event)}
        if client_context is not None:
            arguments["ClientContext"] = b64encode(json.dumps(client_context).encode()).decode("ascii")
        # Headers, because boto3 has no argument for the one, and the other in its latest versions alone.
        self._call.headers = {"X-Amzn-Trace-Id": trace_id, "X-Amz-Tenant-Id": tenant_id}
        try:
            answer = self._client.invoke(FunctionName="function", **arguments)
        except self._client.exceptions.ClientError:
            # boto3 understands AWS's own error documents alone, and hides this one.
            failure: Response = self._call.failure
            return failure
        with contextlib.closing(answer["Payload"]) as payload:
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            return Response(answer["StatusCode"], headers, payload.read())

    def close(self) -> None:
        self._client.close()

    def _add_headers(self, params: dict[str, Any], **_: object) -> None:
        params["headers"].update({name: value for name, value in self._call.headers.items() if value is not None})

    def _keep_failure(self, response_dict: dict[str, Any], **_: object) -> None:
        if response_dict["status_code"] >= 300:
            headers = {name.lower(): value for name, value in response_dict["headers"].items()}
            self._call.failure = Response(response_dict["status_code"], headers, response_dict["body"])


def _make_client(url: str) -> Any:
    """Make a client without the tester's own credentials, profile and proxies."""
    boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    with mock.patch.dict(os.environ, environ, clear=True):
        return boto3.session.Session().client(
            "lambda",
            endpoint_url=url,
            region_name="eu-west-1",
            aws_access_key_id="no",
            aws_secret_access_key="credentials",
            config=config.Config(
                retries={"total_max_attempts": 1},
                read_timeout=INVOKE_TIMEOUT,
                proxies={},
                max_pool_connections=CLIENTS,
            ),
        )
