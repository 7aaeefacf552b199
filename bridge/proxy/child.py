"""The program of the child process of BRIDGE_MODE=proxy: uvicorn, which serves the application."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import operator
import signal
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from bridge._messages import MAX_METHOD, MAX_PATH
from bridge.application import Bridge
from bridge.asgi.lifespan import make_lifespan
from bridge.proxy.headers import CONNECTION_HEADER
from bridge.settings import set_trace_id

if TYPE_CHECKING:
    from bridge._types import ASGIApp, Lifespan, LifespanMode, Message, Receive, Scope, Send

__all__ = ["ChildApplication", "main"]

logger = logging.getLogger("bridge")


def main(name: str, uds: str, lifespan: LifespanMode) -> None:
    """Serve the application that `name` ("module:attribute") names, on the socket `uds`, until SIGTERM."""
    # Lambda's runtime gives the root logger a handler before it imports the function, and applications rely on that.
    logging.basicConfig(format="[%(levelname)s]\t%(asctime)s\t%(message)s")
    app = load(name)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # uvicorn sends itself the signal once more when it has stopped. This way the shutdown follows, and status 0.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asyncio.run(_serve(app, uds, make_lifespan(app, lifespan)))


def load(name: str) -> ASGIApp:
    """Import the application; of a Bridge, the application in it. Exits with a message if there is none."""
    module_name, _, attribute = name.partition(":")
    module = importlib.import_module(module_name)
    try:
        found = operator.attrgetter(attribute)(module)
    except AttributeError:
        sys.exit(
            f"Expected {attribute!r} in the module {module_name!r} ({getattr(module, '__file__', 'no file')}), but it "
            "has none. Set BRIDGE_APP to the name of the application, such as 'main:app'."
        )
    app: Any = found.app if isinstance(found, Bridge) else found
    return cast("ASGIApp", app)


async def _serve(app: ASGIApp, uds: str, lifespan: Lifespan) -> None:
    """Run the lifespan as in process, and uvicorn in between."""
    await lifespan.startup()
    config = uvicorn.Config(
        ChildApplication(app, lifespan),
        uds=uds,
        lifespan="off",
        http="h11",  # accepts every method, as the handler does in process
        ws="none",
        log_config=None,  # the application's own
        log_level="warning",
        access_log=False,
        # The answer is the application's own, and the client is the one in CONNECTION_HEADER.
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        await lifespan.shutdown()


class ChildApplication:
    """An application around `app` that makes the scope of the in-process mode from the headers of the parent."""

    def __init__(self, app: ASGIApp, lifespan: Lifespan) -> None:
        self._app = app
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        connection = json.loads(headers[CONNECTION_HEADER])
        set_trace_id(headers.get(b"x-amzn-trace-id", b"").decode("latin-1"))
        entries = {
            **scope,
            **connection,
            "client": _address(connection["client"]),
            "server": _address(connection["server"]),
            "headers": [pair for pair in scope["headers"] if pair[0] != CONNECTION_HEADER],
            "aws.context": lambda_context(headers.get(b"x-amzn-lambda-context")),
        }
        if self._lifespan.state is not None:
            entries["state"] = self._lifespan.state.copy()
        sent = _Sent(send)
        try:
            await self._app(entries, receive, sent.send)  # a scope of its own: uvicorn still needs the one that it made
        except (Exception, SystemExit) as exc:  # uvicorn does not end for the second
            path = ascii(scope["raw_path"][:MAX_PATH].decode("latin-1"))[1:-1]
            logger.error("%s %s: %s", scope["method"][:MAX_METHOD], path, sent.describe(exc))
            raise  # uvicorn logs the traceback, and answers


class _Sent:
    """What the application has sent, for a log line."""

    __slots__ = ("_is_complete", "_send", "_status_code")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status_code = 0
        self._is_complete = False

    async def send(self, message: Message) -> None:
        await self._send(message)
        self._status_code = message.get("status", self._status_code)
        self._is_complete = message["type"] == "http.response.body" and not message.get("more_body")

    def describe(self, error: BaseException) -> str:
        """Tell the failure of a route, and of a background task after its response."""
        name = type(error).__name__
        if not self._is_complete:
            return f"The application raised {name}."
        if self._status_code >= 500:
            return f"The application answered {self._status_code}, and raised {name}."
        return f"The application raised {name} after its response was complete."


def _address(value: list[Any] | None) -> tuple[Any, ...] | None:
    return None if value is None else tuple(value)


def lambda_context(header: bytes | None) -> SimpleNamespace | None:
    """Return a context with awslambdaric's attributes, made from x-amzn-lambda-context; None without that header."""
    if header is None:
        return None
    facts = json.loads(header)
    environment, identity = facts["env_config"], facts["identity"] or {}
    context = SimpleNamespace(
        aws_request_id=facts["request_id"],
        invoked_function_arn=facts["invoked_function_arn"],
        tenant_id=facts["tenant_id"],
        function_name=environment["function_name"],
        function_version=environment["version"],
        memory_limit_in_mb=environment["memory"],
        log_group_name=environment["log_group"],
        log_stream_name=environment["log_stream"],
        client_context=_client_context(facts["client_context"]),
        identity=SimpleNamespace(
            cognito_identity_id=identity.get("identity_id"),
            cognito_identity_pool_id=identity.get("identity_pool_id"),
        ),
    )
    deadline = facts["deadline"]
    if deadline is not None:
        context.get_remaining_time_in_millis = lambda: max(0, int(deadline - time.time() * 1000))
    return context


def _client_context(facts: dict[str, Any] | None) -> SimpleNamespace | None:
    if facts is None:
        return None
    client = facts["client"]
    return SimpleNamespace(**facts | {"client": None if client is None else SimpleNamespace(**client)})
