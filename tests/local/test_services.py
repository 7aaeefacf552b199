"""A request on its way through a service, with answers that a test gives."""

import json
from collections.abc import Callable

import pytest

from bridge.local.answer import Answer
from bridge.local.failures import throttled
from bridge.local.invocation import Failure, Invocation
from bridge.local.service_errors import WAIT_LIMITS
from bridge.local.services import Front
from bridge.local.settings import Cors, Route, SourceSettings
from bridge.testing.messages import ClientRequest
from bridge.testing.services import ServiceName
from tests.cases import every_case

PRELUDE = b'{"statusCode": 201, "headers": {"content-type": "text/css"}}' + bytes(8)
STREAM = "application/vnd.awslambda.http-integration-response"


def request(method: str = "GET", target: str = "/") -> ClientRequest:
    return ClientRequest(method=method, target=target, headers=(("host", "localhost:3000"),))


def submit(
    *parts: bytes, content_type: str = "application/json", failure: Failure | None = None
) -> Callable[[Invocation], Answer]:
    """Return what answers an invocation with `parts`."""

    def start(invocation: Invocation) -> Answer:
        answer = Answer(invocation, lambda _: None)
        if parts:
            answer.start(content_type=content_type, is_streamed=content_type == STREAM)
        for part in parts:
            answer._parts.append(part)
        answer.finish(failure)
        return answer

    return start


def front(name: ServiceName, start: Callable[[Invocation], Answer], **options: object) -> Front:
    return Front(SourceSettings(name=name, **options), start)  # type: ignore[arg-type]


async def test_a_result_is_the_services_response(anyio_backend: str) -> None:
    result = json.dumps({"statusCode": 201, "body": "made"}).encode()
    sent = await front("rest-api", submit(result), stage="prod").send(request(target="/prod/x?a=b"))
    assert sent.invocation is not None
    event = json.loads(sent.invocation.event)
    assert (event["path"], event["requestContext"]["path"]) == ("/x", "/prod/x")
    assert (sent.response.status, sent.response.body, sent.parts) == (201, b"made", None)
    assert sent.invocation.response is sent.response


@pytest.mark.parametrize(
    ("name", "failure", "status"),
    [
        ("function-url", Failure("Runtime.ExitError", "it"), 502),
        ("http-api", Failure("Runtime.ExitError", "it"), 500),
        ("function-url", throttled(), 429),
        ("alb", throttled(), 502),
        ("edge-viewer", throttled(), 503),
    ],
)
async def test_a_failure_is_the_services_own_error(
    name: ServiceName, failure: Failure, status: int, anyio_backend: str
) -> None:
    sent = await front(name, submit(failure=failure)).send(request())
    assert sent.response.status == status


@pytest.mark.parametrize("name", ["rest-api", "http-api", "http-api-v1"])
async def test_an_event_has_the_route_that_matched(name: ServiceName, anyio_backend: str) -> None:
    """A REST API leaves parameters as they were sent, an HTTP API decodes them. Measured of both."""
    routes = (Route("ANY", "/{proxy+}"), Route("GET", "/users/{id}"))
    sent = await front(name, submit(b"{}"), routes=routes, stage="live").send(request(target="/live/users/a%20b"))
    assert sent.invocation is not None
    event = json.loads(sent.invocation.event)
    assert event["pathParameters"] == {"id": "a%20b" if name == "rest-api" else "a b"}
    if name == "http-api":
        assert event["routeKey"] == event["requestContext"]["routeKey"] == "GET /users/{id}"
    else:
        assert event["resource"] == event["requestContext"]["resourcePath"] == "/users/{id}"


async def test_the_service_answers_for_other_origins(anyio_backend: str) -> None:
    cors = Cors(allow_origins=("http://page",))
    for method, status in (("OPTIONS", 204), ("GET", 200), ("DELETE", 404)):
        headers = (("host", "x"), ("origin", "http://page"), ("access-control-request-method", "GET"))
        call = ClientRequest(method=method, target="/a", headers=headers)
        routes = (Route("GET", "/a"),)
        sent = await front("http-api", submit(b"{}"), routes=routes, cors=cors).send(call)
        assert (sent.response.status, sent.invocation is not None) == (status, method == "GET")
        assert ("access-control-allow-origin", "http://page") in sent.response.headers
        assert sent.invocation is None or sent.invocation.response is sent.response


