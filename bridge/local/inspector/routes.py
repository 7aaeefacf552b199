"""The URLs of the inspector. What only looks is a GET; what acts is a POST, and redirects to what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args
from urllib.parse import parse_qsl

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bridge.local.inspector import actions
from bridge.local.inspector.compare_page import compare_page, compare_sections
from bridge.local.inspector.detail_page import detail_page, detail_sections
from bridge.local.inspector.elements import Markup
from bridge.local.inspector.feed import changes
from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.list_page import list_page, list_sections
from bridge.local.inspector.page import message_page
from bridge.local.inspector.responses import is_over
from bridge.local.inspector.saved_page import saved_page
from bridge.local.inspector.saved_test import SavedTest, saved_test
from bridge.local.inspector.search import Search
from bridge.local.inspector.send_page import Draft, draft_of, send_page
from bridge.local.invocation import Invocation
from bridge.testing.services import ServiceName

__all__ = ["Routes"]

_STATIC = Path(__file__).parent / "static"

# In bytes: three times an event of 6 MB, which a form makes longer.
_MAX_FORM = 20 << 20

_FIELDS = 50


class _Missing(Exception):
    """Raised for an invocation that the history does not have."""


Answer = Callable[[Request], Awaitable[Response]]


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
            f"{one}/compare": self._compare,
            f"{one}/compare/feed": self._compare_feed,
            f"{one}/test": self._test,
            f"{one}/test.py": self._test_code,
        }
        posts: dict[str, Answer] = {
            "/send": self._send,
            f"{one}/replay": self._replay,
            "/environments/{action}": self._environments,
        }
        routes: list[BaseRoute] = [Route(path, _or_missing(answer)) for path, answer in gets.items()]
        routes += [Route(path, _or_missing(answer), methods=["POST"]) for path, answer in posts.items()]
        return [*routes, Mount("/static", StaticFiles(directory=_STATIC))]

    def _invocation(self, id: str) -> Invocation:
        invocation = self._gateway.history.get(id)
        if invocation is None:
            raise _Missing
        return invocation

    def _feed(self, render: Callable[[], Mapping[str, Markup]], is_over: Callable[[], bool]) -> Response:
        stream = changes(self._gateway.history, render, is_over=is_over, is_closing=self._is_closing)
        return StreamingResponse(stream, media_type="text/event-stream")

    # The list.

    async def _list(self, request: Request) -> Response:
        return _html(list_page(self._gateway, Search.of(request.query_params), base=_base(request)))

    async def _list_feed(self, request: Request) -> Response:
        search, base = Search.of(request.query_params), _base(request)
        return self._feed(lambda: list_sections(self._gateway, search, base=base), lambda: False)

    async def _environments(self, request: Request) -> Response:
        gateway = self._gateway
        steps = {"cold-start": gateway.cold_start, "freeze": gateway.freeze, "restore": gateway.restore}
        step = steps.get(request.path_params["action"])
        if step is None:
            raise _Missing
        try:
            await step()
        except ValueError as exc:
            return _html(message_page("Not possible", str(exc), base=_base(request)), 409)
        return _see(f"{_base(request)}/")

    # One invocation.

    async def _detail(self, request: Request) -> Response:
        invocation = self._invocation(request.path_params["id"])
        return _html(detail_page(self._gateway, invocation, base=_base(request)))

    async def _detail_feed(self, request: Request) -> Response:
        invocation, base = self._invocation(request.path_params["id"]), _base(request)
        return self._feed(lambda: detail_sections(invocation, base=base), lambda: is_over(invocation))

    async def _event(self, request: Request) -> Response:
        saved = self._saved(request)
        return _download(f"{saved.name}.json", saved.event.encode("utf-8", "backslashreplace"))

    async def _result(self, request: Request) -> Response:
        return _download("result", bytes(self._invocation(request.path_params["id"]).result))

    async def _replay(self, request: Request) -> Response:
        invocation = self._invocation(request.path_params["id"])
        source = (await _form(request)).get("source")
        base = _base(request)
        if source is not None and source not in get_args(ServiceName):
            return _html(message_page("Not possible", f"There is no source {source!r}.", base=base), 400)
        try:
            begun = await actions.replay(self._gateway, invocation, cast("ServiceName | None", source))
        except (KeyError, ValueError) as exc:
            return _html(message_page("Not possible", str(exc), base=base), 409)
        return _begun(begun, base, "/compare" if source else "")

    # Two invocations.

    def _pair(self, request: Request) -> tuple[Invocation, Invocation]:
        second = self._invocation(request.path_params["id"])
        return self._invocation(request.query_params.get("with") or second.replay_of or ""), second

    async def _compare(self, request: Request) -> Response:
        return _html(compare_page(self._gateway, *self._pair(request), base=_base(request)))

    async def _compare_feed(self, request: Request) -> Response:
        (first, second), base = self._pair(request), _base(request)
        return self._feed(
            lambda: compare_sections(first, second, base=base),
            lambda: is_over(first) and is_over(second),
        )

    # Sending, and saving.

    async def _send_form(self, request: Request) -> Response:
        id = request.query_params.get("from", "")
        draft = draft_of(self._invocation(id)) if id else Draft()
        return _html(send_page(self._gateway, draft, base=_base(request)))

    async def _send(self, request: Request) -> Response:
        draft, base = Draft.of(await _form(request)), _base(request)
        if self._gateway.history.get(draft.origin) is None:
            draft = replace(draft, origin="")
        try:
            begun = await actions.send(self._gateway, draft)
        except ValueError as exc:
            return _html(send_page(self._gateway, draft, base=base, error=str(exc)), 400)
        return _begun(begun, base)

    def _saved(self, request: Request) -> SavedTest:
        invocation = self._invocation(request.path_params["id"])
        return saved_test(invocation, self._gateway.function, self._gateway.sources)

    async def _test(self, request: Request) -> Response:
        invocation = self._invocation(request.path_params["id"])
        return _html(saved_page(invocation, self._saved(request), base=_base(request)))

    async def _test_code(self, request: Request) -> Response:
        saved = self._saved(request)
        return _download(f"{saved.name}.py", saved.code.encode("utf-8", "backslashreplace"))


def _or_missing(answer: Answer) -> Answer:
    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except _Missing:
            text = "There is no such page, or the invocation is one of the oldest, which are not kept."
            return _html(message_page("Not found", text, base=_base(request)), 404)

    return answered


def _base(request: Request) -> str:
    path: str = request.scope.get("root_path", "")
    return path


def _html(markup: Markup, status: int = 200) -> Response:
    # JSON can have halves of characters, which UTF-8 does not have.
    return HTMLResponse(markup.encode("utf-8", "backslashreplace"), status)


def _see(url: str, background: BackgroundTask | None = None) -> Response:
    return RedirectResponse(url, 303, background=background)


def _begun(begun: actions.Begun, base: str, suffix: str = "") -> Response:
    if begun.invocation is None:
        text = "The service itself refused the request, so the function did not get it."
        return _html(message_page("Refused", text, base=base), 409)
    wait = BackgroundTask(begun.wait)
    return _see(f"{base}/invocations/{begun.invocation.id}{suffix}", wait)


def _download(name: str, content: bytes) -> Response:
    # Never as a type that a browser shows: the content is a client's or a function's.
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


async def _form(request: Request) -> dict[str, str]:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MAX_FORM:
            raise HTTPException(413, f"Expected a form of at most {_MAX_FORM} bytes.")
    try:
        return dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS))
    except ValueError as exc:
        raise HTTPException(400, str(exc)) from None
