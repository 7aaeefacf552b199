"""The form that sends a request or an event, and what it sent."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast, get_args

from bridge.local.inspector.elements import Markup, element, unchanged
from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.json_text import parsed
from bridge.local.inspector.page import page, select
from bridge.local.invocation import Invocation
from bridge.testing.messages import ClientRequest
from bridge.testing.services import ServiceName
from bridge.testing.strict_json import strict_json

__all__ = ["Draft", "draft_of", "event_of", "request_of", "send_page"]

_HEADERS = "Host: 127.0.0.1\nAccept: */*"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the form has, as text. `origin`: the id of the invocation that it began with. `kind`: "request", "event"."""

    kind: str = "request"
    origin: str = ""
    source: str = ""
    method: str = "GET"
    target: str = "/"
    headers: str = _HEADERS
    body: str = ""
    encoding: str = "text"
    event: str = "{}"

    def filled(self, form: Mapping[str, str]) -> Draft:
        """Return the draft with what a browser sent. It makes CR LF of each end of a line (HTML, 4.10.21.4)."""
        names = self.__dataclass_fields__.keys() - {"origin"}
        return replace(self, **{name: text.replace("\r\n", "\n") for name, text in form.items() if name in names})


def draft_of(invocation: Invocation) -> Draft:
    """Return the form with an invocation in it."""
    value, is_json = parsed(invocation.event)
    event = json.dumps(value, indent=2) if is_json else invocation.event.decode("utf-8", "replace")
    request = invocation.request
    if request is None:
        return Draft(kind="event", origin=invocation.id, event=event)
    body, encoding = _body_text(request.body)
    return Draft(
        origin=invocation.id,
        source=invocation.source,
        method=request.method,
        target=request.target,
        headers="\n".join(f"{name}: {value}" for name, value in request.headers if name.lower() != "content-length"),
        body=body,
        encoding=encoding,
        event=event,
    )


def _body_text(body: bytes) -> tuple[str, str]:
    """Return the body as a form can hold it, unharmed: a form changes single carriage returns, and has no bytes."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\r"
    return (text, "text") if "\r" not in text and "\0" not in text else (b64encode(body).decode("ascii"), "base64")


def request_of(draft: Draft) -> tuple[ClientRequest, ServiceName]:
    """Return the request of the form. Raises ValueError, with a sentence for the person who filled it in."""
    if draft.source not in get_args(ServiceName):
        raise ValueError(f"Expected a source, but got {draft.source!r}.")
    method, target = draft.method.strip(), draft.target.strip()
    if not method.isascii() or not method.replace("-", "").isalnum():
        raise ValueError(f"Expected a method such as GET, but got {method!r}.")
    if not target.startswith("/") or not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError("Expected a path that starts with a slash, in ASCII, with % escapes for the rest.")
    body = _body(draft)
    headers = [_header(line) for line in draft.headers.split("\n") if line.strip()]
    headers = [pair for pair in headers if pair[0].lower() not in ("content-length", "transfer-encoding")]
    if body:
        headers.append(("Content-Length", str(len(body))))
    request = ClientRequest(method=method, target=target, headers=tuple(headers), body=body)
    return request, cast("ServiceName", draft.source)


def _body(draft: Draft) -> bytes:
    if draft.encoding != "base64":
        return draft.body.encode("utf-8")
    try:
        return b64decode("".join(draft.body.split()), validate=True)
    except ValueError as exc:
        raise ValueError(f"Expected a body in base64: {exc}") from None


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    is_token = name.isascii() and name.isprintable() and not set(name) & set(' "(),/:;<=>?@[\\]{}')
    if not colon or not name or not is_token:
        raise ValueError(f"Expected a header as 'Name: value', but got {line!r:.200}.")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        value = value.encode("utf-8").decode("latin-1")
    if not all(char == "\t" or char.isprintable() or char >= "\x80" for char in value):
        raise ValueError(f"Expected a header without control characters, but got {line!r:.200}.")
    return name, value.strip(" \t")


def event_of(draft: Draft) -> bytes:
    """Return the event of the form. Raises ValueError, with a sentence for the person who filled it in."""
    try:
        return json.dumps(strict_json(draft.event)).encode("ascii")
    except ValueError as exc:
        raise ValueError(f"Expected an event in JSON: {exc}") from None


def send_page(gateway: Inspected, draft: Draft, *, base: str, error: str = "") -> Markup:
    title = "Edit and send" if draft.origin else "Send"
    # It gets the focus, so that the browser scrolls to it and a screen reader says it.
    wrong = element("p", error, role="alert", tabindex=-1, autofocus=True, class_="failure") if error else None
    is_event = draft.kind == "event"
    return page(
        f"Not sent · {title}" if error else title,
        element("h1", title),
        element(
            "div",
            _request_form(gateway, draft, base, None if is_event else wrong),
            _event_form(draft, base, wrong if is_event else None),
            class_="columns",
        ),
        base=base,
        current="Send",
    )


def _request_form(gateway: Inspected, draft: Draft, base: str, wrong: Markup | None) -> Markup:
    configured = [source.name for source in gateway.sources]
    names = sorted(get_args(ServiceName), key=lambda name: name not in configured)
    return element(
        "form",
        element("h2", "A request, through a service"),
        wrong,
        _hidden("kind", "request"),
        _hidden("origin", draft.origin),
        element(
            "div",
            select("source", "Source", [(name, name) for name in names], draft.source),
            _input("method", "Method", draft.method),
            class_="pair",
        ),
        _input("target", "Path and query", draft.target),
        _area("headers", "Headers, one on each line", draft.headers, 6),
        _area("body", "Body", draft.body, 8),
        select("encoding", "The body is", [("text", "text"), ("base64", "base64")], draft.encoding),
        element("button", "Send the request", class_="main"),
        method="post",
        action=f"{base}/send",
        class_="panel",
    )


def _event_form(draft: Draft, base: str, wrong: Markup | None) -> Markup:
    return element(
        "form",
        element("h2", "An event, straight to the function"),
        wrong,
        _hidden("kind", "event"),
        _hidden("origin", draft.origin),
        _area("event", "JSON", draft.event, 20),
        element("button", "Send the event", class_="main"),
        method="post",
        action=f"{base}/send",
        class_="panel",
    )


def _hidden(name: str, value: str) -> Markup:
    return element("input", type="hidden", name=name, value=value)


def _input(name: str, label: str, value: str) -> Markup:
    field = element("input", name=name, value=value, autocomplete="off", spellcheck="false", required=True)
    return element("label", element("span", label), field, class_="field wide")


def _area(name: str, label: str, value: str, rows: int) -> Markup:
    # A parser drops the first end of a line in a textarea.
    field = element("textarea", "\n", unchanged(value), name=name, rows=rows, spellcheck="false", autocomplete="off")
    return element("label", element("span", label), field, class_="field wide")
