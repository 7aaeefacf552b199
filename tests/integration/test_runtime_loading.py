"""What `Bridge` and `python -m bridge.runtime` take the objects of real frameworks for."""

from typing import Any

from asgiref.wsgi import WsgiToAsgi
from django.core.handlers.asgi import ASGIHandler  # type: ignore[import-untyped]
from django.core.handlers.wsgi import WSGIHandler  # type: ignore[import-untyped]
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from quart import Quart
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles

from bridge import Bridge
from bridge.runtime.loading import HANDLER, classify


def without_settings(handler: type[Any]) -> Any:
    """Django's settings, of which a process has one set, matter only once the handler is called."""
    return object.__new__(handler)


def test_an_asgi_application_gets_a_bridge_around_it() -> None:
    applications = [
        Starlette(),
        FastAPI(),
        SessionMiddleware(CORSMiddleware(FastAPI()), secret_key="x"),
        Litestar([]),
        Quart("shop"),
        without_settings(ASGIHandler),
        WsgiToAsgi(Flask("shop")),  # type: ignore[no-untyped-call]
        Router([Mount("/", Starlette())]),
        StaticFiles(directory="/"),
        SentryAsgiMiddleware(Starlette()),
    ]
    for found in applications:
        kind, handler = classify(found, "main:app")
        assert (kind, type(handler), handler.app) == (HANDLER, Bridge, found)
        handler.close()


def test_a_wsgi_application_gets_a_bridge() -> None:
    flask = Flask("shop")
    for found in (flask, flask.wsgi_app, without_settings(WSGIHandler), SentryWsgiMiddleware(flask)):
        kind, handler = classify(found, "main:app")
        assert (kind, type(handler), handler.app) == (HANDLER, Bridge, found)
        handler.close()