async def test_the_method_of_a_rest_apis_route_can_be_overridden(anyio_backend: str) -> None:
    call = ClientRequest(method="POST", target="/a", headers=(("host", "x"), ("X-HTTP-Method-Override", "PATCH")))
    sent = await front("rest-api", submit(b"{}"), routes=(Route("PATCH", "/a"),)).send(call)
    assert sent.invocation is not None
    assert json.loads(sent.invocation.event)["httpMethod"] == "PATCH"


@pytest.mark.parametrize(("name", "status"), [("rest-api", 403), ("http-api", 404)])
async def test_what_no_route_has_never_reaches_the_function(name: ServiceName, status: int, anyio_backend: str) -> None:
    routes = (Route("GET", "/users/{id}"),)
    served = front(name, submit(b'{"statusCode": 200}'), routes=routes)
    assert (await served.send(request(target="/users/7"))).response.status == 200
    sent = await served.send(request("DELETE", "/users/7"))
    assert (sent.response.status, sent.invocation) == (status, None)


async def test_what_the_service_refuses_never_reaches_the_function(anyio_backend: str) -> None:
    sent = await front("alb", submit()).send(request("TRACE"))
    assert (sent.response.status, sent.invocation) == (405, None)


@every_case(
    ("before", "after", "target", "moved"),
    [
        (("function-url", ""), ("rest-api", "prod"), "/x%2F?a=/b", "/prod/x%2F?a=/b"),
        (("rest-api", "prod"), ("function-url", ""), "/prod/x?a=b", "/x?a=b"),
        (("rest-api", "prod"), ("http-api", "$default"), "/prod", "/"),
        (("rest-api", "prod"), ("http-api", "v1"), "/prod/", "/v1/"),
        (("rest-api", "prod"), ("rest-api", "prod"), "/prod/prod/x", "/prod/prod/x"),
        (("rest-api", "prod"), ("alb", ""), "/other/x", "/other/x"),
    ],
)
def test_a_request_moves_to_a_service_with_another_stage(
    before: tuple[ServiceName, str], after: tuple[ServiceName, str], target: str, moved: str
) -> None:
    old, new = (front(name, submit(), stage=stage) for name, stage in (before, after))
    assert new.moved(request(target=target), old).target == moved


async def test_a_stream_has_its_head_first(anyio_backend: str) -> None:
    for parts in ((PRELUDE, b"a", b"b"), (PRELUDE + b"ab",), tuple(bytes([byte]) for byte in PRELUDE + b"ab")):
        sent = await front("function-url", submit(*parts, content_type=STREAM), is_streamed=True).send(request())
        assert sent.parts is not None
        assert (sent.response.status, b"".join([part async for part in sent.parts])) == (201, b"ab")


@pytest.mark.parametrize(
    "parts", [(b"no prelude",), (b"[]" + bytes(8),), (b"{" + bytes(8),), (b" " * 20_000 + PRELUDE,)]
)
async def test_a_stream_without_a_head_is_a_failure(parts: tuple[bytes, ...], anyio_backend: str) -> None:
    sent = await front("function-url", submit(*parts, content_type=STREAM), is_streamed=True).send(request())
    assert (sent.response.status, sent.parts) == (502, None)


async def test_a_result_behind_a_streaming_url_is_the_body(anyio_backend: str) -> None:
    sent = await front("function-url", submit(b'{"statusCode": 201}'), is_streamed=True).send(request())
    assert (sent.response.status, sent.response.body) == (200, b'{"statusCode":201}')


async def test_a_service_waits_only_so_long(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WAIT_LIMITS, "rest-api", 0.0)
    answers: list[Answer] = []

    def never(invocation: Invocation) -> Answer:
        answers.append(Answer(invocation, lambda _: None))
        answers[0].start(content_type="application/json", is_streamed=False)
        return answers[0]

    sent = await front("rest-api", never).send(request())
    assert (sent.response.status, sent.response.body) == (504, b'{"message": "Endpoint request timed out"}')
    await answers[0].put(bytes(1 << 20))  # the function runs on, and nobody waits for it
    answers[0].finish()
