"""Real payloads of other projects, read where they lie; see `tests/events` for the project's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from bridge import Settings
from bridge.errors import MalformedEvent, UnsupportedEvent
from bridge.sources import first_header, select_source
from tests.cases import every_case
from tests.sources.exchange import CONTEXT, Answer, answer, scope_of

CORPUS = Path(__file__).parents[3] / "shared" / "events"
HTTP_FOLDERS = {
    "alb": {"alb"},
    "function-url": {"function-url"},
    "http-api-v1": {"http-api-v1"},
    "http-api-v2": {"http-api-v2"},
    "lambda-edge": {"lambda-edge"},
    "rest-api": {"rest-api"},
    "vpc-lattice": {"vpc-lattice-v1", "vpc-lattice-v2"},
    "websocket-api": {"websocket"},
}
NOT_HTTP_FOLDERS = {"non-http"}

# Not HTTP, though their folder is.
NOT_HTTP = {"lambda-edge/origin-response.json"}

# Says base64 of a body that is not; the client gets a 400.
BROKEN = {
    "alb/base64-flag-with-invalid-base64-multi-value.json",
    "http-api-v1/base64-flag-with-plain-text-body.json",
}

# The event says something else than its folder, and is taken at its word.
OTHER_SOURCE = {
    # SAM's local REST API writes version 1.0 into its events, as real HTTP APIs do and real REST APIs do not.
    "rest-api/sam-local-version-1-0-null-queries.json": "http-api-v1",
}

# The names of the host were made unreadable before the event was published.
NO_HOST_NAME = {"function-url/no-auth-browser-get.json", "websocket-api/rest-shaped-with-http-method.json"}

EXISTS = CORPUS.is_dir()
pytestmark = pytest.mark.skipif(not EXISTS, reason="there is no ../shared/events beside the checkout")

FILES = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*.json"))
HTTP = [file for file in FILES if file.partition("/")[0] in HTTP_FOLDERS and file not in NOT_HTTP]
NO_HTTP = [file for file in FILES if file.partition("/")[0] in NOT_HTTP_FOLDERS or file in NOT_HTTP]


def read(file: str) -> Any:
    return json.loads((CORPUS / file).read_text(encoding="utf-8"))


def test_every_file_of_the_corpus_is_tested() -> None:
    assert len(FILES) > 100
    assert sorted(HTTP + NO_HTTP) == FILES
    assert set(HTTP).issuperset({*BROKEN, *OTHER_SOURCE, *NO_HOST_NAME})
    assert set(NO_HTTP).issuperset(NOT_HTTP)


@every_case("file", HTTP)
def test_an_http_event_picks_the_source_of_its_folder(file: str) -> None:
    expected = {OTHER_SOURCE[file]} if file in OTHER_SOURCE else HTTP_FOLDERS[file.partition("/")[0]]
    assert select_source(read(file)).name in expected


@every_case("file", [file for file in HTTP if file not in BROKEN])
def test_an_http_event_is_answered(file: str) -> None:
    app = Answer(content=b"ok")
    result = answer(read(file), app)
    assert result.get("statusCode", result.get("status")) in (200, "200")
    assert result["body"] == ("" if app.scope["method"] == "HEAD" else "ok")
    assert app.scope["aws.context"] is CONTEXT


@every_case("file", sorted(BROKEN) if EXISTS else [])
def test_an_event_with_broken_base64_is_malformed(file: str) -> None:
    event = read(file)
    with pytest.raises(MalformedEvent, match="Expected a base64 body"):
        select_source(event).decode(event, Settings())


@every_case("file", NO_HTTP)
def test_any_other_event_is_unsupported(file: str) -> None:
    with pytest.raises(UnsupportedEvent, match="The event is not an HTTP request"):
        select_source(read(file))


@every_case("file", [file for file in HTTP if file not in BROKEN])
def test_the_scope_rebuilds_the_url_that_the_event_says(file: str) -> None:
    event = read(file)
    scope = scope_of(event)
    path, query = SAID[select_source(event).name](event)
    host = first_header(scope["headers"], b"host")
    assert scope["path"] == path
    assert unquote(scope["raw_path"].decode("ascii")) == path
    assert parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True) == query
    assert scope["path"].startswith(scope["root_path"])
    if host is not None:
        assert scope["server"] == (None if file in NO_HOST_NAME else (host.partition(":")[0], port_of(scope)))


def port_of(scope: dict[str, Any]) -> int:
    """Return the port that the load balancer was asked at, by its own header or by the scheme."""
    forwarded = first_header(scope["headers"], b"x-forwarded-port")
    return int(forwarded) if forwarded else {"http": 80, "https": 443}[scope["scheme"]]


Said = tuple[str, list[tuple[str, str]]]


def said_by_alb(event: dict[str, Any]) -> Said:
    return unquote(event["path"]), [(unquote_plus(k), unquote_plus(v)) for k, v in parameters(event)]


def said_by_edge(event: dict[str, Any]) -> Said:
    request = event["Records"][0]["cf"]["request"]
    return unquote(request["uri"]), parse_qsl(request.get("querystring", ""), keep_blank_values=True)


def said_by_function_url(event: dict[str, Any]) -> Said:
    return unquote(event["rawPath"]), parse_qsl(event["rawQueryString"], keep_blank_values=True)


def said_by_http_api_v1(event: dict[str, Any]) -> Said:
    return unquote(event["path"]), parameters(event)


def said_by_http_api_v2(event: dict[str, Any]) -> Said:
    return event["rawPath"], parse_qsl(event["rawQueryString"], keep_blank_values=True)


def said_by_rest_api(event: dict[str, Any]) -> Said:
    # The path of the request context is the client's, where the event has one.
    path = event.get("requestContext", {}).get("path") or event["path"]
    return unquote(path if path.startswith("/") else f"/{path}"), parameters(event)


def said_by_lattice(event: dict[str, Any]) -> Said:
    path = event.get("raw_path") or event["path"]
    return unquote(path.partition("?")[0]), parameters(event)


def said_by_websocket(event: dict[str, Any]) -> Said:
    endings = {"CONNECT": "connect", "MESSAGE": "message", "DISCONNECT": "disconnect"}
    return "/websocket/" + endings[event["requestContext"]["eventType"]], parameters(event)


def parameters(event: dict[str, Any]) -> list[tuple[str, str]]:
    names = ("multiValueQueryStringParameters", "queryStringParameters", "query_string_parameters")
    mapping: dict[str, Any] = next((event[name] for name in names if event.get(name)), {})
    return [(key, item) for key, value in mapping.items() for item in (value if isinstance(value, list) else [value])]


def unquote_plus(text: str) -> str:
    return unquote(text.replace("+", " "))


SAID: dict[str, Callable[[dict[str, Any]], Said]] = {
    "alb": said_by_alb,
    "function-url": said_by_function_url,
    "http-api-v1": said_by_http_api_v1,
    "http-api-v2": said_by_http_api_v2,
    "lambda-edge": said_by_edge,
    "rest-api": said_by_rest_api,
    "vpc-lattice-v1": said_by_lattice,
    "vpc-lattice-v2": said_by_lattice,
    "websocket": said_by_websocket,
}
