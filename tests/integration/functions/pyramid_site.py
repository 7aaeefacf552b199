"""A Pyramid site."""

from typing import Any

from pyramid.config import Configurator  # type: ignore[import-untyped]
from pyramid.response import Response  # type: ignore[import-untyped]


def item(request: Any) -> Any:
    return {"name": request.matchdict["name"], "url": request.url}


def echo(request: Any) -> Any:
    return Response(request.body, content_type="application/octet-stream")


with Configurator() as config:
    config.add_route("item", "/items/{name}")
    config.add_view(item, route_name="item", renderer="json")
    config.add_route("echo", "/echo")
    config.add_view(echo, route_name="echo", request_method="POST")
    config.add_static_view("file", ".")
    app = config.make_wsgi_app()
