"""The sample applications behind Proxy, each with its real server: every event in their folders, and their READMEs."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import Proxy
from tests.integration.sample_apps import SAMPLE_APPS, Result, event_names, load, read_event
from tests.integration.servers import free_port

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")

# What one run's results have and no other's: when, and signed with the time.
VARYING = [
    (re.compile(r'("date": ")[^"]+'), r"\1(now)"),
    (re.compile(r'("session=)[\w.-]+'), r"\1(signed)"),
]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The variables of one test's own site: a port, a database, and a folder with a path that a socket's name fits."""
    with tempfile.TemporaryDirectory(prefix="bridge-") as folder:
        variables = {
            "ALBUM_DATABASE": f"{folder}/album.db",
            "ALBUM_SECRET_KEY": "0123456789abcdef0123456789abcdef",
            "AWS_LWA_PORT": str(free_port()),
            "TMPDIR": folder,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield variables


Start = Callable[[str], Proxy]


@pytest.fixture
def start(environ: dict[str, str]) -> Iterator[Start]:
    """The handler of a sample application, made as a new Lambda environment would."""
    handlers: list[Proxy] = []

    def start(app: str) -> Proxy:
        handlers.append(load(f"{app}/app.py").handler)
        return handlers[-1]

    yield start
    for handler in handlers:
        handler.close()


def without_varying(result: Result) -> Result:
    text = json.dumps(result)
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    plain: Result = json.loads(text)
    return plain


def tell(handler: Proxy, app: str, *names: str) -> dict[str, Result]:
    """What the events of `app`, in their order, are answered with, by a client that keeps cookies."""
    cookies: list[str] = []
    results: dict[str, Result] = {}
    for name in names:
        result = handler(read_event(app, name) | {"cookies": cookies}, None)
        cookies = [cookie.partition(";")[0] for cookie in result["cookies"]] or cookies
        results[name] = without_varying(result)
    return results


def answer(content_type: str, body: str, *cookies: str, status: int = 200, **headers: str) -> Result:
    """A result whose headers are as both servers write them."""
    length = str(len(body.encode()))
    return {
        "statusCode": status,
        "headers": {"content-type": content_type, "content-length": length, "date": "(now)"} | headers,
        "cookies": list(cookies),
        "body": body,
        "isBase64Encoded": False,
    }


HTML = "text/html; charset=utf-8"

SESSION = "session=(signed); Secure; HttpOnly; Path=/; SameSite=Lax"
NO_SESSION = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/; SameSite=Lax"

EMPTY_ALBUM = """<!doctype html>
<title>Album</title>
<ul>
</ul>
<form method="post" action="/sign-in">
<input name="name" placeholder="Your name" required>
<button>Sign in</button>
</form>
"""
ALBUM = """<!doctype html>
<title>Album</title>
<p>sea.png is in the album.</p>
<ul>
<li><a href="/pictures/1">Sunset &lt;b&gt;at sea&lt;/b&gt;</a> by Ada &amp; Charles
</ul>
<form method="post" action="/pictures" enctype="multipart/form-data">
<input name="caption" placeholder="Caption" required>
<input name="file" type="file" required>
<button>Add</button>
</form>
<form method="post" action="/sign-out"><button>Sign out, Ada &amp; Charles</button></form>
"""


def album_page(body: str, *cookies: str) -> Result:
    return answer(HTML, body, *cookies, server="gunicorn", vary="Cookie")


def to_album(cookie: str) -> Result:
    """werkzeug's redirect, with a page for whoever does not follow it."""
    page = (
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be "
        'redirected automatically to the target URL: <a href="/">/</a>. If not, click the link.\n'
    )
    return answer(HTML, page, cookie, status=303, server="gunicorn", vary="Cookie", location="/")


def uploaded_picture() -> bytes:
    """The file in the multipart body of the upload event: a PNG, which no text encoding would survive."""
    body = base64.b64decode(read_event("flask_site", "3_upload")["body"])
    return body[body.index(b"\x89PNG") : body.index(b"\r\n------album-boundary-3d9a--\r\n")]


def album_story() -> dict[str, Result]:
    picture = uploaded_picture()
    return {
        "1_home": album_page(EMPTY_ALBUM),
        "2_sign_in": to_album(SESSION),
        "3_upload": to_album(SESSION),
        "4_album": album_page(ALBUM, SESSION),  # once more, because the message in it was shown
        "5_download": {
            "statusCode": 200,
            "headers": {
                "accept-ranges": "bytes",
                "cache-control": "no-cache",
                "content-disposition": "attachment; filename=sea.png",
                "content-length": str(len(picture)),
                "content-type": "application/octet-stream",
                "date": "(now)",
                "server": "gunicorn",
            },
            "cookies": [],
            "body": base64.b64encode(picture).decode(),
            "isBase64Encoded": True,
        },
        "6_sign_out": to_album(NO_SESSION),
    }


def test_the_flask_site_answers_its_events_in_their_order(start: Start) -> None:
    assert tell(start("flask_site"), "flask_site", *event_names("flask_site")) == album_story()


def test_the_flask_site_knows_a_session_of_another_environment(start: Start) -> None:
    signed_in = start("flask_site")(read_event("flask_site", "2_sign_in"), None)
    session = signed_in["cookies"][0].partition(";")[0]
    page = start("flask_site")(read_event("flask_site", "1_home") | {"cookies": [session]}, None)
    assert "Sign out, Ada &amp; Charles" in page["body"]


def test_the_flask_site_takes_no_picture_without_a_session(start: Start) -> None:
    handler = start("flask_site")
    assert handler(read_event("flask_site", "3_upload"), None)["statusCode"] == 403
    assert tell(handler, "flask_site", "1_home") == {"1_home": album_page(EMPTY_ALBUM)}


def test_the_flask_sites_links_have_the_stage_of_a_rest_api(start: Start) -> None:
    event = read_event("hello", "rest_api") | {"path": "/", "multiValueQueryStringParameters": None}
    event["requestContext"]["path"] = "/prod/"
    page = start("flask_site")(event, None)
    assert (page["statusCode"], page["body"]) == (200, EMPTY_ALBUM.replace("/sign-in", "/prod/sign-in"))


FORM = """<!doctype html>
<title>Word counts</title>
<form method="post" action="/"><textarea name="text" required></textarea><button>Count</button></form>
"""


def word_counts(*rows: tuple[str, int]) -> str:
    return f"{FORM}<table>{''.join(f'<tr><td>{escape(word)}<td>{times}' for word, times in rows)}</table>"


NODE_STORY = {
    "1_home": answer(HTML, FORM),
    "2_count_by_form": answer(HTML, word_counts(("<em>", 2), ("time", 2), ("after", 1))),
    "3_count_by_api": answer("application/json", '{"über":2,"dem":1,"den":1,"meer":1,"wolken":1}'),
    "4_about": answer("application/json", '{"function":null,"request":"0a1b2c3d-4e5f-4a6b-9c8d-7e6f5a4b3c2d"}'),
}


@needs_node
def test_the_node_site_answers_its_events(start: Start) -> None:
    assert tell(start("node_site"), "node_site", *event_names("node_site")) == NODE_STORY


@needs_node
def test_the_node_site_knows_its_function_from_the_context_alone(start: Start) -> None:
    context: Any = SimpleNamespace(function_name="word-counts")
    about = start("node_site")(read_event("node_site", "4_about"), context)
    assert json.loads(about["body"])["function"] == "word-counts"


@needs_node
def test_the_node_site_has_no_other_page(start: Start) -> None:
    event = read_event("node_site", "1_home")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/elsewhere"
    result = start("node_site")(event, None)
    assert (result["statusCode"], result["body"]) == (404, "No such page\n")


def test_the_image_of_the_node_site_has_its_files() -> None:
    folder = SAMPLE_APPS / "node_site"
    copied = re.findall(r"^COPY (.+) \S+$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    assert sorted(" ".join(copied).split()) == ["*.whl", "app.py", "requirements.txt", "server.js"]
    assert [name for name in " ".join(copied).split() if "*" not in name and not (folder / name).is_file()] == []


@pytest.mark.parametrize("app", ["flask_site", pytest.param("node_site", marks=needs_node)])
def test_the_code_in_the_readme_answers_every_event(app: str, environ: dict[str, str]) -> None:
    code = re.search(r'^python -c "\n(.+?)^"$', (SAMPLE_APPS / app / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert code is not None
    done = subprocess.run(
        [sys.executable, "-c", code[1]],
        cwd=SAMPLE_APPS / app,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
    )
    lines = [line.partition(" {'statusCode': ") for line in done.stdout.splitlines()]
    assert (done.returncode, [line[0] for line in lines]) == (0, event_names(app))
    assert {line[2][:3] for line in lines} <= {"200", "303"}
