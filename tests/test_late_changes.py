"""What is registered on an application below the line that makes the handler, with a runtime that starts it there."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from bridge.init_phase import Runtime, set_runtime
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

MakeEvent = Callable[..., dict[str, Any]]


def endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse("fine")


def change_nothing(app: Starlette) -> None:
    pass


def add_a_route(app: Starlette) -> None:
    app.router.routes.append(Route("/more", endpoint))


def add_an_error_handler(app: Starlette) -> None:
    app.exception_handlers[404] = endpoint


def replace_the_lifespan(app: Starlette) -> None:
    app.router.lifespan_context = Starlette().router.lifespan_context


def change_what_no_startup_reads(app: Starlette) -> None:
    app.state.number = 1
    app._private = [1]  # type: ignore[attr-defined]


WARNED = [
    (change_nothing, ""),
    (add_a_route, "router.routes"),
    (add_an_error_handler, "exception_handlers"),
    (replace_the_lifespan, "router.lifespan_context"),
    (change_what_no_startup_reads, ""),
]


def serve(app: Any, change: Callable[[], None], event: dict[str, Any], **options: Any) -> None:
    handler = Bridge(app, **options)
    change()
    for _ in range(2):
        assert handler(event, None)["statusCode"] == 200
    handler.close()


@pytest.fixture
def _in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")


@pytest.mark.usefixtures("_in_lambda")
@every_case(("change", "changed"), WARNED)
def test_the_first_call_warns_once_of_what_came_too_late(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, change: Callable[[Starlette], None], changed: str
) -> None:
    for wrap in (lambda app: app, CORSMiddleware):
        caplog.clear()
        app = Starlette(routes=[Route("/", endpoint)])
        serve(wrap(app), lambda app=app: change(app), make_event())  # type: ignore[misc]
        assert_logged(caplog, *[("WARNING", changed, "after its startup", "put it last")] * bool(changed))


@pytest.mark.usefixtures("_in_lambda")
def test_an_application_that_is_not_started_there_may_be_changed(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = Starlette(routes=[Route("/", endpoint)])
    serve(app, lambda: add_a_route(app), make_event(), lifespan="off")
    set_runtime(Runtime(startups=[]))
    try:
        serve(app, lambda: add_a_route(app), make_event())
    finally:
        set_runtime(Runtime())
    assert_logged(caplog)


class Guarded:
    """A proxy whose object is not there yet, as of werkzeug, which an application may hold, too."""

    def __init__(self) -> None:
        self.proxy = Unbound()

    @property
    def router(self) -> object:
        raise RuntimeError("not yet")

    app = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, part(b"fine"))(scope, receive, send)


class Unbound:
    __class__ = property(lambda self: 1 / 0)


@pytest.mark.usefixtures("_in_lambda")
def test_an_application_whose_attributes_raise_is_served(make_event: MakeEvent) -> None:
    serve(Guarded(), lambda: None, make_event())


def test_outside_of_lambda_the_startup_comes_with_the_first_call(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = Starlette(routes=[Route("/", endpoint)])
    serve(app, lambda: add_a_route(app), make_event())
    assert_logged(caplog)
