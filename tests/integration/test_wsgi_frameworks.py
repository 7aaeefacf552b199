"""Flask, Django, Bottle and Pyramid in the function's own process, behind a REST API with a stage."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bottle  # type: ignore[import-untyped]
import httpx
import pytest
from flask import Flask, Response, g, request, session, stream_with_context, url_for

from bridge import Bridge
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes

from .frameworks.gateways import HOST, STAGED

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

FUNCTIONS = Path(__file__).parent / "functions"

BINARY = bytes(range(256))
STAGE = STAGED.service.stage

Ask = Callable[..., httpx.Response]
AskRuntime = Callable[[str], Ask]


class Browser:
    """A client that keeps its cookies. `answer`: from an event to a result."""

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._answer = answer
        self._cookies = httpx.Cookies()

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        sent = STAGED.request(method, path, cookies=self._cookies, **options)
        response = STAGED.response(self._answer(STAGED.event(sent)), sent)
        response.request = sent
        self._cookies.extract_cookies(response)
        return response


def bridged(app: Any) -> Iterator[Ask]:
    with closing(Bridge(app)) as handler:
        yield Browser(lambda event: handler(event, None))


@pytest.fixture
def ask_runtime(api: RuntimeDouble, start_runtime: Runtimes) -> AskRuntime:
    """Return a function that serves an application of FUNCTIONS in a process of its own, under the runtime."""

    def serve(name: str) -> Ask:
        start_runtime(FUNCTIONS, name)
        return Browser(lambda event: api.invoke(event).answer().json)

    return serve


# Flask.


def make_flask() -> Flask:
    app = Flask("shop")
    app.secret_key = "of the test"
    steps: list[str] = app.extensions.setdefault("steps", [])

    @app.route("/items/<name>")
    def item(name: str) -> Any:
        return {"name": name, "link": url_for("item", name="tea", _external=True), "root": request.root_path}

    @app.post("/echo")
    def echo() -> Any:
        return Response(request.get_data(), mimetype=request.mimetype)

    @app.post("/upload")
    def upload() -> Any:
        file = request.files["file"]
        return {"title": request.form["title"], "name": file.filename, "size": len(file.read())}

    @app.route("/count")
    def count() -> Any:
        session["visits"] = session.get("visits", 0) + 1
        return {"visits": session["visits"]}

    @app.route("/async")
    async def view() -> Any:
        await asyncio.sleep(0)
        return {"is": "async"}

    @app.route("/stream")
    def stream() -> Any:
        g.name = "tea"

        def parts() -> Iterator[str]:
            for number in range(3):
                yield f"{request.path} {g.name} {number}\n"

        response = Response(stream_with_context(parts()), mimetype="text/plain")
        response.call_on_close(lambda: steps.append("closed"))
        return response

    @app.route("/boom")
    def boom() -> Any:
        raise RuntimeError("own")

    return app


@pytest.fixture
def flask() -> Flask:
    return make_flask()


@pytest.fixture
def ask_flask(flask: Flask) -> Iterator[Ask]:
    yield from bridged(flask)


def test_flask_routes_and_makes_links_under_the_stage(ask_flask: Ask) -> None:
    link = f"https://{HOST}{STAGE}/items/tea"
    assert ask_flask("GET", "/items/caf%C3%A9").json() == {"name": "café", "link": link, "root": STAGE}
    assert ask_flask("GET", "/items/100%25").json()["name"] == "100%"
    assert ask_flask("GET", "/nowhere").status_code == 404


def test_flask_gets_bodies_to_the_byte(ask_flask: Ask) -> None:
    headers = {"content-type": "application/octet-stream"}
    assert ask_flask("POST", "/echo", content=BINARY, headers=headers).content == BINARY
    files = {"file": ("bild-äöü.png", BINARY * 5000, "image/png")}
    response = ask_flask("POST", "/upload", data={"title": "Grüße"}, files=files)
    assert response.json() == {"title": "Grüße", "name": "bild-äöü.png", "size": 1_280_000}


def test_flask_keeps_its_sessions(ask_flask: Ask) -> None:
    assert [ask_flask("GET", "/count").json()["visits"] for _ in range(3)] == [1, 2, 3]


def test_flask_runs_async_views(ask_flask: Ask) -> None:
    assert ask_flask("GET", "/async").json() == {"is": "async"}


def test_flask_streams_with_its_request_and_is_closed(flask: Flask, ask_flask: Ask) -> None:
    assert ask_flask("GET", "/stream").text == "".join(f"/stream tea {number}\n" for number in range(3))
    assert flask.extensions["steps"] == ["closed"]
    assert ask_flask("HEAD", "/stream").content == b""
    assert flask.extensions["steps"] == ["closed", "closed"]


def test_flask_answers_its_own_failures(ask_flask: Ask) -> None:
    assert ask_flask("GET", "/boom").status_code == 500


# Bottle and Pyramid, whose modules warn at their import.


def make_bottle() -> Any:
    app = bottle.Bottle()

    @app.get("/items/<name>")  # type: ignore[untyped-decorator]
    def item(name: str) -> Any:
        return {"name": name, "url": bottle.request.url}

    @app.post("/echo")  # type: ignore[untyped-decorator]
    def echo() -> Any:
        bottle.response.content_type = "application/octet-stream"
        return bottle.request.body.read()

    @app.get("/file/<name>")  # type: ignore[untyped-decorator]
    def file(name: str) -> Any:
        return bottle.static_file(name, root=FUNCTIONS)

    return app


def test_bottle_answers_as_under_a_server() -> None:
    for ask in bridged(make_bottle()):
        check_site(ask)


def test_pyramid_answers_as_under_a_server(ask_runtime: AskRuntime) -> None:
    check_site(ask_runtime("pyramid_site:app"))


def check_site(ask: Ask) -> None:
    url = f"https://{HOST}{STAGE}/items/caf%C3%A9?a=1"
    assert ask("GET", "/items/caf%C3%A9?a=1").json() == {"name": "café", "url": url}
    assert ask("POST", "/echo", content=BINARY).content == BINARY
    assert ask("GET", "/file/django_site.py").text.startswith('"""A Django site')  # by wsgi.file_wrapper
    assert ask("GET", "/nowhere").status_code == 404


