"""`BRIDGE_MODE=proxy` gives the same answers to the same events as `BRIDGE_MODE=in-process`."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext  # type: ignore[import-untyped]

from bridge import Bridge
from tests.events import BASES, load
from tests.integration.modes import ROOT, Pair, load_pair

CORPUS = ROOT.parent / "shared" / "events"

# What differs, and has to: this entry is the server's own, and says what its send() does once nobody reads.
DIFFERENT = "asgi"

ECHO = '''
import json
from bridge import Bridge

def plain(value):
    """A context's attributes, whatever its parts are made of."""
    if isinstance(value, (str, int, float, list, dict, type(None))):
        return value
    return {name: plain(getattr(value, name)) for name in NAMES if hasattr(value, name)}

NAMES = """
    aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version tenant_id
    invoked_function_arn identity cognito_identity_id cognito_identity_pool_id client_context custom env client
    installation_id app_title app_version_name app_version_code app_package_name
""".split()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message["body"])
        more = message.get("more_body", False)
    context = scope["aws.context"]
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    seen = {
        "scope": {name: repr(scope[name]) for name in scope if name != "aws.context"},
        "context": plain(context),
        "remaining": repr(type(remaining())) if remaining else None,
        "in time": 0 < remaining() <= 60_000 if remaining else None,
        "body": repr(b"".join(parts)),
    }
    headers = [(b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2; Path=/")]
    await send({"type": "http.response.start", "status": 207, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

handler = Bridge(app)
'''

# It sends back what it gets, so that what arrives can be compared with what was sent.
MIRROR = """
from bridge import Bridge

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    kind = dict(scope["headers"]).get(b"content-type", b"application/octet-stream")
    length = b"%d" % len(body)
    headers = [(b"content-type", kind), (b"content-length", length), (b"x-method", scope["method"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

handler = Bridge(app)
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with load_pair(tmp_path_factory.mktemp("echo"), ECHO) as pair:
        yield pair


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with load_pair(tmp_path_factory.mktemp("mirror"), MIRROR) as pair:
        yield pair


def lambda_context() -> LambdaContext:
    client = {
        "client": {"installation_id": "phone", "app_title": "Shop"},
        "custom": {"theme": "dark", "sizes": [1, 2]},
        "env": {"locale": "de"},
    }
    identity = {"cognitoIdentityId": "eu-west-1:me", "cognitoIdentityPoolId": "eu-west-1:pool"}
    return LambdaContext("request-1", client, identity, int(time.time() * 1000) + 60_000, "arn:aws:lambda:x", "acme")


def seen_in_both(pair: Pair, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
    """What the application saw, which is the same in both modes, and so is the result around it."""
    in_process, proxied = pair.ask(event, context)
    seen, seen_there = (json.loads(result.pop("body")) for result in (in_process, proxied))
    assert proxied == in_process
    asgi, asgi_there = seen["scope"].pop(DIFFERENT), seen_there["scope"].pop(DIFFERENT)
    assert "'version': '3.0'" in asgi
    assert "'version': '3.0'" in asgi_there
    assert seen_there == seen
    return dict(seen)


@pytest.mark.parametrize("name", BASES)
def test_every_source_gives_the_application_the_same_scope_and_the_client_the_same_result(
    echo: Pair, name: str
) -> None:
    event = load(name)
    seen = seen_in_both(echo, event, lambda_context())
    assert seen["scope"]["aws.event"] == repr(event)
    assert seen["scope"]["raw_path"].endswith("/orders/caf%C3%A9'")
    assert seen["body"] == repr(b'{"qty": 2}')


def corpus_files() -> list[Path]:
    return sorted(CORPUS.rglob("*.json")) if CORPUS.is_dir() else []


@pytest.mark.skipif(not CORPUS.is_dir(), reason="there is no ../shared/events beside the checkout")
@pytest.mark.parametrize("file", corpus_files(), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_real_payloads_give_the_same_scopes_and_results(echo: Pair, file: Path) -> None:
    event = json.loads(file.read_text(encoding="utf-8"))
    try:
        in_process = echo.in_process(event, None)
    except Exception as exc:
        with pytest.raises(type(exc), match=r"."):
            echo.proxied(event, None)
        return
    if in_process.get("statusCode", in_process.get("status")) in (207, "207"):
        seen_in_both(echo, event, lambda_context())
    else:
        assert echo.proxied(event, None) == in_process


def test_the_context_has_every_attribute_that_the_runtime_s_has(echo: Pair) -> None:
    seen = seen_in_both(echo, load("function_url"), lambda_context())
    assert seen["context"]["identity"] == {
        "cognito_identity_id": "eu-west-1:me",
        "cognito_identity_pool_id": "eu-west-1:pool",
    }
    assert seen["context"]["client_context"] == {
        "custom": {"theme": "dark", "sizes": [1, 2]},
        "env": {"locale": "de"},
        "client": {
            "installation_id": "phone",
            "app_title": "Shop",
            "app_version_name": None,
            "app_version_code": None,
            "app_package_name": None,
        },
    }
    assert (seen["context"]["aws_request_id"], seen["context"]["tenant_id"]) == ("request-1", "acme")
    assert (seen["remaining"], seen["in time"]) == ("<class 'int'>", True)


class SlottedContext:
    __slots__ = ("aws_request_id", "get_remaining_time_in_millis")

    def __init__(self) -> None:
        self.aws_request_id = "request-2"
        self.get_remaining_time_in_millis = lambda: 30_000


# What people pass in tests and in local servers of their own.
CONTEXTS: dict[str, Any] = {
    "none": None,
    "dict": {"aws_request_id": "request-2"},
    "namespace": SimpleNamespace(aws_request_id="request-2"),
    "namespace with a deadline": SimpleNamespace(
        aws_request_id="request-2", get_remaining_time_in_millis=lambda: 30_000
    ),
    "slots": SlottedContext(),
    "no identity": SimpleNamespace(aws_request_id="request-2", identity=None, client_context=None),
    "what JSON does not know": SimpleNamespace(aws_request_id="request-2", data=b"\x00", things={1, 2}, log=print),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_context_of_somebody_else_s_has_the_same_attributes(echo: Pair, name: str) -> None:
    seen = seen_in_both(echo, load("function_url"), CONTEXTS[name])
    assert (seen["context"] or {}).get("aws_request_id") == (None if name == "none" else "request-2")


# Bodies whose bytes do not say how the event had them.
ODD_BODIES = [
    {"body": "QR==", "isBase64Encoded": True},  # bits behind the end
    {"body": "a\ud800b", "isBase64Encoded": False},  # half a surrogate pair
    {"body": "", "isBase64Encoded": True},
    {"body": "", "isBase64Encoded": False},
    {"body": None, "isBase64Encoded": True},
    {"body": "eyJ9", "isBase64Encoded": "true"},
]


@pytest.mark.parametrize("fields", ODD_BODIES, ids=repr)
def test_the_event_has_its_body_as_it_came(echo: Pair, fields: dict[str, Any]) -> None:
    event = load("function_url") | fields
    assert seen_in_both(echo, event)["scope"]["aws.event"] == repr(event)


BODIES = {
    "text": ("text/plain; charset=utf-8", "Grüße, 茶, 🎉\r\n\x00".encode()),
    "binary": ("image/png", bytes(range(256))),
    "nothing": ("text/plain", b""),
    "6 MB of text": ("text/plain", b"0123456789abcdef" * 390_000),
    "4.4 MB of bytes": ("application/octet-stream", bytes(range(256)) * 17_200),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("source", ["function_url", "rest_api", "alb_multi", "vpc_lattice_v1"])
def test_a_body_arrives_to_the_byte_and_comes_back(mirror: Pair, source: str, name: str) -> None:
    kind, body = BODIES[name]
    event = load(source)
    headers = event.get("multiValueHeaders") or event["headers"]
    headers["content-type"] = [kind] if "multiValueHeaders" in event else kind
    if event.get("headers"):
        event["headers"]["content-type"] = kind
    is_text = kind.startswith("text/")
    event["body"] = body.decode() if is_text else b64encode(body).decode()
    event["is_base64_encoded" if "is_base64_encoded" in event else "isBase64Encoded"] = not is_text
    result = mirror.answer(event)
    # Sizes first: pytest takes minutes to show how two bodies of 6 MB differ.
    assert len(result["body"]) == len(event["body"])
    assert (result["body"] == event["body"], result["isBase64Encoded"]) == (True, not is_text)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "PROPFIND", "M-SEARCH", "get", "CONNECT", "A B"]
)
def test_every_method_arrives(mirror: Pair, method: str) -> None:
    event = load("rest_api", httpMethod=method)
    result = mirror.answer(event)
    assert result["multiValueHeaders"]["x-method"] == [method.upper()]
    assert result["body"] == ("" if method == "HEAD" else '{"qty": 2}')


@pytest.mark.parametrize(
    "path", ["/", "/a b", "/a%20b", "/%zz", "/%2e%2e/..", "//x//", "/é", "/\x01", "/\ud800", "/a?b", "*", "x" * 70_000]
)
def test_every_path_arrives(echo: Pair, path: str) -> None:
    event = load("function_url", rawPath=path, requestContext__http__path=path)
    assert seen_in_both(echo, event)["scope"]["raw_path"] != "b''"


def test_requests_at_the_same_time_stay_apart(mirror: Pair) -> None:
    async def ask(handler: Bridge, number: int) -> Any:
        return (await handler.handle(load("function_url", body=f"{number}" * 9_000, isBase64Encoded=False), None))[
            "body"
        ]

    async def ask_all(handler: Bridge) -> list[Any]:
        return list(await asyncio.gather(*[ask(handler, number) for number in range(50)]))

    expected = [f"{number}" * 9_000 for number in range(50)]
    assert asyncio.run(ask_all(mirror.in_process)) == expected
    assert asyncio.run(ask_all(mirror.proxied)) == expected


ENVIRONMENTS = [
    {"BRIDGE_ROOT_PATH": "/shop"},
    {"BRIDGE_STAGE": "strip"},
    {"AWS_LWA_REMOVE_BASE_PATH": "/orders"},
    {"AWS_LWA_AUTHORIZATION_SOURCE": "cookie"},
    {"AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS": "0"},
    # What belongs to somebody else's web server, and must not reach ours.
    {
        "PORT": "none",
        "AWS_LWA_PORT": "0",
        "AWS_LWA_HOST": "!",
        "AWS_LWA_READINESS_CHECK_PATH": "?",
        "BRIDGE_UDS": "no/path",
        "WEB_CONCURRENCY": "2",
        "FORWARDED_ALLOW_IPS": "*",
        "UVICORN_PORT": "1",
    },
]


@pytest.mark.parametrize("environ", ENVIRONMENTS, ids=lambda environ: next(iter(environ)))
def test_settings_mean_the_same(tmp_path: Path, environ: dict[str, str]) -> None:
    with load_pair(tmp_path, ECHO, **environ) as pair:
        for name in ("rest_api", "http_api_v2", "function_url"):
            seen_in_both(pair, load(name))


def test_a_status_that_fails_the_invocation_fails_it_in_both(tmp_path: Path) -> None:
    with load_pair(tmp_path, ECHO.replace("207", "503"), AWS_LWA_ERROR_STATUS_CODES="500-599") as pair:
        for handler in (pair.in_process, pair.proxied):
            with pytest.raises(Exception, match='"statusCode": 503') as raised:
                handler(load("function_url"), None)
            assert type(raised.value).__name__ == "ErrorStatus"


# A source of the user's gives plain httpx requests, and reads a body in its own way.
CUSTOM = ECHO.replace(
    "handler = Bridge(app)",
    """
from bridge._httpx import httpx

class Upper:
    name = "upper"

    @staticmethod
    def matches(event):
        return "shout" in event

    @staticmethod
    def decode(event, settings):
        async def body():
            yield event["body"].upper().encode()
        extensions = {"asgi": {"client": ("192.0.2.7", 80), "shop": {"id": 1}}}
        return httpx.Request("PUT", "http://shop.internal:81/a%2Fb?c=%20", content=body(), extensions=extensions)

    @staticmethod
    def encode(response, event, settings):
        return {"status": response.status_code, "body": response.body.decode()}

handler = Bridge(app, sources=[Upper])
""",
)


def test_a_source_of_the_user_s_own_gives_the_same_scope(tmp_path: Path) -> None:
    with load_pair(tmp_path, CUSTOM) as pair:
        seen = seen_in_both(pair, {"shout": True, "body": "hello"})
    assert seen["body"] == "b'HELLO'"
    assert seen["scope"]["raw_path"] == "b'/a%2Fb'"
    assert seen["scope"]["aws.event"] == repr({"shout": True, "body": "hello"})
    assert seen["scope"]["shop"] == repr({"id": 1})
