"""Bridge in front of a WSGI application: what is as with ASGI, and what is different."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from wsgiref.validate import validator

import pytest

from bridge import Bridge, Settings
from bridge.errors import ApplicationCancelled, ConfigurationError
from bridge.init_phase import Runtime, set_runtime
from tests.cases import every_case
from tests.events import BASES, load
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

MakeEvent = Callable[..., dict[str, Any]]

PAIRS = [("Content-Type", "text/plain")]


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", PAIRS)
    return [b"hello"]


def shown(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with the facts of the request that every source has."""
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_COOKIE", "wsgi.url_scheme")
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "application/json")])
    facts = {name: environ.get(name, "") for name in names}
    return [json.dumps(facts | {"body": body.decode(), "event": environ["aws.event"]["mark"]}).encode()]


@every_case("name", BASES)
def test_every_source_reaches_the_application(name: str) -> None:
    event = load(name) | {"mark": "mine"}
    with closing(Bridge(validator(shown), interface="wsgi")) as handler:
        result = handler(event, None)
    facts = json.loads(result["body"])
    assert (facts["REQUEST_METHOD"], facts["event"]) == ("POST", "mine")
    assert (facts["SCRIPT_NAME"] + facts["PATH_INFO"]).endswith("/orders/caf\u00c3\u00a9")
    assert facts["PATH_INFO"] == "/orders/caf\u00c3\u00a9"
    assert "tag=b" in facts["QUERY_STRING"]
    assert len(facts["body"]) == 10


@every_case(
    ("settings", "path", "expected"),
    [
        (Settings(base_path="/api"), "/api/x", ("", "/x")),
        (Settings(root_path="/mounted"), "/x", ("/mounted", "/x")),
        (Settings(), "/x", ("", "/x")),
    ],
)
def test_a_root_path_is_the_script_name_and_a_base_path_is_not(
    settings: Settings, path: str, expected: tuple[str, str]
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", PAIRS)
        return [repr((environ["SCRIPT_NAME"], environ["PATH_INFO"])).encode()]

    event = load("function_url", rawPath=path)
    with closing(Bridge(app, settings=settings)) as handler:
        assert handler(event, None)["body"] == repr(expected)


def test_the_application_runs_in_the_thread_that_calls_the_handler(make_event: MakeEvent) -> None:
    connection = sqlite3.connect(":memory:")  # which belongs to this thread

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", PAIRS)
        return [str(connection.execute("SELECT 1 + 1").fetchone()[0]).encode()]

    with closing(Bridge(app)) as handler:
        assert [handler(make_event(), None)["body"] for _ in range(3)] == ["2", "2", "2"]
    connection.close()


def test_calls_from_several_threads_take_turns_each_in_its_own(
    make_event: MakeEvent, in_thread: Callable[..., Any]
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", PAIRS)
        return [str(threading.get_ident()).encode()]

    with closing(Bridge(app)) as handler:

        def call() -> bool:
            return str(handler(make_event(), None)["body"]) == str(threading.get_ident())

        calls = [in_thread(call) for _ in range(8)]
        assert [each.result(30) for each in calls] == [True] * 8


def test_one_handler_serves_sync_calls_and_any_event_loop(make_event: MakeEvent) -> None:
    with closing(Bridge(hello)) as handler:
        for _ in range(2):
            assert handler(make_event(), None)["body"] == "hello"
            assert asyncio.run(handler.handle(make_event(), None))["body"] == "hello"


def test_an_application_may_be_a_class(make_event: MakeEvent) -> None:
    """PEP 3333 has such an example: an instance is the iterable of one response."""

    class App:
        def __init__(self, environ: dict[str, Any], start_response: Any) -> None:
            start_response("200 OK", PAIRS)

        def __iter__(self) -> Iterator[bytes]:
            yield b"hello"

    with closing(Bridge(App)) as handler:
        assert handler(make_event(), None)["body"] == "hello"


def test_a_handler_inside_an_application_of_another_one(make_event: MakeEvent) -> None:
    with closing(Bridge(hello)) as inner:

        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", PAIRS)
            return [str(inner(make_event(), None)["body"]).upper().encode(), b"!"]

        with closing(Bridge(app)) as outer:
            assert outer(make_event(), None)["body"] == "HELLO!"


def test_a_stream_has_the_parts_as_they_are_yielded(make_event: MakeEvent) -> None:
    made: list[int] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [*PAIRS, ("Set-Cookie", "a=1")])
        for number in range(2):
            made.append(number)
            yield b"%d" % number

    async def main() -> None:
        async with Bridge(app) as handler, handler.stream(make_event(), None) as response:
            assert response.prelude == {
                "statusCode": 200,
                "headers": {"content-type": "text/plain"},
                "cookies": ["a=1"],
            }
            assert [(part, len(made)) async for part in response.body] == [(b"0", 1), (b"1", 2)]

    asyncio.run(main())


def test_a_failure_is_logged_with_its_request_and_answered(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PAIRS)
        yield b"begun"
        raise ValueError("own")

    with closing(Bridge(app)) as handler:
        assert handler(make_event(path="/orders"), None)["statusCode"] == 500
    assert_logged(caplog, ("ERROR", "GET /orders", "ValueError", "own"))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_passes(make_event: MakeEvent, error: BaseException) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise error

    with closing(Bridge(app)) as handler, pytest.raises(type(error)):
        handler(make_event(), None)


def test_a_runtime_with_several_slots_gets_threads(make_event: MakeEvent) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", PAIRS)
        is_here = threading.current_thread() is threading.main_thread()
        return [repr((is_here, environ["wsgi.multithread"], environ["wsgi.multiprocess"])).encode()]

    answers = []
    for runtime in (Runtime(), Runtime(slots=2), Runtime(workers=2)):
        set_runtime(runtime)
        try:
            with closing(Bridge(app)) as handler:
                answers.append(handler(make_event(), None)["body"])
        finally:
            set_runtime(Runtime())
    assert answers == ["(True, False, False)", "(False, True, False)", "(True, False, True)"]


REFUSED: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"lifespan": "on"}, ("WSGI", "lifespan='on'")),
    ({"snapshot": "restart-lifespan"}, ("WSGI", "restart-lifespan")),
    ({"settings": Settings(mode="proxy", app="shop:app")}, ("WSGI", "Proxy(['gunicorn', 'shop:app']")),
    ({"settings": Settings(mode="proxy")}, ("WSGI", "Proxy(['gunicorn',")),
    ({"interface": "asgi"}, ("ASGI", "WSGI")),
    ({"interface": "rsgi"}, ("interface is 'rsgi'", "'wsgi'")),
]


@every_case(("options", "facts"), REFUSED)
def test_an_option_that_a_wsgi_application_cannot_have_is_refused(
    options: dict[str, Any], facts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Bridge(hello, **options)
    assert [fact for fact in facts if fact not in str(caught.value)] == []


def test_a_cancellation_that_a_wsgi_application_raises_is_its_failure(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise asyncio.CancelledError

    with closing(Bridge(app)) as handler:
        assert handler(load("function_url"), None)["statusCode"] == 500
    assert_logged(caplog, ("ERROR", str(ApplicationCancelled())))
