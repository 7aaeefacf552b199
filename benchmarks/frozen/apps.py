"""One application as ASGI and as WSGI: it notes each request in a file, and answers with its process id."""

import os
from collections.abc import Callable, Iterable
from typing import Any

_log = os.open(os.environ["FREEZES_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _answer(path: str) -> bytes:
    os.write(_log, f"{path.lstrip('/')}\n".encode())
    return str(os.getpid()).encode()


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = _answer(scope["path"])
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = _answer(environ["PATH_INFO"])
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
