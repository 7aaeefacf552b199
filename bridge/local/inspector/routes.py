"""The URLs of the inspector. What only looks is a GET; what acts is a POST, and redirects to what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast, get_args

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from bridge.local.inspector import actions
from bridge.local.inspector.answers import base_of, download, failed, form_of, html, refusal, static_file
from bridge.local.inspector.compare_page import compare_page, compare_sections
from bridge.local.inspector.detail_page import detail_page, detail_sections
from bridge.local.inspector.elements import Markup
from bridge.local.inspector.feed import changes
from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.list_page import list_page, list_sections
from bridge.local.inspector.responses import body_of, is_over, log_of
from bridge.local.inspector.saved_page import saved_page
from bridge.local.inspector.saved_test import SavedTest, saved_test
from bridge.local.inspector.search import Search
from bridge.local.inspector.send_page import Draft, draft_of, send_page
from bridge.local.invocation import Invocation
from bridge.testing.messages import Refused
from bridge.testing.services import ServiceName

__all__ = ["Routes"]

Answer = Callable[[Request], Awaitable[Response]]


def _missing() -> HTTPException:
    return HTTPException(404, "This page does not exist, or the invocation is one of the oldest, which are not kept.")


class Routes:
    """`is_closing`: whether the feeds end."""

    def __init__(self, gateway: Inspected, is_closing: Callable[[], bool]) -> None:
        self._gateway = gateway
        self._is_closing = is_closing

    def table(self) -> list[BaseRoute]:
        one = "/invocations/{id}"
        gets: dict[str, Answer] = {
            "/": self._list,
            "/feed": self._list_feed,
            "/send": self._send_form,
            one: self._detail,
            f"{one}/feed": self._detail_feed,
            f"{one}/event.json": self._event,
            f"{one}/result": self._result,
            f"{one}/body": self._body,
            f"{one}/log.txt": self._log,
            f"{one}/compare": self._compare,
            f"{one}/compare/feed": self._compare_feed,
            f"{one}/test": self._test,
            f"{one}/test.py": self._test_code,
            "/static/{name}": static_file,
        }
        posts: dict[str, Answer] = {
            "/send": self._send,
            f"{one}/replay": self._replay,
            "/environments/{action}": self._environments,
        }
        routes: list[BaseRoute] = [Route(path, answer) for path, answer in gets.items()]
        return [*routes, *(Route(path, answer, methods=["POST"]) for path, answer in posts.items())]

    def errors(self) -> dict[Any, Callable[[Request, Any], Awaitable[Response]]]:
        """Return the pages of what cannot be answered, by exceptions."""
        return {HTTPException: failed, Exception: failed}

    def _invocation(self, id: str) -> Invocation:
        invocation = self._gateway.history.get(id)
        if invocation is None:
            raise _missing()
        return invocation

    def _feed(
        self, request: Request, render: Callable[[], Mapping[str, Markup]], is_over: Callable[[], bool]
    ) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        stream = changes(self._gateway.history, render, is_over=is_over, is_closing=self._is_closing)
        return StreamingResponse(stream, media_type="text/event-stream")

    # The list.

    async def _list(self, request: Request) -> Response:
        return html(list_page(self._gateway, Search.of(request.query_params), base=base_of(request)))

    async def _list_feed(self, request: Request) -> Response:
        search, base = Search.of(request.query_params), base_of(request)
        return self._feed(request, lambda: list_sections(self._gateway, search, base=base), lambda: False)

    async def _environments(self, request: Request) -> Response:
        gateway = self._gateway
        steps = {"cold-start": gateway.cold_start, "freeze": gateway.freeze, "restore": gateway.restore}
        step = steps.get(request.path_params["action"])
        if step is None:
            raise _missing()
        try:
            await step()
        except ValueError as exc:
            raise HTTPException(409, str(exc)) from None
        return _see(f"{base_of(request)}/{Search.of(request.query_params).query()}")

    # One invocation.

    async def _detail(self, request: Request) -> Response:
        invocation = self._invocation(request.path_params["id"])
        return html(detail_page(self._gateway, invocation, base=base_of(request)))

    async def _detail_feed(self, request: Request) -> Response:
        invocation, base = self._invocation(request.path_params["id"]), base_of(request)
        return self._feed(request, lambda: detail_sections(invocation, base=base), lambda: is_over(invocation))

    async def _event(self, request: Request) -> Response:
        saved = self._saved(request)
        return download(f"{saved.name}.json", saved.event.encode("utf-8", "backslashreplace"))

    async def _result(self, request: Request) -> Response:
        return download("result", bytes(self._invocation(request.path_params["id"]).result))

    async def _body(self, request: Request) -> Response:
        return download("body", body_of(self._invocation(request.path_params["id"]))[0])

    async def _log(self, request: Request) -> Response:
        log = log_of(self._invocation(request.path_params["id"]))
        return download("log.txt", log.encode("utf-8", "backslashreplace"))

    async def _replay(self, request: Request) -> Response:
        invocation = self._invocation(request.path_params["id"])
        source = (await form_of(request)).get("source")
        if source is not None and source not in get_args(ServiceName):
            raise HTTPException(400, f"There is no source {source!r}.")
        try:
            begun = await actions.replay(self._gateway, invocation, cast("ServiceName | None", source))
        except Refused as exc:
            raise HTTPException(409, refusal(exc)) from None
        except (KeyError, ValueError) as exc:
            raise HTTPException(409, str(exc)) from None
        return _begun(begun, base_of(request), "/compare" if source else "")

    # Two invocations.

    def _pair(self, request: Request) -> tuple[Invocation, Invocation]:
        second = self._invocation(request.path_params["id"])
        return self._invocation(request.query_params.get("with") or second.replay_of or ""), second

    async def _compare(self, request: Request) -> Response:
        return html(compare_page(self._gateway, *self._pair(request), base=base_of(request)))

    async def _compare_feed(self, request: Request) -> Response:
        (first, second), base = self._pair(request), base_of(request)
        return self._feed(
            request,
            lambda: compare_sections(first, second, base=base),
            lambda: is_over(first) and is_over(second),
        )

    # Sending, and saving.

    async def _send_form(self, request: Request) -> Response:
        id = request.query_params.get("from", "")
        draft = draft_of(self._invocation(id)) if id else Draft()
        return html(send_page(self._gateway, draft, base=base_of(request)))

    async def _send(self, request: Request) -> Response:
        form, base = await form_of(request), base_of(request)
        origin = self._gateway.history.get(form.get("origin", ""))
        draft = (draft_of(origin) if origin else Draft()).filled(form)
        try:
            begun = await actions.send(self._gateway, draft)
        except Refused as exc:
            return html(send_page(self._gateway, draft, base=base, error=refusal(exc)), 400)
        except ValueError as exc:
            return html(send_page(self._gateway, draft, base=base, error=str(exc)), 400)
        return _begun(begun, base)

    def _saved(self, request: Request) -> SavedTest:
        invocation = self._invocation(request.path_params["id"])
        return saved_test(invocation, self._gateway.function, self._gateway.sources)

    async def _test(self, request: Request) -> Response:
        invocation = self._invocation(request.path_params["id"])
        return html(saved_page(invocation, self._saved(request), base=base_of(request)))

    async def _test_code(self, request: Request) -> Response:
        saved = self._saved(request)
        return download(f"{saved.name}.py", saved.code.encode("utf-8", "backslashreplace"))


def _see(url: str, background: BackgroundTask | None = None) -> Response:
    return RedirectResponse(url, 303, background=background)


def _begun(begun: actions.Begun, base: str, suffix: str = "") -> Response:
    return _see(f"{base}/invocations/{begun.invocation.id}{suffix}", BackgroundTask(begun.wait))
