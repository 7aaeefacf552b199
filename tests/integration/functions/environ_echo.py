"""A WSGI application that answers with its environ and the request's body."""

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["app"]


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    seen = {name: value for name, value in environ.items() if isinstance(value, str | bool | tuple)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([seen, body.decode("latin-1")]).encode()]
