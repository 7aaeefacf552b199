"""The sample sites, in process and behind their real servers, answer every event in their folders."""

import base64
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import Handler
from tests.integration.sample_apps import Result, event_names, load, read_event
from tests.integration.servers import free_port

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="There is no node here.")

Start = Callable[..., Handler]

# Each way of the Flask site to run, with the server that its responses name.
FLASK_WAYS = {"app.py": None, "behind_gunicorn.py": "gunicorn"}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a function that makes the handler of a sample application, as a new Lambda environment does."""
    handlers: list[Handler] = []

    def start(app: str, file: str = "app.py") -> Handler:
        handlers.append(load(f"{app}/{file}").handler)
        return handlers[-1]

    with tempfile.TemporaryDirectory(prefix="b") as folder:  # with a short name, because a UNIX socket is made in it
        monkeypatch.setenv("ALBUM_DATABASE", f"{folder}/album.db")
        monkeypatch.setenv("ALBUM_SECRET_KEY", "0123456789abcdef0123456789abcdef")
        monkeypatch.setenv("AWS_LWA_PORT", str(free_port()))
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield start
        for handler in handlers:
            handler.close()


def answers(handler: Handler, app: str) -> dict[str, Result]:
    """Return the answers to the events of `app`, in their order, for a client that keeps cookies."""
    cookies: list[str] = []
    results: dict[str, Result] = {}
    for name in event_names(app):
        results[name] = handler(read_event(app, name) | {"cookies": cookies}, None)
        cookies = [cookie.partition(";")[0] for cookie in results[name]["cookies"]] or cookies
    return results


def uploaded_picture() -> bytes:
    """Return the file in the multipart body of the upload event: a PNG, which is not text."""
    body = base64.b64decode(read_event("flask_site", "3_upload")["body"])
    return body[body.index(b"\x89PNG") : body.index(b"\r\n------album-boundary-3d9a--\r\n")]


@pytest.mark.parametrize("file", FLASK_WAYS)
def test_the_flask_site_answers_its_events_in_their_order(start: Start, file: str) -> None:
    results = answers(start("flask_site", file), "flask_site")
    assert [result["statusCode"] for result in results.values()] == [200, 303, 303, 200, 200, 303]
    assert {result["headers"].get("server") for result in results.values()} == {FLASK_WAYS[file]}
    assert '<form method="post" action="/sign-in">' in results["1_home"]["body"]
    assert "Sunset &lt;b&gt;at sea&lt;/b&gt;</a> by Ada &amp; Charles" in results["4_album"]["body"]
    download = results["5_download"]
    assert (download["isBase64Encoded"], base64.b64decode(download["body"])) == (True, uploaded_picture())
    attributes = "Secure; HttpOnly; Path=/; SameSite=Lax"
    session, no_session = results["2_sign_in"]["cookies"][0], results["6_sign_out"]["cookies"][0]
    assert (session.startswith("session=ey"), session.partition("; ")[2]) == (True, attributes)
    assert no_session == f"session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; {attributes}"


@pytest.mark.parametrize("file", FLASK_WAYS)
def test_the_flask_site_under_a_stage_refuses_what_needs_a_session(start: Start, file: str) -> None:
    handler = start("flask_site", file)
    assert handler(read_event("flask_site", "3_upload"), None)["statusCode"] == 403
    event = read_event("hello", "rest_api") | {"path": "/", "multiValueQueryStringParameters": None}
    event["requestContext"]["path"] = "/prod/"
    assert '<form method="post" action="/prod/sign-in">' in handler(event, None)["body"]


@needs_node
def test_the_node_site_answers_its_events(start: Start) -> None:
    handler = start("node_site")
    results = answers(handler, "node_site")
    assert {result["statusCode"] for result in results.values()} == {200}
    assert "<tr><td>&lt;em&gt;<td>2<tr><td>time<td>2<tr><td>after<td>1" in results["2_count_by_form"]["body"]
    assert json.loads(results["3_count_by_api"]["body"]) == {"über": 2, "dem": 1, "den": 1, "meer": 1, "wolken": 1}
    request = {"request": "0a1b2c3d-4e5f-4a6b-9c8d-7e6f5a4b3c2d"}
    assert json.loads(results["4_about"]["body"]) == {"function": None, **request}
    context: Any = SimpleNamespace(function_name="word-counts")
    about = handler(read_event("node_site", "4_about"), context)
    assert json.loads(about["body"]) == {"function": "word-counts", **request}