# Django.


def test_django_has_its_admin_sessions_csrf_protection_and_static_files(ask_runtime: AskRuntime) -> None:
    ask_django = ask_runtime("django_site:app")
    login = ask_django("GET", "/admin/").headers["location"]
    assert login == f"{STAGE}/admin/login/?next={STAGE}/admin/"
    page = ask_django("GET", login.removeprefix(STAGE))
    [token] = re.findall('name="csrfmiddlewaretoken" value="(.*?)"', page.text)
    form = {"username": "ada", "password": "of the test", "next": f"{STAGE}/admin/"}
    referer = {"referer": f"https://{HOST}{login}"}
    assert ask_django("POST", "/admin/login/", data=form, headers=referer).status_code == 403  # without the token
    answer = ask_django("POST", "/admin/login/", data={**form, "csrfmiddlewaretoken": token}, headers=referer)
    assert (answer.status_code, answer.headers.get("location")) == (302, f"{STAGE}/admin/")
    page = ask_django("GET", "/admin/")
    assert "Site administration" in page.text
    [style, *_] = re.findall(r'<link rel="stylesheet" href="(.*?base\.css)"', page.text)
    assert style.startswith(f"{STAGE}/static/")
    answer = ask_django("GET", style.removeprefix(STAGE))
    assert (answer.status_code, answer.headers["content-type"]) == (200, 'text/css; charset="utf-8"')

    assert [ask_django("GET", "/count").json()["visits"] for _ in range(2)] == [1, 2]
    assert ask_django("GET", "/count?a=1").json()["url"] == f"https://{HOST}{STAGE}/count?a=1"
    assert ask_django("GET", "/users").json() == {"users": ["ada"]}
    assert ask_django("GET", "/stream").text == "ada\n"
