"""The gateway's invoke API, with boto3, LambdaTransport and plain HTTP as clients."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.local.settings import SourceSettings
from bridge.testing import LambdaTransport
from tests.integration.gateway import RunningGateway

boto3: Any = pytest.importorskip("boto3")
botocore_config: Any = pytest.importorskip("botocore.config")

ROOT = Path(__file__).parents[2]

MakeClient = Callable[[RunningGateway], Any]


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    made = []

    def make(local: RunningGateway) -> Any:
        client = boto3.client(
            "lambda",
            endpoint_url=local.url(),
            region_name="eu-west-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=botocore_config.Config(retries={"max_attempts": 0}, read_timeout=60),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("runtime", ["bridge", "awslambdaric"])
def test_boto3_invokes(runtime: Any, make_client: MakeClient) -> None:
    with RunningGateway("local_site:plain", runtime=runtime) as local:
        client = make_client(local)
        context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
        answer = client.invoke(FunctionName="function", Payload=b'{"x": 1}', ClientContext=context)
        result = json.load(answer["Payload"])
        failed = client.invoke(FunctionName="function", Payload=b'{"fail": "on purpose"}', LogType="Tail")
        error = json.load(failed["Payload"])
        log = base64.b64decode(failed["LogResult"]).decode()
        accepted = client.invoke(FunctionName="function", Payload=b'{"y": 2}', InvocationType="Event")["StatusCode"]
        later = local.record()
        dry = client.invoke(FunctionName="function", InvocationType="DryRun")["StatusCode"]
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="another"):
            client.invoke(FunctionName="another")
    assert (answer["StatusCode"], answer.get("FunctionError"), result["event"]) == (200, None, {"x": 1})
    assert "custom" in result["client"] or "ClientContext" in result["client"]
    assert (failed["FunctionError"], error["errorType"], error["errorMessage"]) == (
        "Unhandled",
        "ValueError",
        "on purpose",
    )
    assert "on purpose" in log
    assert (accepted, json.loads(later.result)["event"], dry) == (202, {"y": 2}, 204)


def test_boto3_gets_lambdas_errors(
    make_client: MakeClient, tmp_path: Path, in_thread: Callable[..., "Future[Any]"]
) -> None:
    gate = tmp_path / "gate"
    with RunningGateway("local_site:plain", environments=1, throttles=True, environ={"GATE": str(gate)}) as local:
        client = make_client(local)
        seen = {}
        calls: dict[str, Any] = {
            "too large": {"Payload": b'"' + b"x" * 6_291_455 + b'"'},
            "not JSON": {"Payload": b"NaN"},
            "context": {"ClientContext": "W10="},
            "unknown": {"FunctionName": "other"},
            "type": {"InvocationType": "Later"},
        }
        for name, call in calls.items():
            with pytest.raises(client.exceptions.ClientError) as raised:
                client.invoke(**{"FunctionName": "function", **call})
            answer = raised.value.response
            seen[name] = (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"])
            assert answer["Error"]["Message"]
        arn = "arn:aws:lambda:eu-west-1:123456789012:function:function:live"
        named = json.load(client.invoke(FunctionName=arn, Payload=b"{}")["Payload"])
        dry = client.invoke_with_response_stream(FunctionName="function", InvocationType="DryRun")
        dry["EventStream"].close()
        busy = in_thread(client.invoke, FunctionName="function", Payload=b'{"gate": 1}')
        local.wait_for(lambda: any(each.status == "running" for each in local.gateway.history))
        for operation in (client.invoke, client.invoke_with_response_stream):
            with pytest.raises(client.exceptions.TooManyRequestsException) as throttled:
                operation(FunctionName="function")
            assert throttled.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        gate.touch()
        assert json.load(busy.result()["Payload"])["event"] == {"gate": 1}
    assert seen == {
        "too large": (413, "RequestEntityTooLargeException"),
        "not JSON": (400, "InvalidRequestContentException"),
        "context": (400, "InvalidRequestContentException"),
        "unknown": (404, "ResourceNotFoundException"),
        "type": (400, "InvalidParameterValueException"),
    }
    assert (named["arn"], dry["StatusCode"]) == (arn, 204)


def test_boto3_reads_a_stream_and_why_it_broke(make_client: MakeClient) -> None:
    event = {
        "version": "2.0",
        "rawPath": "/breaks",
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/breaks"}, "domainName": "x.lambda-url.a.on.aws"},
    }
    with RunningGateway("local_site:app", is_streamed=True) as local:
        client = make_client(local)
        answer = client.invoke_with_response_stream(FunctionName="function", Payload=json.dumps(event), LogType="Tail")
        events = list(answer["EventStream"])
    content = b"".join(each["PayloadChunk"]["Payload"] for each in events[:-1])
    assert content.partition(bytes(8))[2] == b"first,"
    assert answer["ResponseStreamContentType"] == "application/vnd.awslambda.http-integration-response"
    complete = events[-1]["InvokeComplete"]
    assert "broken on purpose" in complete["ErrorDetails"]
    assert "serving /breaks" in base64.b64decode(complete["LogResult"]).decode()
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")


@pytest.mark.parametrize("stream", [False, True])
def test_lambda_transport_is_a_client_of_it(stream: bool) -> None:
    source = SourceSettings(name="function-url", is_streamed=stream)
    with (
        RunningGateway("local_site:app", source, is_streamed=stream) as local,
        httpx.Client(transport=LambdaTransport(local.url(), stream=stream), base_url="https://x") as client,
    ):
        answer = client.get("/")
        crashed = client.get("/exit")
    assert (answer.status_code, answer.text[:4]) == (200, "pid ")
    assert crashed.status_code == 502


def test_a_process_that_ends_is_an_error_of_the_function() -> None:
    with RunningGateway("local_site:plain", runtime="awslambdaric") as local:
        answer = local.client.post(local.url("/2015-03-31/functions/function/invocations"), content=b'{"exit": 1}')
    assert (answer.status_code, answer.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert answer.json()["errorType"] == "Runtime.ExitError"


def test_what_the_api_refuses() -> None:
    with RunningGateway("local_site:plain") as local:
        url = local.url("/2015-03-31/functions/function/invocations")
        answers = [
            local.client.post(url, content=b"not JSON"),
            local.client.post(url, content=bytes(6_291_457)),
            local.client.post(url, content=b"{}", headers={"x-amz-client-context": "not base64"}),
            local.client.post(url, content=b"{}", headers={"host": "evil.example"}),
            local.client.post(url, content=b"{}", headers={"origin": "http://evil.example"}),
        ]
        count = len(local.gateway.history)
    assert [answer.status_code for answer in answers] == [400, 413, 400, 403, 403]
    assert [answer.headers.get("x-amzn-errortype") for answer in answers[:3]] == [
        "InvalidRequestContentException",
        "RequestEntityTooLargeException",
        "InvalidRequestContentException",
    ]
    assert count == 0


def test_the_python_examples_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "local.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(?!#!)(.*?)^```", page, re.MULTILINE | re.DOTALL)  # a program runs elsewhere
    with RunningGateway("local_site:handler") as local:
        for block in blocks:
            exec(block.replace("http://127.0.0.1:3000", local.url()), {})
    assert len(blocks) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "200"
