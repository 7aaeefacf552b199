"""Real payloads of other projects, read where they lie; see `tests/events` for the project's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge import Settings
from bridge.errors import MalformedEvent, UnsupportedEvent
from bridge.sources import select_source
from tests.cases import every_case
from tests.sources.exchange import CONTEXT, Answer, answer

CORPUS = Path(__file__).parents[3] / "shared" / "events"
HTTP_FOLDERS = {
    "alb": {"alb"},
    "function-url": {"function-url"},
    "http-api-v1": {"http-api-v1"},
    "http-api-v2": {"http-api-v2"},
    "lambda-edge": {"lambda-edge"},
    "rest-api": {"rest-api"},
    "vpc-lattice": {"vpc-lattice-v1", "vpc-lattice-v2"},
}
NOT_HTTP_FOLDERS = {"non-http", "websocket-api"}

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
    assert set(HTTP).issuperset({*BROKEN, *OTHER_SOURCE})
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
