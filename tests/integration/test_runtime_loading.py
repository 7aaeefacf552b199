"""What `python -m bridge.runtime` takes the objects of real frameworks for."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.wsgi import WsgiToAsgi
from django.core.handlers.asgi import ASGIHandler  # type: ignore[import-untyped]
from django.core.handlers.wsgi import WSGIHandler  # type: ignore[import-untyped]
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from quart import Quart
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles

from bridge import Bridge
from bridge.errors import HandlerNotLoaded
from bridge.runtime.loading import HANDLER, classify


def flask() -> Flask:
    return Flask("shop")


def without_settings(handler: type[Any]) -> Any:
    """What Django makes of its settings, of which one process has one set, matters only once it is called."""
    return object.__new__(handler)


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "Starlette": Starlette,
    "FastAPI": FastAPI,
    "FastAPI with middleware": lambda: SessionMiddleware(CORSMiddleware(FastAPI()), secret_key="x"),
    "Litestar": lambda: Litestar([]),
    "Quart": lambda: Quart("shop"),
    "Django": lambda: without_settings(ASGIHandler),
    "Flask in asgiref's adapter": lambda: WsgiToAsgi(flask()),  # type: ignore[no-untyped-call]
    "router": lambda: Router([Mount("/", Starlette())]),
    "files": lambda: StaticFiles(directory="/"),
}

WSGI: dict[str, Callable[[], Any]] = {
    "Flask": flask,
    "the method that a middleware wraps": lambda: flask().wsgi_app,
    "Django": lambda: without_settings(WSGIHandler),
}


@pytest.fixture
def handlers() -> Iterator[list[Bridge]]:
    made: list[Bridge] = []
    yield made
    for handler in made:
        handler.close()


@pytest.mark.parametrize("make", APPLICATIONS.values(), ids=APPLICATIONS)
def test_an_asgi_application_gets_a_bridge_around_it(handlers: list[Bridge], make: Callable[[], Any]) -> None:
    found = make()
    kind, handler = classify(found, "main:app")
    handlers.append(handler)
    assert (kind, type(handler), handler.app) == (HANDLER, Bridge, found)


@pytest.mark.parametrize("make", WSGI.values(), ids=WSGI)
def test_a_wsgi_application_is_refused_with_what_serves_it(make: Callable[[], Any]) -> None:
    with pytest.raises(HandlerNotLoaded, match=r"it is a WSGI application\. Serve that with 'python -m .* main:app'\."):
        classify(make(), "main:app")
